"""What a YAML says of its options in the comments beside them, read without running the plugin's code.

A comment lists the values of an option as `# fp32 | fp16 (weights in 16 bits) | int8: meaning of it all`:
after a lead that ends with ': ', if there is one, the first word of each part is a value; '...' stands for
others. The conformance kit holds these lists to the types of the options.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from faceport.bounds import PLAIN
from faceport.plugins.index import NOT_OPTIONS, Choice, installed
from faceport.plugins.yamls import LOADER, dotted

CORE = Path(__file__).parents[1]
SHARED = (CORE / "api.py", CORE / "runs" / "options.py")  # options that those of plugins and verbs inherit
OTHERS = "..."
SWITCH = ("true", "false")
CHOICE = "choice"  # type of an option with a few values


@dataclass(frozen=True)
class Option:
    """One option, as its YAML tells of it."""

    key: str  # dotted, where it lies in a section
    default: Any
    meaning: str  # the comment beside it
    values: tuple[str, ...] = ()  # that the comment lists, or those of a switch, as they are typed


def options(choice: Choice) -> list[Option]:
    """List the options of a choice with what is said of them; a variant inherits comments from its base."""
    comments: dict[str, str] = {}
    for path in (*choice.bases, choice.path):
        comments |= {key: text for key, text in _comments(path).items() if text or key not in comments}
    return [_option(key, value, comments.get(key, "")) for key, value in dotted(choice.options)]


def _option(key: str, default: Any, comment: str) -> Option:
    values = listed_values(comment)
    return Option(key, default, comment, values or (SWITCH if isinstance(default, bool) else ()))


def listed_values(comment: str) -> tuple[str, ...]:
    """Read the values that a comment lists, see the top of this file; none where it lists none."""
    parts = comment.split(" | ")
    if len(parts) < 2:
        return ()
    parts[0] = parts[0].rpartition(": ")[2]
    words = (re.split(r"[\s(,;]|:$|: ", part.strip(), maxsplit=1)[0] for part in parts)
    return tuple(word for word in words if word != OTHERS)


def _comments(path: Path) -> dict[str, str]:
    """Read the comment beside each option of a file, by dotted keys."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=LOADER)
    lines = text.splitlines()
    return dict(_beside(root, lines)) if isinstance(root, yaml.MappingNode) else {}


def _beside(node: yaml.MappingNode, lines: list[str], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.value:
        name = f"{above}{key.value}"
        if name in NOT_OPTIONS:
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _beside(value, lines, f"{name}.")
            continue
        line = lines[value.end_mark.line] if value.end_mark.line < len(lines) else ""
        behind = re.match(r"\s*#\s*(.*)", line[value.end_mark.column :])
        yield name, behind[1].rstrip() if behind else ""


def types(choice: Choice) -> dict[str, str]:
    """Find the types of options in the source of their dataclass, or else by the defaults."""
    sources = Sources(_files(choice))
    wanted = {*choice.options}
    best = max(sources.classes, key=lambda name: len(wanted & sources.fields(name).keys()), default="")
    declared = sources.fields(best) if best else {}
    return {key: declared.get(key) or _type_of(value) for key, value in dotted(choice.options)}


def _type_of(value: Any) -> str:
    return "" if value is None else type(value).__name__


def _files(choice: Choice) -> list[Path]:
    folder = installed().plugin(choice.plugin).folder
    return [*SHARED, *(sorted(folder.rglob("*.py")) if folder else [])]


@dataclass(frozen=True)
class Sources:
    """Classes of some source files, looked at and not run."""

    files: list[Path]

    @cached_property
    def _trees(self) -> list[ast.Module]:
        trees = []
        for file in self.files:
            try:
                trees.append(ast.parse(file.read_bytes(), str(file)))
            except (SyntaxError, OSError):
                continue  # doctor says so
        return trees

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes of options, by name."""
        nodes = (node for tree in self._trees for node in tree.body)
        return {
            node.name: node
            for node in nodes
            if isinstance(node, ast.ClassDef) and node.name.endswith("Options")
        }

    @cached_property
    def _choices(self) -> set[str]:
        """Name what a module calls a Literal."""
        nodes = (node for tree in self._trees for node in tree.body)
        return {
            target.id
            for node in nodes
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal[")
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def fields(self, name: str) -> dict[str, str]:
        """Give the types of the fields of a class and of those that it inherits from."""
        node = self.classes.get(name)
        if node is None:
            return {}
        inherited: dict[str, str] = {}
        for base in node.bases:
            inherited |= self.fields(ast.unparse(base).rpartition(".")[2])
        own = {
            item.target.id: self._words(item.annotation)
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }
        return inherited | own

    def _words(self, annotation: ast.expr) -> str:
        """Write a type for a reader: Literals are choices, dicts are mappings, None is null."""
        parts = re.sub(r"\w+", lambda word: PLAIN.get(word[0], word[0]), ast.unparse(annotation)).split(" | ")
        parts = [CHOICE if part in self._choices or part.startswith("Literal[") else part for part in parts]
        parts = ["mapping" if part.startswith("dict[") else part for part in parts]
        return " or ".join("null" if part == "None" else part for part in parts if part != "Any")
