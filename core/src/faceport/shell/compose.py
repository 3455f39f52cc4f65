"""Command-line words into a plain configuration; with cli.py the only module that knows Hydra."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from faceport.artifacts.bundle import read_bundle
from faceport.errors import ConfigError, suggest
from faceport.plugins.index import KINDS, installed, read_yaml
from faceport.runs.plan import CALIBRATION, GROUPS, CalibrationOptions

CONFIG_MODULE = "faceport.conf"
CALIBRATION_GROUP = f"{CALIBRATION}/dataset"
NOTHING = "null"  # Hydra's command line cannot choose nothing, so nothing has a name
VALUE_FLAGS = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--info", "-i")
_OVERRIDE = re.compile(r"^(?P<sign>\+\+|\+|~)?(?P<key>[\w./@-]+)(?P<rest>=(?P<value>.*))?$", re.DOTALL)
_lock = threading.Lock()  # Hydra keeps global state while it composes


def register_choices() -> None:
    """Offer the options of all installed plugins as Hydra config groups, without importing any."""
    store, index = ConfigStore.instance(), installed()
    for kind in KINDS:
        for name, choice in index.choices(kind).items():
            package = f"metric.{name}" if kind == "metric" else kind  # several metrics may be chosen
            node = {"defaults": [*map(_anywhere, choice.choices), "_self_"], **choice.options}
            store.store(group=kind, name=name, node=node, package=package, provider="faceport")
    for name, choice in index.choices("dataset").items():
        package = CALIBRATION_GROUP.replace("/", ".")
        store.store(
            group=CALIBRATION_GROUP, name=name, node=choice.options, package=package, provider="faceport"
        )
    for name, choice in index.detectors().items():
        store.store(group="detector", name=name, node=choice.options, package="detector", provider="faceport")
    for group in ("detector", "metric", CALIBRATION_GROUP):  # those that need not be chosen
        store.store(group=group, name=NOTHING, node={}, package=group.replace("/", "."), provider="faceport")


def _anywhere(entry: Mapping[str, str]) -> dict[str, str]:
    """Let a plugin write 'override /detector: mtcnn': Hydra would look for the group below its own."""
    return {re.sub(r"^(override /)(\w+)$", r"\1\2@_global_.\2", key): name for key, name in entry.items()}


def compose_config(verb: str, overrides: Iterable[str]) -> dict[str, Any]:
    """Compose the configuration of a verb from overrides."""
    words = prepare(verb, overrides)
    with _lock:
        register_choices()
        try:
            with _own_hydra(), initialize_config_module(CONFIG_MODULE, version_base="1.3"):
                config = compose(verb, words, return_hydra_config=True)
                return plain(config, config.hydra.runtime.choices)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error)) from error


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Put aside the Hydra of a program that calls us from inside its own task."""
    outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer


