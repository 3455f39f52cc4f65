"""The conformance kit finds what it is there to find, and blames nobody else."""

import json
import re
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from faceport.testing import test_plugins
from tests.cli import kit
from tests.conftest import ROOT
from tests.fakes import install

KINDS = ("model", "target", "dataset", "metric", "verb", "kind")


def classes(kind: str) -> dict[str, type]:
    found = vars(import_module(f"tests.faulty.{kind}")).items()
    return {f"faulty_{name}": cls for name, cls in found if hasattr(cls, "caught_by")}


def card(cls: type) -> dict:
    said = {"summary": "Has a fault", **{key: sorted(getattr(cls, key, ())) for key in ("provides", "needs")}}
    return said | getattr(cls, "card", {})


def failures(site: Path, chosen: str) -> tuple[dict[str, set[str]], str]:
    """Run the kit on what is installed in a folder; give the tests that failed, by id of the choice."""
    done = kit(chosen, site, str(site))
    failed: dict[str, set[str]] = {}
    for test, bracket in re.findall(
        r"^(?:FAILED|ERROR) \S*::(\w+)\[(.*?)\](?: - .*)?$", done.stdout, re.MULTILINE
    ):
        parts = re.fullmatch(r"(\w+-\w+)(?:-(?:torch|onnx))?(?:-(.+))?", bracket)
        failed.setdefault(parts[1], set()).add(f"{test}[{parts[2]}]" if parts[2] else test)
    return failed, done.stdout


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, set[str]]:
    site = tmp_path_factory.mktemp("faulty")
    files = {f"faulty/{path.name}": path.read_text() for path in (ROOT / "tests/faulty").glob("*.py")}
    for kind in KINDS:
        for name, cls in classes(kind).items():
            options = asdict(cls.Options()) if is_dataclass(cls.Options) else {}
            lines = [f"{key}: {json.dumps(value)}  # an option\n" for key, value in options.items()]
            text = "".join(lines) + yaml.safe_dump({"card": card(cls)})
            files[f"faulty/conf/{kind}/{name}.yaml"] = text
    install(site, "faulty", files, {"faulty": "faulty"})
    return failures(site, "faulty_")[0]


EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind in KINDS for name in classes(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_fault_is_caught(kind, name, verdicts):
    cls, failed = classes(kind)[name], verdicts.get(f"{kind}-{name}", set())
    assert failed >= {*cls.caught_by}
    assert failed <= {*cls.caught_by} or hasattr(cls, "and_more")


HOOK = """
from faceport.hooks import hookimpl
@hookimpl
def metrics():
    from {module}.metric import Good
    return {{"{module}": Good}}
"""
STRANGERS = """
@hookimpl
def kinds():
    return {{"faulty_strange": "{module}.metric:Strange"}}
@hookimpl
def faulty_stranges():
    return {{"faulty_stranger_thing": "{module}.metric:Good"}}
"""
STRANGE = """
from abc import ABC, abstractmethod
from faceport.verb import NoOptions
class Strange(ABC):
    '''Do something.'''
    Options = NoOptions
    @abstractmethod
    def apply(self): ...
"""
CARD = "card: {summary: Has a fault}\n"
UNMADE = "test_instance_can_be_made"
KEYS = "test_yaml_names_the_options_of_its_class"
MEANINGS = "test_yaml_says_beside_each_option_what_it_means"
VALUES = "test_yaml_lists_the_values_that_its_class_takes"
CLASSES = "test_every_yaml_has_a_class"
YAML = "conf/metric/{module}.yaml"
PLUGINS = {  # module -> files that differ from a good plugin's, and the tests that must fail
    "faulty_light": ({}, set()),
    "faulty_heavy": ({"__init__.py": f"import scipy\n{HOOK}"}, {"test_module_imports_nothing_heavy"}),
    "faulty_eager": ({"metric.py": "import torch\n"}, {"test_classes_load_without_their_runtime"}),
    "faulty_extra": ({YAML: f"sise: 1  # a slip of the pen\n{CARD}"}, {KEYS, UNMADE}),
    "faulty_silent": ({YAML: "card: {}\n"}, {"test_card_has_a_summary"}),
    "faulty_maker": (
        {YAML: f"{CARD}extra: {{_target_: os.system}}\n"},
        {"test_yaml_makes_no_objects", KEYS, MEANINGS, UNMADE},
    ),
    "faulty_typed": ({YAML: f"size: big  # how big\n{CARD}", "metric.py": "SIZE = 1\n"}, {UNMADE}),
    "faulty_empty": ({YAML: None}, {"test_offers_something"}),
    "faulty_broken": ({YAML: "card: [\n"}, {"test_has_no_fault", CLASSES}),
    "faulty_stranger": (
        {
            "__init__.py": f"{HOOK}{STRANGERS}",
            "metric.py": STRANGE,
            "conf/kind/faulty_strange.yaml": CARD,
            "conf/faulty_strange/faulty_stranger_thing.yaml": CARD,
        },
        {
            *(CLASSES, KEYS, VALUES, UNMADE),
            *("test_module_imports_nothing_heavy", "test_classes_load_without_their_runtime"),
        },
    ),
    "faulty_second": ({"conf/metric/faulty_second_yaml.yaml": CARD}, {CLASSES, KEYS, VALUES, UNMADE}),
}
METRIC = """
from dataclasses import make_dataclass
from faceport.api import Metric
class Good(Metric):
    Options = make_dataclass("Options", [("size", int, SIZE)] if "SIZE" in globals() else [], frozen=True)
    def compute(self, items):
        return {"items": sum(1 for _ in items)}
"""


def plugin_files(module: str) -> dict[str, str]:
    files = {"__init__.py": HOOK, "metric.py": "", YAML: CARD} | PLUGINS[module][0]
    files["metric.py"] += METRIC
    return {
        f"{module}/{name.format(module=module)}": text.format(module=module)
        if name.endswith("__.py")
        else text
        for name, text in files.items()
        if text is not None
    }


@pytest.fixture(scope="module")
def plugin_verdicts(tmp_path_factory) -> dict[str, set[str]]:
    site = tmp_path_factory.mktemp("plugins")
    for module in PLUGINS:
        install(site, module, plugin_files(module), {module: module})
    return failures(site, "faulty_")[0]


@pytest.mark.parametrize("module", PLUGINS)
def test_every_faulty_plugin_is_caught(module, plugin_verdicts):
    found = {
        test
        for choice, tests in plugin_verdicts.items()
        if choice.partition("-")[2].startswith(module)
        for test in tests
    }
    assert {test for test in found if hasattr(test_plugins, test)} == PLUGINS[module][1]
