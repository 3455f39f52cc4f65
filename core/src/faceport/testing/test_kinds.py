"""What the core relies on in a kind, its own or a plugin's: a base class that says what things of it do."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from faceport.plugins.index import installed
from faceport.plugins.kinds import KIND, Kind
from faceport.plugins.loading import base_class, classes

KINDS = [pytest.param(kind, id=f"kind-{kind.name}") for kind in installed().kinds.values() if kind != KIND]
every = pytest.mark.parametrize("kind", KINDS)


@every
def test_its_base_class_says_what_things_of_it_do(kind: Kind) -> None:
    base = base_class(kind)
    assert base.__dict__.get("__doc__"), f"{base.__name__} has no docstring: what is a {kind.name}?"
    assert inspect.isabstract(base), f"{base.__name__} has no abstract method: what must one implement?"


@every
def test_its_base_class_declares_options(kind: Kind) -> None:
    base = base_class(kind)
    options = getattr(base, "Options", None)
    assert isinstance(options, type) and dataclasses.is_dataclass(options), (
        f"{base.__name__}.Options must be a dataclass (faceport.verb.NoOptions where there are none): it is "
        "what the YAML of a thing is checked against"
    )


@every
def test_its_things_are_made_of_its_base_class(kind: Kind) -> None:
    base = base_class(kind)
    for plugin in installed().plugins:
        if not plugin.faults and any(choice.kind == kind.name for choice in plugin.choices):
            for name, cls in classes(plugin, kind.name).items():
                assert issubclass(cls, base), f"{kind.name} '{name}' is no {base.__name__}"
