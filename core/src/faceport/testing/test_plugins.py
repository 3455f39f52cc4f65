"""Every plugin: options that are data, classes that fit them, imports that cost nothing."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from faceport.catalogue.meanings import options
from faceport.hints import literals
from faceport.plugins.index import NOT_OPTIONS, Choice, Plugin, installed, owner
from faceport.plugins.loading import classes, find_class, typed_options
from faceport.testing.choices import own_choices, small, small_options, title

LIGHT = {*sys.stdlib_module_names, "faceport", "pluggy", "numpy", "yaml"}  # what a hook module may import
IMPORT = """
import importlib, json, sys
import faceport.api, faceport.hooks
from faceport.plugins.index import installed
from faceport.plugins.loading import classes
def tops():
    return {name.partition(".")[0] for name in sys.modules}
before = tops()
plugin = next(p for p in installed().plugins if p.module == sys.argv[1])
importlib.import_module(plugin.module)
module = sorted(tops() - before)
for kind in {choice.kind for choice in plugin.choices}:
    classes(plugin, kind)
print(json.dumps({"module": module, "classes": sorted(tops())}))
"""

# Kinds are held to what a kind must be in test_kinds.
KINDS = [kind for kind in installed().kinds if kind != "kind"]
CHOICES = [choice for kind in KINDS for choice in own_choices(kind)]
every = pytest.mark.parametrize("choice", [pytest.param(c, id=title(c)) for c in CHOICES])


def typed(value: Any) -> str:
    """Write a value as it is typed on the command line."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def imported(plugin: Plugin) -> Mapping[str, list[str]]:
    """Import a plugin in a fresh process; list what came with its module, then with its classes."""
    if plugin.faults:
        pytest.skip("the plugin has faults, see test_has_no_fault")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, plugin.module], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"importing {plugin.module} fails:\n{done.stderr}"
    content: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return content


def test_has_no_fault(plugin: Plugin) -> None:
    assert not plugin.faults, "; ".join(plugin.faults)
    index = installed()
    clashes = [
        index.clash(kind, name)
        for (kind, name), rivals in index.clashes.items()
        if plugin in rivals and plugin is not owner(rivals, kind, name)
    ]
    assert not clashes, "; ".join(clashes)


def test_offers_something(plugin: Plugin) -> None:
    assert plugin.choices, f"no conf/KIND/NAME.yaml beside {plugin.module}: is it in package-data?"


def test_module_imports_nothing_heavy(plugin: Plugin, imported: Mapping[str, list[str]]) -> None:
    heavy = {*imported["module"]} - LIGHT - {plugin.module.partition(".")[0]}
    assert not heavy, (
        f"{plugin.module} imports {sorted(heavy)} at its top: import it inside the hook or later"
    )


def test_classes_load_without_their_runtime(plugin: Plugin, imported: Mapping[str, list[str]]) -> None:
    required = {name for choice in plugin.choices for name in choice.card.get("requires") or {}}
    early = {*imported["classes"]} & {"torch", *required}
    assert not early, f"the classes of {plugin.module} import {sorted(early)}: import it inside their methods"


def test_every_yaml_has_a_class(plugin: Plugin) -> None:
    for kind in {choice.kind for choice in plugin.choices}:
        offered = {choice.name for choice in plugin.choices if choice.kind == kind}
        answered = set(classes(plugin, kind))
        assert answered == offered, f"conf/{kind} offers {offered}, the hook answers {answered}"


@every
def test_yaml_names_the_options_of_its_class(choice: Choice) -> None:
    fields = {item.name for item in dataclasses.fields(find_class(choice.kind, choice.name).Options)}
    assert {*choice.options} == fields, f"{choice.path} has other keys than the dataclass"


@every
def test_yaml_says_beside_each_option_what_it_means(choice: Choice) -> None:
    """The comment is what `faceport list` shows; values in it, as `# a | b (what it is) | c`, complete."""
    silent = [option.key for option in options(choice) if not option.meaning]
    assert not silent, f"{choice.path}: write a comment beside {', '.join(silent)}"


@every
def test_yaml_lists_the_values_that_its_class_takes(choice: Choice, tmp_path: Path) -> None:
    cls, given = find_class(choice.kind, choice.name), small_options(choice, tmp_path)
    hints = get_type_hints(cls.Options)
    for option in options(choice):
        where = f"{choice.path}: {option.key}"
        allowed = {typed(value) for value in literals(hints[option.key])} if option.key in hints else set()
        listed = {*option.values}
        assert len(allowed) < 2 or listed | {"null"} == allowed | {"null"}, (
            f"{where}: the comment lists {', '.join(option.values) or 'no values'}; the class takes "
            f"{' | '.join(sorted(allowed))}"
        )
        if choice.kind == "target" and option.key == "precision" and listed:
            assert listed == {*choice.card["precisions"]}, f"{where}: card.precisions lists others"
        for value in () if allowed or "." in option.key else option.values:  # no Literal, of no section
            plain = yaml.safe_load(value)
            plain = [plain] if isinstance(option.default, list) else plain
            typed_options(cls, choice, {**choice.options, **given, option.key: plain})


@every
def test_yaml_makes_no_objects(choice: Choice) -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, Mapping):
            return {*map(str, value)}.union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    assert "_target_" not in keys(choice.content), f"{choice.path}: classes come from the hook alone"


@every
def test_card_has_a_summary(choice: Choice) -> None:
    summary = choice.card.get("summary")
    assert isinstance(summary, str) and summary.strip(), f"{choice.path}: card.summary is missing"
    assert "\n" not in summary.strip(), f"{choice.path}: card.summary must be one line"
    assert {*choice.content} - {*choice.options} <= {*NOT_OPTIONS}


@every
def test_instance_can_be_made(choice: Choice, tmp_path: Path) -> None:
    assert isinstance(small(choice, tmp_path), find_class(choice.kind, choice.name))
