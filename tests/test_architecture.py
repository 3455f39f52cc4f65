"""Who may import whom, read from the source. The tables are the rules; the code below only applies them."""

from __future__ import annotations

import re
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.imports import Import, imports, imports_of, modules, packages, reached

# --- the rules ---

# The rooms of the core, floor by floor: a room imports what lies on lower floors, never another room of its
# own floor, and nobody imports the kit. The two lowest floors are what lies flat at the top: one room each.
FLOORS = (
    ("bounds errors escapes types hints files places processors progress",),
    ("api hooks verb",),
    ("ops", "nets", "graph", "targets", "data", "engine", "plugins"),
    ("networks", "catalogue"),
    ("artifacts",),
    ("runs",),
    ("study",),
    ("verbs",),
    ("shell",),
)

# Where torch networks live.
TORCH = ("modules", "state_dicts", "fits", "export")
NETS = (
    *(f"faceport.networks.{name}" for name in TORCH),
    "faceport.nets.*",
    "faceport.testing.net",
    "faceport_*.net",
    "faceport_*.net[s_]*",
    "faceport_train.training.*",
)

# Packages that only these modules may import.
ONLY = {
    "hydra": ["faceport.shell.*"],
    "faceport_kernels": ["faceport_kernels", "faceport.ops.native"],
    "omegaconf": ["faceport.shell.*", "faceport.plugins.options"],
    "pluggy": ["faceport.hooks", "faceport.plugins.loading"],
    "pytest": ["faceport.testing.*"],
    "requests": ["faceport.networks.sources.*"],
    "urllib3": ["faceport.networks.sources.*"],
    "rich": ["faceport.progress", "faceport.verbs.show.*", "faceport_*.show"],
    "torch": [*NETS, "faceport.networks.reference", "faceport_torch.*", "faceport_train.log"],
    "onnxruntime": ["faceport_onnxruntime.*", "faceport_qnn.*", "faceport_example_mailbox.answer"],
    "openvino": ["faceport_openvino.*"],
    "nncf": ["faceport_openvino.*"],
    "MNN": ["faceport_mnn.*"],
    "ncnn": ["faceport_ncnn.*"],
    "rknn": ["faceport_rknn.toolkit"],
    "pnnx": ["faceport_ncnn.*"],
    "tensorrt": ["faceport_tensorrt.*"],
    "tvm": ["faceport_tvm.*"],
}

# Runtimes, and where else than inside functions they may be imported: importing a target must cost nothing.
RUNTIMES = (
    "torch",
    "onnxruntime",
    "onnxruntime_qnn",
    "openvino",
    "nncf",
    "MNN",
    "ncnn",
    "pnnx",
    "rknn",
    "tensorrt",
    "tvm",
)
TOP = [*NETS]

# What a plugin may know of the core. Never: how a run is composed, driven, shown.
FOR_PLUGINS = [
    "faceport",
    *(f"faceport.{name}" for name in ("api", "bounds", "errors", "hooks", "types", "verb")),
    *(f"faceport.{name}.*" for name in ("ops", "nets", "graph", "targets", "data")),
    *(
        f"faceport.{name}"
        for name in (
            "escapes",
            "files",
            "places",
            "processors",
            "progress",
            "networks.parity",
            "networks.weights",
            "artifacts.store",
        )
    ),
]

# And what a verb may know beside: it drives the rest.
FOR_VERBS = [
    *(f"faceport.{name}.*" for name in ("engine", "networks", "artifacts", "plugins", "runs", "study")),
    "faceport.verbs.show.*",
]

# What the module of a hook may import at its top: `faceport list` must stay quick whatever is installed.
FOR_HOOKS = {"__future__", "collections", "faceport", "typing"}

MOST_LINES = 400  # of a file
KINDS = ("models", "targets", "datasets", "metrics", "verbs")

# --- what applies them ---


