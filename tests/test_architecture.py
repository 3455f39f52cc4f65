"""Who may import whom, read from the source. The tables are the rules; the code below only applies them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

# --- the rules ---

# What the core is built of: left never imports right, not even by way of a module that is not named here.
ORDER = (
    "errors",
    "types",
    "api",
    "hooks",
    "plugins",
    "engine",
    "build",
    "plan",
    "compose",
    "pipelines",
    "cli",
)

# Imports inside functions that point to the right all the same, and why.
LATE = {
    ("faceport.api", "faceport.net"): "a network is built when somebody asks for its module",
    ("faceport.net", "faceport.plugins"): "weights that do not fit: which installed model would they fit?",
}

# Where torch networks live.
NETS = ("faceport.net", "faceport.nets.*", "faceport.testing.net", "faceport_*.net", "faceport_*.net[s_]*")

# Packages that only these modules may import.
ONLY = {
    "hydra": ["faceport.cli", "faceport.compose"],
    "omegaconf": ["faceport.compose", "faceport.options"],
    "pluggy": ["faceport.hooks", "faceport.plugins"],
    "pytest": ["faceport.testing.*"],
    "requests": ["faceport.weights"],
    "rich": ["faceport.progress", "faceport.report.*"],
    "torch": [*NETS, "faceport.export", "faceport.build", "faceport_torch.*"],
    "onnxruntime": ["faceport_onnxruntime.*"],
    "openvino": ["faceport_openvino.*"],
    "nncf": ["faceport_openvino.*"],
    "MNN": ["faceport_mnn.*"],
    "ncnn": ["faceport_ncnn.*"],
    "pnnx": ["faceport_ncnn.*"],
    "tensorrt": ["faceport_tensorrt.*"],
    "tvm": ["faceport_tvm.*"],
}

# Runtimes, and where else than inside functions they may be imported: importing a target must cost nothing.
RUNTIMES = ("torch", "onnxruntime", "openvino", "nncf", "MNN", "ncnn", "pnnx", "tensorrt", "tvm")
TOP = [*NETS, "faceport.export"]

# What a plugin may know of the core. Never: how a run is composed, driven, shown.
FOR_PLUGINS = [
    "faceport",
    *(f"faceport.{name}" for name in ("api", "errors", "hooks", "types")),
    *(f"faceport.{name}" for name in ("ops.*", "nets.*", "graph.*")),
    *(f"faceport.{name}" for name in ("archive", "crops", "labelled", "media", "parity", "predictions")),
    *(f"faceport.{name}" for name in ("progress", "runtimes", "shapes", "store", "weights")),
]

# What the module of a hook may import at its top: `faceport list` must stay quick whatever is installed.
FOR_HOOKS = {"__future__", "collections", "faceport", "typing"}

MOST_LINES = 400  # of a file
KINDS = ("models", "targets", "datasets", "metrics")

# --- what applies them ---


@dataclass(frozen=True)
class Import:
    """One import statement."""

    by: str  # module
    what: str  # module
    line: int
    late: bool  # inside a function
    typed: bool  # for type checkers only

    def __str__(self) -> str:
        return f"{self.by}, line {self.line}: imports {self.what}"


def packages() -> dict[str, Path]:
    """Find the source folder of every package of this repository."""
    found = {"faceport": ROOT / "core/src/faceport"}
    for pattern in ("plugins/*/*/src/faceport_*", "examples/*/src/faceport_*"):
        found |= {path.name: path for path in sorted(ROOT.glob(pattern)) if (path / "__init__.py").is_file()}
    return found


@lru_cache(maxsize=1)
def modules() -> dict[str, Path]:
    """Find the source file of every module."""
    found = {}
    for package, folder in packages().items():
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports_of(module: str, source: str, known: frozenset[str]) -> Iterator[Import]:
    """Read the imports of a module."""

    def walk(node: ast.AST, late: bool, typed: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(module, alias.name, child.lineno, late, typed) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    base = ".".join([*module.split(".")[: -child.level], *filter(None, [base])])
                for alias in child.names:
                    whole = f"{base}.{alias.name}"
                    yield Import(module, whole if whole in known else base, child.lineno, late, typed)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from walk(child, late, True)
            else:
                yield from walk(
                    child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef), typed
                )

    return walk(ast.parse(source), False, False)


@lru_cache(maxsize=1)
def imports() -> list[Import]:
    """Read every import that is there when the code runs."""
    known = frozenset(modules())
    found = [
        one for name, path in modules().items() for one in imports_of(name, path.read_text("utf-8"), known)
    ]
    return [one for one in found if not one.typed]


def fits(module: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


def top(module: str) -> str:
    return module.partition(".")[0]


def reached(start: str, edges: dict[str, set[str]]) -> dict[str, str]:
    """Find what a module imports by way of others: each with the module that imports it."""
    found: dict[str, str] = {}
    todo = [start]
    while todo:
        module = todo.pop()
        for other in sorted(edges.get(module, ())):
            if other not in found:
                found[other] = module
                todo.append(other)
    return found


def graph() -> dict[str, set[str]]:
    """List which core modules import which, at once or later, but for the exceptions."""
    edges: dict[str, set[str]] = {name: set() for name in modules() if top(name) == "faceport"}
    for one in imports():
        if one.by in edges and one.what in edges and (one.by, one.what) not in LATE:
            edges[one.by].add(one.what)
    edges["faceport"].clear()  # it imports on first use
    return edges


def bad(found: list[Import]) -> str:
    return "\n".join(map(str, found))


@pytest.mark.parametrize("position", range(len(ORDER)), ids=ORDER)
def test_left_never_imports_right(position):
    module = f"faceport.{ORDER[position]}"
    assert module in modules()
    ways = reached(module, graph())
    wrong = [
        f"{ways[other]} imports {other}"
        for other in ways
        if other.removeprefix("faceport.") in ORDER[position + 1 :]
    ]
    assert not wrong, f"{module} reaches what stands to its right: {'; '.join(wrong)}"


def test_the_core_imports_in_no_circle():
    edges = graph()
    circles = sorted(module for module in edges if module in reached(module, edges))
    assert not circles


def test_exceptions_are_in_use():
    late = {(one.by, one.what) for one in imports() if one.late}
    assert set(LATE) <= late, "this exception is needed no more"


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
        one for one in imports() if top(one.what).startswith("faceport_") and top(one.what) != top(one.by)
    ]
    assert not wrong, bad(wrong)


def test_plugins_know_little_of_the_core():
    wrong = [
        one
        for one in imports()
        if top(one.by) != "faceport" and top(one.what) == "faceport" and not fits(one.what, FOR_PLUGINS)
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


DISTRIBUTIONS = {  # module: what brings it
    "cuda": "cuda-bindings",
    "cv2": "opencv-python",
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
    used -= {*sys.stdlib_module_names, "faceport", package}
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
    assert {top(one.what) for one in imports()} >= {
        "hydra",
        "torch",
        "onnxruntime",
        "faceport",
        "numpy",
        "pytest",
    }
