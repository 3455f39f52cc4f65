"""Command-line words into a plain configuration, by Hydra."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from faceport.artifacts.bundle import read_bundle
from faceport.artifacts.trust import loads_code
from faceport.catalogue.presets import Presets, places, searched_in
from faceport.errors import ConfigError, FaceportError
from faceport.files import expand
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.runs.advice import choose_one
from faceport.runs.chosen import NAME
from faceport.shell.flags import EXPERIMENTS, Flags
from faceport.shell.groups import register
from faceport.shell.objectives import OBJECTIVE, objectives
from faceport.shell.offers import Offers, offers
from faceport.shell.overrides import (
    NOTHING,
    SEARCHPATH,
    check_experiments,
    expand_experiments,
    judge,
    literal,
    names,
    parse,
    write,
)
from faceport.shell.searched import searchpath

BUNDLED = ("model", "detector", "target")  # groups that a bundle chooses
NOTES = {"published", OBJECTIVE}  # what an experiment tells to verbs that want to know
_lock = threading.Lock()  # Hydra keeps global state while it composes


def compose_config(verb: str, words: Iterable[str], folder: Path | None = None) -> dict[str, Any]:
    """Compose the configuration of a verb from KEY=VALUE words; experiments lie in ./conf and in a folder."""
    return compose_offers(offers(verb), words, folder)


def compose_offers(offered: Offers, words: Iterable[str], folder: Path | None = None) -> dict[str, Any]:
    """Compose the configuration of whatever takes groups and options."""
    prepared, yours = prepare(offered, words, folder)
    with composing(offered, yours):
        try:
            config = compose(offered.config_name, prepared, return_hydra_config=True)
            return plain(offered, config, config.hydra.runtime.choices, yours)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            raise ConfigError(explain(error)) from error


@contextmanager
def composing(offered: Offers, yours: Presets) -> Iterator[None]:
    """Have Hydra ready to compose what is offered."""
    with _lock:
        register(offered, yours)
        with _own_hydra(), initialize(config_path=None, version_base="1.3"):
            yield


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Put aside the Hydra of a program that calls us from inside its own task."""
    outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer


def plain(offered: Offers, config: DictConfig, choices: Mapping[str, Any], yours: Presets) -> dict[str, Any]:
    """Make a plain dict of a composed configuration; each group carries the name of the plugin's choice."""
    left_out = {"hydra", "experiment"} | (NOTES - {*offered.content})
    keys = [str(key) for key in config if key not in left_out]
    keys = _own_keys(offered, keys, choices.get(EXPERIMENTS))
    content = OmegaConf.to_container(OmegaConf.masked_copy(config, keys), resolve=True)
    assert isinstance(content, dict)
    for group in offered.groups:
        kind = installed().kinds.get(kind_of(group))
        if kind is None or kind.many:
            continue
        *above, last = group.split("/")
        holder = content
        for part in above:
            holder = holder[part]
        name = choices.get(group)
        if name in (None, NOTHING):
            holder[last] = None
        else:
            mine = yours.find(group, name)
            holder[last] = {NAME: mine.owned if mine else name, **(holder.get(last) or {})}
    return {str(key): value for key, value in content.items()}


def _own_keys(offered: Offers, keys: list[str], experiment: Any) -> list[str]:
    """Leave out, with a note, what an experiment sets for other verbs."""
    own = {*offered.content, *(group.partition("/")[0] for group in offered.groups)}
    strange = [key for key in keys if key not in own]
    if strange and experiment not in (None, NOTHING):
        note = f"experiment={experiment} sets {', '.join(strange)}, of no use to `faceport {offered.verb}`"
        print(f"note: {note}: ignored", file=sys.stderr)
    return [key for key in keys if key in own]


def prepare(offered: Offers, words: Iterable[str], folder: Path | None = None) -> tuple[list[str], Presets]:
    """Check the words of a command line against what is installed, and write them for Hydra."""
    overrides = [parse(word) for word in words]
    given = [one for one in overrides if one.key == SEARCHPATH]
    searched = places(folder, (name for one in given for name in searched_in(one.value or "")))
    overrides = expand_experiments((one for one in overrides if one not in given), searched)
    check_experiments(
        (name for one in overrides if one.key == EXPERIMENTS for name in names(one.value or "")), searched
    )
    yours = Presets(searched)
    chosen = {one.key: one.value for one in overrides}
    bundle = chosen.get("artifact") if "artifact" in offered.options else None
    if bundle and bundle != "null":
        overrides = [*map(parse, _bundle_words(expand(bundle.strip("'\"")), chosen)), *overrides]
    for override in overrides:
        judge(override, offered, yours)
    return [*(write(override, offered) for override in overrides), searchpath(searched)], yours


def _bundle_words(path: Path, chosen: Mapping[str, str | None]) -> list[str]:
    """Choose the model and the target that a bundle was compiled for, unless the user chose himself."""
    config, words = read_bundle(path).config, []
    _check_trust(path, config["target"], chosen)
    for group in BUNDLED:
        values = config.get(group)
        if not values or chosen.get(group, values[NAME]) != values[NAME]:
            continue
        if group not in chosen:
            words.append(f"{group}={values[NAME]}")
        words += [f"{group}.{key}={literal(value)}" for key, value in values.items() if key != NAME]
    return words


def _check_trust(path: Path, target: Mapping[str, Any], chosen: Mapping[str, str | None]) -> None:
    """Let a bundle not choose by itself a target that loads native code: that is for the user to say."""
    name = target[NAME]
    if loads_code(name, target) and chosen.get("target") != name:
        raise ConfigError(
            f"{path} was compiled for target={name}, which runs native code that lies in the bundle, or "
            "programs that its options name: code of whoever made it. If you trust that, say so by naming "
            f"the target: target={name}"
        )


def explain(error: Exception) -> str:
    """Shorten what Hydra says to what the user can act on."""
    text = str(error).strip()
    chosen = re.match(r"You must specify '([\w/]+)'", text)
    if chosen:
        return choose_one(chosen[1])
    absent = re.search(r"Could not find '([\w/]+)/(\w+)'", text)
    if absent:
        try:
            installed().find(kind_of(absent[1]), absent[2])
        except FaceportError as why:
            return str(why)
    lines = [line.strip() for line in text.splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
    return " ".join(lines)


def hydra_main(
    verb: str,
    flags: Flags,
    words: Iterable[str],
    job: Callable[[dict[str, Any]], Any],
    sweep: str = "",
) -> None:
    """Let Hydra run a command line (sweeps, --cfg, launchers); it calls `job` for each configuration."""
    offered = offers(verb)
    overrides, yours = prepare(offered, words, flags.folder)
    register(offered, yours, sweep)

    def task(config: DictConfig) -> Any:
        made = plain(offered, config, HydraConfig.get().runtime.choices, yours)
        return job({**made, OBJECTIVE: objectives(config)} if objectives(config) else made)

    sys.argv = ["faceport", *flags.words(), *overrides]
    main = hydra.main(version_base="1.3", config_path=None, config_name=offered.config_name)(task)
    with _quiet():
        try:
            main()
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            raise ConfigError(explain(error)) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Hydra raise its errors, not print them, and its sweepers say nothing of each trial: we do."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    logging.disable(logging.INFO)
    logging.getLogger("hydra_plugins").setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        if before is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