def fits(module: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


def top(module: str) -> str:
    return module.partition(".")[0]


def room(module: str) -> str:
    """Name the room of a core module: its folder, or its own name where it lies flat at the top."""
    return module.removeprefix("faceport").removeprefix(".").partition(".")[0]


def floor_of(name: str) -> tuple[int, str]:
    """Find the floor of a room and what it is part of there."""
    for height, rooms in enumerate(FLOORS):
        for members in rooms:
            if name in members.split():
                return height, members
    raise AssertionError(f"core/src/faceport/{name} is on no floor: add it to FLOORS")


def inner() -> list[Import]:
    """List the imports from one core module to another; the package itself imports on first use."""
    core = {name for name in modules() if top(name) == "faceport" and room(name) not in ("", "__main__")}
    return [one for one in imports() if one.by in core and one.what in core]


def graph(package: str) -> dict[str, set[str]]:
    """List which modules of a package import which, at once or later."""
    edges: dict[str, set[str]] = {name: set() for name in modules() if top(name) == package}
    for one in imports():
        if one.by in edges and one.what in edges and one.by != package:
            edges[one.by].add(one.what)
    return edges


def bad(found: list[Import]) -> str:
    return "\n".join(map(str, found))


def test_rooms_import_only_what_lies_below():
    wrong = []
    for one in inner():
        here, there = room(one.by), room(one.what)
        if "testing" in (here, there) or here == there:
            continue  # the kit sees all; that nobody sees the kit is a rule of its own
        (own, mine), (other, theirs) = floor_of(here), floor_of(there)
        if other > own or (other == own and mine != theirs):
            wrong.append(one)
    assert not wrong, bad(wrong)


def test_every_floor_is_there():
    rooms = {room(name) for name in modules() if top(name) == "faceport"} - {"", "__main__", "testing"}
    assert rooms == {name for rooms in FLOORS for members in rooms for name in members.split()}


def boxes() -> list[set[str]]:
    """Read the rooms that the drawing shows, floor by floor from below: boxes of one height on the page."""
    drawing = (ROOT / "docs/architecture.svg").read_text("utf-8").partition('class="title"')[0]
    floors: dict[int, set[str]] = {}
    for height, name in re.findall(r'class="name" x="\d+" y="(\d+)">(\w+)<', drawing):
        floors.setdefault(int(height), set()).add(name)
    return [floors[height] for height in sorted(floors, reverse=True)]


def test_the_drawing_shows_the_rooms():
    assert boxes() == [{name for members in rooms for name in members.split()} for rooms in FLOORS]


def test_the_page_says_the_rule():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    rule = re.search(r"(?:^    .*\n)+", page, re.MULTILINE)[0]
    floors = [set(re.findall(r"\w+", floor)) for floor in rule.split("<-")]
    assert floors == [{name for members in rooms for name in members.split()} for rooms in FLOORS]


@pytest.mark.parametrize("package", list(packages()))
def test_nothing_imports_in_a_circle(package):
    edges = graph(package)
    circles = sorted(module for module in edges if module in reached(module, edges))
    assert not circles


@pytest.mark.parametrize("package", ONLY)
def test_package_is_imported_by_few(package):
    wrong = [one for one in imports() if top(one.what) == package and not fits(one.by, ONLY[package])]
    examples = {name for name, path in packages().items() if "examples" in path.parts}
    wrong = [one for one in wrong if not (top(one.by) in examples and one.late)]
    assert not wrong, bad(wrong)


def test_runtimes_are_imported_inside_functions():
    wrong = [one for one in imports() if top(one.what) in RUNTIMES and not one.late and not fits(one.by, TOP)]
    assert not wrong, bad(wrong)


def test_plugins_never_import_each_other():
    wrong = [
        one
        for one in imports()
        if top(one.what).startswith("faceport_")
        and top(one.what) not in (top(one.by), "faceport_kernels")  # no plugin: it has a rule of its own
    ]
    assert not wrong, bad(wrong)


def allowed(module: str) -> list[str]:
    """List what a plugin's module may import of the core."""
    brings_a_verb = (packages()[top(module)] / "conf/verb").is_dir()
    return [*FOR_PLUGINS, *(FOR_VERBS if brings_a_verb else [])]


def test_plugins_know_little_of_the_core():
    wrong = [
        one
        for one in imports()
        if top(one.by) != "faceport" and top(one.what) == "faceport" and not fits(one.what, allowed(one.by))
    ]
    assert not wrong, bad(wrong)


def test_hooks_are_light():
    hooks = set(packages()) - {"faceport"}
    wrong = [
        one
        for one in imports()
        if one.by in hooks and not one.late and top(one.what) not in FOR_HOOKS | {top(one.by)}
    ]
    assert not wrong, bad(wrong)


def test_the_kit_is_imported_by_nobody():
    wrong = [
        one
        for one in imports()
        if one.what.startswith("faceport.testing") and not one.by.startswith("faceport.testing")
    ]
    assert not wrong, bad(wrong)


FROM_VENDORS = {"ais_bench", "mera", "rknn"}  # comes with the hardware, or lives in a Python of its own
DISTRIBUTIONS = {  # module: what brings it
    "cuda": "cuda-bindings",
    "cv2": "opencv-python",
    "mlflow": "mlflow-skinny",
    "onnxruntime_qnn": "onnxruntime-qnn",
    "prometheus_client": "prometheus-client",
    "pynvml": "nvidia-ml-py",
    "tensorrt": "tensorrt-cu13",
    "tvm": "apache-tvm",
    "yaml": "omegaconf",
}


@pytest.mark.parametrize("package", [name for name in packages() if name != "faceport"])
def test_plugins_require_what_they_import(package):
    def required(project: dict) -> set[str]:
        extras = project.get("optional-dependencies", {}).values()
        listed = [*project.get("dependencies", []), *(item for extra in extras for item in extra)]
        names = {re.match(r"[\w.-]+", item)[0].lower().replace("_", "-") for item in listed}
        return names | (
            {"torch", "safetensors"} if any("faceport[torch]" in item for item in listed) else set()
        )

    folder = packages()[package].parents[1]
    core = tomllib.loads((ROOT / "core/pyproject.toml").read_text())["project"]
    own = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    brought = required(own) | {re.match(r"[\w.-]+", item)[0].lower() for item in core["dependencies"]}
    used = {top(one.what) for one in imports() if top(one.by) == package}
    used -= {*sys.stdlib_module_names, *FROM_VENDORS, "faceport", package}
    lacking = sorted(name for name in used if DISTRIBUTIONS.get(name, name).lower() not in brought)
    assert not lacking, f"{folder / 'pyproject.toml'} does not require {', '.join(lacking)}"


@pytest.mark.parametrize("package", [name for name in packages() if name != "faceport"])
def test_plugins_have_one_name_through_every_layer(package):
    folder = packages()[package].parents[1]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == package.replace("_", "-")
    assert project["entry-points"]["faceport"] == {package.removeprefix("faceport_"): package}
    assert any(item.startswith("faceport") for item in project["dependencies"])
    if "plugins" in folder.parts:
        assert folder.parent.name in KINDS
        assert package.removeprefix("faceport_").removesuffix(f"_{folder.parent.name[:-1]}") == folder.name


def options() -> list[Path]:
    return [
        path
        for folder in ("core", "plugins", "conf", "examples")
        for path in sorted((ROOT / folder).rglob("*.yaml"))
    ]


def test_no_option_makes_an_object():
    assert options()
    wrong = [path for path in options() if "_target_" in path.read_text("utf-8")]
    assert not wrong


def sources() -> list[Path]:
    return [*modules().values(), *sorted((ROOT / "tests").rglob("*.py"))]


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources()
        if (n := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_the_kernel_is_one_sitting():
    rooms = [path for path in modules().values() if path.parent.name in ("plugins", "engine")]
    flat = [ROOT / f"core/src/faceport/{name}.py" for name in ("errors", "types", "api", "hooks", "verb")]
    kernel = [*flat, *(path for path in rooms if "faceport" in path.parts)]
    assert sum(bool(line.strip()) for path in kernel for line in path.read_text().splitlines()) < 2000


def test_files_say_what_they_hold():
    vague = ("utils", "util", "helpers", "common", "misc")
    assert not [path for path in sources() if path.stem in vague]


def test_nothing_belongs_to_one_machine():
    homes = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
    wrong = [
        path for path in [*sources(), *options(), ROOT / "Makefile"] if homes.search(path.read_text("utf-8"))
    ]
    assert not wrong


# --- the rules are applied ---


def test_every_form_of_import_is_read():
    source = """
import torch.nn as nn, os
from . import sibling
from .deep import thing
from faceport import api
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import hydra
def late():
    from torch import nn
class Eager:
    import onnxruntime
try:
    import openvino
except ImportError:
    pass
"""
    known = frozenset({"faceport", "faceport.api", "faceport_x", "faceport_x.sibling", "faceport_x.deep"})
    found = {(one.what, one.late, one.typed) for one in imports_of("faceport_x.module", source, known)}
    assert found == {
        ("torch.nn", False, False),
        ("os", False, False),
        ("faceport_x.sibling", False, False),
        ("faceport_x.deep", False, False),
        ("faceport.api", False, False),
        ("typing", False, False),
        ("hydra", False, True),
        ("torch", True, False),
        ("onnxruntime", False, False),
        ("openvino", False, False),
    }


def test_ways_are_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}
    assert reached("a", edges) == {"b": "a", "c": "b", "a": "c"}
    assert reached("d", edges) == {}


def test_there_is_something_to_rule():
    assert len(packages()) > 10
    used = {top(one.what) for one in imports()}
    assert used >= {"hydra", "torch", "onnxruntime", "faceport", "numpy", "pytest"}
