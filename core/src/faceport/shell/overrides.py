"""Words of a command line into Hydra overrides, in three steps: parse, judge, write.

`parse` takes a word apart and changes nothing. `judge` holds it against what is installed and says in a
sentence what is wrong. `write` gives the word that Hydra is handed; it differs from what was typed in three
cases only:

- an option of a group (`target.threads=2`) is written with `++`: whether a target has it is told by its own
  types, with the options that there are, and not by Hydra's struct flag;
- `null` as the choice of a group is a name, as Hydra's command line cannot choose nothing;
- a value that Hydra's grammar cannot read (a path with blanks or brackets), or would read as a number
  although it has the form of a name (2024_01), is quoted: it is taken to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from faceport.errors import ConfigError, suggest
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.runs.advice import choose_one
from faceport.shell.flags import EXPERIMENTS, HERE, experiments
from faceport.shell.launchers import check_launcher
from faceport.shell.offers import Offers

NOTHING = "null"  # the name of the choice of nothing
HYDRAS = ("hydra", EXPERIMENTS)  # heads of keys that are Hydra's business
_WORD = re.compile(r"^(?P<sign>\+\+|\+|~)?(?P<key>[\w./@-]+)(?P<rest>=(?P<value>.*))?$", re.DOTALL)
_LOOKS_LIKE_A_NUMBER = re.compile(r"\d+(_\d+)+")


@dataclass(frozen=True)
class Override:
    """One word, taken apart."""

    sign: str  # "", "+", "++" or "~"
    key: str
    value: str | None  # None: a deletion without a value
    word: str  # as typed

    @property
    def head(self) -> str:
        """The first part of the key."""
        return re.split(r"[./]", self.key.lstrip("/"), maxsplit=1)[0]


def parse(word: str) -> Override:
    """Take a word apart, or say what a word looks like."""
    if word.startswith("-"):
        key, equals, value = word.lstrip("-").partition("=")
        hint = f"{key}={value}" if equals else f"{key}=VALUE"
        raise ConfigError(f"'{word}' is no flag of faceport: options are KEY=VALUE, without dashes: {hint}")
    match = _WORD.match(word)
    if not match or (match["rest"] is None and match["sign"] != "~"):
        raise ConfigError(f"'{word}' is no option: write KEY=VALUE, e.g. model=NAME or target.threads=2")
    return Override(match["sign"] or "", match["key"], match["value"], word)


def refuse_twice(overrides: Iterable[Override]) -> None:
    """Refuse an option that is given twice: nobody could tell which was meant."""
    seen: dict[str, str] = {}
    for override in overrides:
        if override.sign in ("", "++") and override.head not in HYDRAS:
            first = seen.setdefault(override.key, override.word)
            if first != override.word:
                raise ConfigError(f"'{override.key}' is given twice: {first} and {override.word}")


def judge(override: Override, offers: Offers) -> None:
    """Refuse what the verb does not take and what is not installed."""
    key, value = override.key, override.value or ""
    if override.head in HYDRAS:
        check_launcher(key, value)
        return
    _check_brackets(override)
    group = _group(key, offers)
    if group:
        if offers.groups[group] and (override.sign == "~" or NOTHING in names(value)):
            raise ConfigError(choose_one(group))
        for name in names(value):
            _check_choice(group, name)
    elif not offers.group_of(key) and key not in offers.options:
        known = [*(name.replace("/", ".") for name in offers.groups), *offers.options]
        raise ConfigError(f"`faceport {offers.verb}` has no option '{key}'. {suggest(key, known)}")


def write(override: Override, offers: Offers) -> str:
    """Give the word that Hydra is handed."""
    if override.head in HYDRAS or override.value is None:
        return override.word
    sign, key, value = override.sign, override.key, override.value
    group = _group(key, offers)
    if group:
        key, value = group, re.sub(r"(?<![\w'\"])null(?![\w'\"])", f"'{NOTHING}'", value)
    elif not sign and offers.group_of(key):
        sign = "++"
    if _LOOKS_LIKE_A_NUMBER.fullmatch(value):
        return f"{sign}{key}='{value}'"
    try:
        OverridesParser.create().parse_override(f"{sign}{key}={value}")
    except HydraException:
        return f"{sign}{key}={literal(value)}"
    return f"{sign}{key}={value}"


def literal(value: Any) -> str:
    """Write a plain value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def names(value: str) -> list[str]:
    """List the plain names in a choice: a, PLUGIN/a, a,b or [a,b]; patterns and functions are Hydra's."""
    parts = value.strip("[]").split(",")
    return [part.strip() for part in parts if re.fullmatch(r"[\w./-]+", part.strip())]


def _group(key: str, offers: Offers) -> str:
    """Find the group that a key chooses for, written with / or with dots; empty for none."""
    return next((group for group in offers.groups if key in (group, group.replace("/", "."))), "")


def _check_brackets(override: Override) -> None:
    """Refuse a list or mapping whose other end is missing; what has both ends somewhere may be a path."""
    value = (override.value or "").strip()
    for opening, closing in ("[]", "{}"):
        unclosed = value.startswith(opening) and closing not in value
        if unclosed or (value.endswith(closing) and opening not in value):
            raise ConfigError(
                f"'{override.word}' lacks a '{closing if unclosed else opening}'. A list is KEY=[a,b], in "
                f"quotes where it has blanks: '{override.key}=[a, b]'"
            )


def _check_choice(group: str, name: str) -> None:
    if name in (NOTHING, "???"):
        return
    index, kind = installed(), kind_of(group)
    index.find(kind, name)
    if group == "detector" and name not in index.detectors():
        raise ConfigError(f"detector={name} finds no faces by itself. {suggest(name, index.detectors())}")


def check_experiments(given: Iterable[str], folder: Path | None) -> None:
    """Refuse experiments that there are not."""
    known = experiments(folder)
    places = [place / EXPERIMENTS for place in (HERE.absolute(), folder) if place]
    for name in given:
        if name not in (*known, NOTHING):
            files = " and no ".join(str(place / f"{name}.yaml") for place in places)
            cure = suggest(name, known) if known else "Name the folder above experiment/ by --config-dir DIR"
            raise ConfigError(f"there is no {files}. {cure}")