def plain(config: DictConfig, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Make a plain dict of a composed configuration; each group carries the name that was chosen."""
    content = OmegaConf.to_container(OmegaConf.masked_copy(config, _keys(config)), resolve=True)
    assert isinstance(content, dict)
    for group in ("model", "detector", "target", "dataset"):
        if choices.get(group) == NOTHING:
            content[group] = None
        elif content.get(group) is not None and choices.get(group):
            content[group] = {"name": choices[group], **content[group]}
    if choices.get(CALIBRATION_GROUP) == NOTHING:
        content[CALIBRATION].pop("dataset", None)
    elif choices.get(CALIBRATION_GROUP):
        content[CALIBRATION]["dataset"] = {
            "name": choices[CALIBRATION_GROUP],
            **content[CALIBRATION]["dataset"],
        }
    return {str(key): value for key, value in content.items()}


def _keys(config: DictConfig) -> list[str]:
    return [str(key) for key in config if key not in ("hydra", "experiment")]


def job_config(config: DictConfig) -> dict[str, Any]:
    """Make a plain dict of the configuration that Hydra hands to a job of a sweep."""
    return plain(config, HydraConfig.get().runtime.choices)


def prepare(verb: str, overrides: Iterable[str]) -> list[str]:
    """Check the words of a command line against what is installed, and complete them."""
    words = list(overrides)
    local = Path.cwd() / "conf"
    if not any("hydra.searchpath" in word for word in words):
        _check_experiments(local / "experiment", words)
        if (local / "experiment").is_dir():
            words.append(f"hydra.searchpath=[file://{local}]")
    bundle = next((word.partition("=")[2] for word in words if word.startswith("artifact=")), "")
    if bundle and bundle != "null":
        words = _bundle_words(Path(bundle), words) + words
    return [_prepared(verb, word) for word in words]


def _bundle_words(path: Path, words: list[str]) -> list[str]:
    """Choose the model and the target that a bundle was compiled for, unless the user chose himself."""
    config, chosen = read_bundle(path).config, []
    named = dict(word.split("=", 1) for word in words if "=" in word)
    for group in ("model", "detector", "target"):
        values = config.get(group)
        if not values or named.get(group, values["name"]) != values["name"]:
            continue
        if group not in named:
            chosen.append(f"{group}={values['name']}")
        chosen += [f"{group}.{key}={_literal(value)}" for key, value in values.items() if key != "name"]
    return chosen


def _literal(value: Any) -> str:
    """Write a plain value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def _prepared(verb: str, word: str) -> str:
    match = _OVERRIDE.match(word)
    if not match or (match["rest"] is None and match["sign"] != "~"):
        raise ConfigError(f"'{word}' is no option: write KEY=VALUE, e.g. model=NAME or target.threads=2")
    key, value, sign = match["key"], match["value"] or "", match["sign"] or ""
    head = key.partition(".")[0].lstrip("/")
    if head in ("hydra", "experiment"):
        return word
    groups, options = _offers(verb)
    if key == CALIBRATION_GROUP.replace("/", "."):
        key = CALIBRATION_GROUP
        for name in _names(value):
            _check_choice("dataset", name)
    elif head == CALIBRATION:
        _check_calibration(key)
        sign = sign or "++"
    elif head not in groups:
        if key not in options:
            raise ConfigError(f"`faceport {verb}` has no option '{key}'. {suggest(key, [*groups, *options])}")
    elif key == head:
        if groups[head] and (sign == "~" or NOTHING in _names(value)):
            raise ConfigError(choose(head))
        for name in _names(value):
            _check_choice(head, name)
    elif not sign:
        sign = "++"  # whether the key exists is told better by the plugin's own types
    if key in (*GROUPS, CALIBRATION_GROUP):
        value = re.sub(r"(?<![\w'\"])null(?![\w'\"])", f"'{NOTHING}'", value)
    text = f"{sign}{key}={value}" if match["rest"] is not None else word
    if re.fullmatch(r"\d+(_\d+)+", value):
        return f"{sign}{key}='{value}'"  # a folder such as 2024_01, which Hydra would take for a number
    try:
        OverridesParser.create().parse_override(text)
    except HydraException:
        return f"{sign}{key}={_literal(value)}"  # a path with blanks or brackets: taken to the letter
    return text


def _check_calibration(key: str) -> None:
    known = [f"{CALIBRATION}.{item.name}" for item in fields(CalibrationOptions)]
    if key not in known and not key.startswith(f"{CALIBRATION}.dataset."):
        raise ConfigError(f"there is no option '{key}'. {suggest(key, known)}")


@lru_cache
def _offers(verb: str) -> tuple[Mapping[str, Any], Sequence[str]]:
    """Read which groups, with their defaults, and which options a verb takes."""
    content = read_yaml(Path(__file__).parents[1] / "conf" / f"{verb}.yaml")
    defaults = [item for entry in content["defaults"] if isinstance(entry, dict) for item in entry.items()]
    groups = {key: name for key, name in defaults if key in GROUPS}
    return groups, [key for key in content if key not in ("defaults", "hydra")]


def _check_experiments(folder: Path, words: Iterable[str]) -> None:
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        for name in _names(value) if key == "experiment" else ():
            if name not in (*known, NOTHING):
                raise ConfigError(f"there is no {folder / name}.yaml. {suggest(name, known)}")


def _names(value: str) -> list[str]:
    """List the plain names in a choice such as a, a,b or [a,b]; patterns and sweeps are Hydra's business."""
    parts = value.strip("[]").split(",")
    return [part.strip() for part in parts if re.fullmatch(r"[\w.-]+", part.strip())]


def _check_choice(group: str, name: str) -> None:
    if name in (NOTHING, "???"):
        return
    index = installed()
    if group == "detector":
        index.find("model", name)
        if name not in index.detectors():
            raise ConfigError(f"detector={name} finds no faces by itself. {suggest(name, index.detectors())}")
    else:
        index.find(group, name)


def choose(group: str) -> str:
    """Ask for a choice."""
    index = installed()
    known = index.detectors() if group == "detector" else index.choices(group)
    return f"choose a {group}: {group}=NAME. {suggest('', known)}"


def explain(error: Exception) -> str:
    """Shorten what Hydra says to what the user can act on."""
    text = str(error).strip()
    chosen = re.match(r"You must specify '(\w+)'", text)
    if chosen:
        return choose(chosen[1])
    lines = [line.strip() for line in text.splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
    return " ".join(lines)


def sweep(verb: str, words: Sequence[str], job: Callable[[dict[str, Any]], None]) -> None:
    """Let Hydra run a command line (sweeps, --cfg, launchers); it calls `job` for each configuration."""
    flags, overrides = split_flags(words)
    overrides = prepare(verb, overrides)
    register_choices()

    def task(config: DictConfig) -> None:
        job(job_config(config))

    sys.argv = ["faceport", *flags, *overrides]
    hydra.main(version_base="1.3", config_path="pkg://faceport.conf", config_name=verb)(task)()


def split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate Hydra's own flags, with their values, from overrides."""
    flags: list[str] = []
    overrides: list[str] = []
    for word in words:
        follows = bool(flags) and flags[-1] in VALUE_FLAGS
        (flags if word.startswith("-") or follows else overrides).append(word)
    return flags, overrides
