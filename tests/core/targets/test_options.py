"""What the core turns on a target is declared once; targets that declare less, or their own, keep working."""

from dataclasses import dataclass
from typing import Literal

import pytest

from faceport.api import NoOptions, QuantisedOptions, Target, TargetOptions
from faceport.plugins.index import installed
from faceport.plugins.loading import find_class
from faceport.plugins.options import checked


class Idle(Target):
    """Do nothing, with any options."""

    compile = open = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Inherited(QuantisedOptions):
    precision: Literal["fp32", "int8"] = "fp32"
    range: Literal["minmax", "mse"] = "mse"
    threads: int = 1


@dataclass(frozen=True)
class Foreign:
    precision: str = "int8"
    tolerance: float | None = 0.5
    flavour: str = "plain"


def test_options_that_inherit_are_the_knobs() -> None:
    target = Idle(Inherited(precision="int8", exclude=["a"]))
    assert target.knobs is target.options
    assert target.precision == "int8" and target.calibrates
    assert not Idle(Inherited()).calibrates


def test_a_target_without_such_options_has_the_defaults() -> None:
    target = Idle(NoOptions())
    assert target.knobs == QuantisedOptions() and target.precision == "fp32" and not target.calibrates


def test_a_target_with_options_of_its_own_is_read_by_their_names() -> None:
    target = Idle(Foreign())
    assert target.knobs == QuantisedOptions(precision="int8", tolerance=0.5)
    assert not target.calibrates  # it never said that its int8 wants calls


def test_a_copy_has_what_fits_and_refuses_what_nobody_knows() -> None:
    target = Idle(Foreign()).with_options(precision="fp32", allow_fallback=True, flavour="hot")
    assert target.options == Foreign("fp32", 0.5, "hot")
    changed = Idle(Inherited(threads=3)).with_options(allow_fallback=True, exclude=["a"]).options
    assert changed == Inherited(threads=3, allow_fallback=True, exclude=["a"])
    assert Idle(NoOptions()).with_options(precision="fp32").options == NoOptions()
    with pytest.raises(TypeError, match="precison"):
        target.with_options(precison="fp32")


def test_the_knobs_enter_the_key_as_far_as_they_shape_anything() -> None:
    int8 = Inherited(precision="int8", exclude=["b", "a"], accuracy_budget=0.1, tolerance=3.0)
    told = {"precision": "int8", "allow_fallback": False, "exclude": ["a", "b"], "range": "mse"}
    assert Idle(int8).recipe() == told
    assert Idle(Inherited(exclude=["a"])).recipe() == {"precision": "fp32", "allow_fallback": False}
    assert Idle(Foreign()).recipe()["precision"] == "int8"


def test_a_narrowed_choice_is_checked() -> None:
    with pytest.raises(Exception, match="option 'precision' is 'fp16', it must be one of: fp32, int8"):
        checked(Inherited, {"precision": "fp16"})
    assert checked(Inherited, {"tolerance": 1}) == Inherited(tolerance=1.0)


@pytest.mark.parametrize("name", sorted(installed().choices("target")))
def test_shipped_targets_inherit_what_the_core_turns(name: str) -> None:
    found = find_class("target", name)
    if not found.__module__.startswith("faceport_example"):
        assert issubclass(found.Options, TargetOptions)
