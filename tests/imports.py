"""Every import statement of this repository, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.conftest import ROOT


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
