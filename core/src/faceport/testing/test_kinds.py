"""What the core relies on in a kind that a plugin brings: a base class that says what its things do."""

from __future__ import annotations

import dataclasses
import inspect

from faceport.plugins.index import Choice, installed
from faceport.plugins.loading import classes, find_class


def test_its_base_class_says_what_things_of_it_do(kind_choice: Choice) -> None:
    base = find_class("kind", kind_choice.name)
    assert inspect.getdoc(base), f"{base.__name__} has no docstring: what is a {kind_choice.name}?"
    assert inspect.isabstract(base), f"{base.__name__} has no abstract method: what must one implement?"


def test_its_base_class_declares_options(kind_choice: Choice) -> None:
    base = find_class("kind", kind_choice.name)
    options = getattr(base, "Options", None)
    assert isinstance(options, type) and dataclasses.is_dataclass(options), (
        f"{base.__name__}.Options must be a dataclass (faceport.verb.NoOptions where there are none): it is "
        "what the YAML of a thing is checked against"
    )


def test_its_things_are_made_of_its_base_class(kind_choice: Choice) -> None:
    base = find_class("kind", kind_choice.name)
    for plugin in installed().plugins:
        if any(choice.kind == kind_choice.name for choice in plugin.choices):
            for name, cls in classes(plugin, kind_choice.name).items():
                assert issubclass(cls, base), f"{kind_choice.name} '{name}' is no {base.__name__}"
