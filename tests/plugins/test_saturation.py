"""What 8 bits give must not depend on the processor: `make processors` runs this as one without VNNI too."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceport.api import Network
from faceport.errors import ConfigError
from faceport.plugins.loading import create
from tests.plugins.toys import build, builder, images, network, reference

ASKING = ("onnxruntime", "openvino")  # whose kernels may cut sums off
SMALL = {"onnxruntime": "8 in pairs of 7", "openvino": "7"}  # weights for those that do


def full_scale() -> Network:
    """Give a network whose activations and weights are the largest that 8 bits hold, wherever one looks."""
    from torch import nn

    def make() -> nn.Module:
        layers = nn.Sequential(
            *(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2)),
        )
        for weights in layers.parameters():
            nn.init.constant_(weights, float(weights.ndim > 1))
        return layers

    return network("fixed", make)


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, cuts_off: bool) -> None:
    """Let a target find this processor to be of one of the two kinds."""
    pytest.importorskip(name)
    monkeypatch.setattr(import_module(f"faceport_{name}.sums"), "saturates", lambda: cuts_off)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "mnn"])
def test_no_sum_is_cut_off(tmp_path: Path, name: str) -> None:
    made = full_scale()
    target = create("target", name, precision="int8")
    kit = builder(target, name, made, tmp_path)
    ones = {"image": np.ones((2, 3, 16, 16), np.float32)}
    kit.trials._calls = {"fixed": [ones]}
    found = kit.build().sessions["fixed"].run(ones)
    np.testing.assert_allclose(found["mean"], reference(made, ones)["mean"], rtol=0.03)  # cut off: by half


@pytest.mark.parametrize("name", ASKING)
def test_weights_follow_the_processor(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = set()
    for cuts_off in (True, False):
        pretend(monkeypatch, name, cuts_off)
        target = create("target", name, precision="int8")
        assert target.recipe()["reduce_range"] is cuts_off
        built = build(target, name, network("fixed"), tmp_path)
        facts = built.sessions["fixed"].facts
        assert facts["weight_bits"] == (SMALL[name] if cuts_off else "8") and "note" not in facts
        assert facts["sums"] == ("16 bits" if cuts_off else "exact")
        artifact = built.artifacts["fixed"]
        assert artifact.manifest["runs_as"] == facts
        assert artifact.manifest["recipe"]["target"]["options"]["reduce_range"] is cuts_off
        paths.add(artifact.path)
    assert len(paths) == 2


@pytest.mark.parametrize("name", ASKING)
def test_an_artifact_that_comes_to_another_kind_of_processor_says_so(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made_where, bits in ((True, SMALL[name]), (False, "8")):
        pretend(monkeypatch, name, made_where)
        target = create("target", name, precision="int8")
        built = build(target, name, network("fixed"), tmp_path)
        pretend(monkeypatch, name, not made_where)
        facts = target.open(built.artifacts["fixed"]).facts
        assert facts["weight_bits"] == bits and facts["note"].startswith(f"its weights have {bits[0]} bits")


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("reduced", [True, False])
def test_the_processor_that_will_run_it_can_be_told(
    tmp_path: Path, name: str, reduced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, name, not reduced)
    target: Any = create("target", name, precision="int8", reduce_range=reduced)
    assert target.recipe()["reduce_range"] is reduced
    facts = build(target, name, network("fixed"), tmp_path).sessions["fixed"].facts
    assert facts["weight_bits"] == (SMALL[name] if reduced else "8")


def test_eight_bits_that_came_from_elsewhere_are_run_exactly(tmp_path: Path) -> None:
    """On a processor that would cut their sums off, ONNX Runtime has slower kernels for them."""
    made = network("free")
    wanted = build(create("target", "onnxruntime", precision="int8"), "onnxruntime", made, tmp_path)
    carried = create("target", "onnxruntime", precision="int8", reduce_range=False)
    session = build(carried, "onnxruntime", made, tmp_path).sessions["free"]
    call = images(3, 3, 33, 17)
    right = reference(made, call)["heat"]
    errors = [np.abs(one.run(call)["heat"] - right).mean() for one in (wanted.sessions["free"], session)]
    assert errors[1] < 1.1 * errors[0]


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="'reduce_range' is 'yes', it must be one of: auto, true, false"):
        create("target", "openvino", reduce_range="yes")
