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

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from faceport.catalogue.presets import Presets
from faceport.errors import ConfigError, suggest
from faceport.plugins.index import installed
from faceport.plugins.kinds import DATASET, MODEL, TARGET
from faceport.runs.advice import choose_one
from faceport.shell.flags import EXPERIMENTS, experiments
from faceport.shell.launchers import check_launcher
from faceport.shell.objectives import OBJECTIVE
from faceport.shell.offers import Offers

SEARCHPATH = "hydra.searchpath"
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
        longer = (_owners(key) or [key])[0]
        hint = f"{longer}={value}" if equals else f"{longer}=VALUE"
        raise ConfigError(f"'{word}' is no flag of faceport: options are KEY=VALUE, without dashes: {hint}")
    match = _WORD.match(word)
    if not match or (match["rest"] is None and match["sign"] != "~"):
        raise ConfigError(f"'{word}' is no option: write KEY=VALUE, e.g. model=NAME or target.threads=2")
    return Override(match["sign"] or "", match["key"], match["value"], word)


def _owners(key: str) -> list[str]:
    """List the longer keys of an option that is one of a model, target or dataset."""
    kinds = [kind.name for kind in (MODEL, TARGET, DATASET)]
    choices = {kind: installed().choices(kind).values() for kind in kinds}
    return [f"{kind}.{key}" for kind in kinds if any(key in choice.options for choice in choices[kind])]


def expand_experiments(overrides: Iterable[Override], places: Sequence[Path]) -> list[Override]:
    """Write experiment=glob(PATTERN) out: Hydra does not look for it in a user's folders."""
    expanded = []
    for override in overrides:
        pattern = re.fullmatch(r"glob\(([^,()\[\]]+)\)", override.value or "")
        if override.key == EXPERIMENTS and pattern:
            known = experiments(places)
            names_found = fnmatch.filter(known, pattern[1].strip("'\""))
            if not names_found:
                raise ConfigError(f"'{override.word}' fits no experiment. {suggest(pattern[1], known)}")
            override = replace(override, value=",".join(names_found))
            override = replace(override, word=f"{override.sign}{override.key}={override.value}")
        expanded.append(override)
    return expanded


def refuse_twice(overrides: Iterable[Override]) -> None:
    """Refuse an option that is given twice: nobody could tell which was meant."""
    seen: dict[str, str] = {}
    for override in overrides:
        if override.sign in ("", "++") and override.head not in HYDRAS:
            first = seen.setdefault(override.key, override.word)
            if first != override.word:
                raise ConfigError(f"'{override.key}' is given twice: {first} and {override.word}")


OF_SWEEPS = {  # words that a single run would not heed, with what does what they ask for
    "objective": "faceport search ... objective=METRIC.NUMBER searches for it",
    "hydra.run.dir": "out=DIR names the folder of results",
    "hydra.job.chdir": "paths are of the folder in which the command is started",
    "hydra.verbose": "FACEPORT_DEBUG=1 shows the traceback behind an error sentence",
    "hydra.mode": "-m makes it a sweep",
}


def refuse_of_sweeps(overrides: Iterable[Override]) -> None:
    """Refuse in a single run what is Hydra's business: it composes the options and does nothing else."""
    for override in overrides:
        key = override.key
        if key == OBJECTIVE or (override.head == "hydra" and key != SEARCHPATH):
            cure = OF_SWEEPS.get(key, "it is for sweeps: put -m behind the verb")
            raise ConfigError(f"'{override.word}' does nothing in a single run. Instead: {cure}")


def judge(override: Override, offers: Offers, yours: Presets) -> None:
    """Refuse what the verb does not take and what is not installed."""
    key, value = override.key, override.value or ""
    if override.sign in ("+", "++") and (key == EXPERIMENTS or _group(key, offers)):
        raise ConfigError(f"'{override.word}': write it without the {override.sign}: {key}={value}")
    if override.head in HYDRAS:
        check_launcher(key, value)
        return
    _check_brackets(override)
    if key == OBJECTIVE and offers.sweeps:
        return
    group = _group(key, offers)
    if group:
        if offers.groups[group] and (override.sign == "~" or NOTHING in names(value)):
            raise ConfigError(choose_one(group))
        for name in names(value):
            _check_choice(group, name, yours)
        _refuse_twins(override, group, yours)
    elif not offers.group_of(key) and key not in offers.options:
        known = [*(name.replace("/", ".") for name in offers.groups), *offers.options]
        longer = _owners(key)
        if longer:
            sentence = f"`faceport {offers.verb}` has no option '{key}'. Did you mean"
            raise ConfigError(f"{sentence} {' or '.join(f'{name}={value}' for name in longer)}?")
        raise ConfigError(f"`faceport {offers.verb}` has no option '{key}'. {suggest(key, known)}")


def write(override: Override, offers: Offers) -> str:
    """Give the word that Hydra is handed."""
    if override.head in HYDRAS or override.value is None:
        return override.word
    sign, key, value = override.sign, override.key, override.value
    if key == OBJECTIVE:
        listed = f"[{value}]" if "," in value and not value.startswith("[") else value
        return f"++{key}={listed}"
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


def _check_choice(group: str, name: str, yours: Presets) -> None:
    if name in (NOTHING, "???"):
        return
    yours.check(group, name)
    mine = yours.find(group, name)
    detectors = installed().detectors()
    if group == "detector" and (mine.owned if mine else name) not in detectors:
        raise ConfigError(f"detector={name} finds no faces by itself. {suggest(name, detectors)}")


def _refuse_twins(override: Override, group: str, yours: Presets) -> None:
    """Refuse a list in which one thing stands twice, with different values: a run has each once."""
    if not (override.value or "").startswith("["):
        return
    seen: dict[str, str] = {}
    for name in names(override.value or ""):
        mine = yours.find(group, name)
        owned = mine.owned if mine else name
        if seen.setdefault(owned, name) != name:
            raise ConfigError(
                f"'{override.word}': {seen[owned]} and {name} are both {owned}, and a run has one of each. "
                f"Sweep over them: -m {group}={seen[owned]},{name}"
            )


def check_experiments(given: Iterable[str], places: Sequence[Path]) -> None:
    """Refuse experiments that there are not."""
    known = experiments(places)
    for name in given:
        if name not in (*known, NOTHING):
            files = " and no ".join(str(place.absolute() / EXPERIMENTS / f"{name}.yaml") for place in places)
            cure = suggest(name, known) if known else "Name the folder above experiment/ by --config-dir DIR"
            raise ConfigError(f"there is no {files}. {cure}")
