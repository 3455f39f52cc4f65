"""Command-line words into a plain configuration, by Hydra."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from faceport.artifacts.bundle import read_bundle
from faceport.errors import ConfigError, FaceportError
from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.runs.advice import choose_one
from faceport.runs.chosen import NAME
from faceport.shell.flags import EXPERIMENTS, HERE, Flags
from faceport.shell.groups import register
from faceport.shell.offers import Offers, offers
from faceport.shell.overrides import (
    NOTHING,
    check_experiments,
    judge,
    literal,
    names,
    parse,
    write,
)

BUNDLED = ("model", "detector", "target")  # groups that a bundle chooses
_lock = threading.Lock()  # Hydra keeps global state while it composes


def compose_config(verb: str, words: Iterable[str], folder: Path | None = None) -> dict[str, Any]:
    """Compose the configuration of a verb from KEY=VALUE words; experiments lie in ./conf and in a folder."""
    return compose_offers(offers(verb), words, folder)


def compose_offers(offered: Offers, words: Iterable[str], folder: Path | None = None) -> dict[str, Any]:
    """Compose the configuration of whatever takes groups and options."""
    prepared = prepare(offered, words, folder)
    with _lock:
        register(offered)
        try:
            with _own_hydra(), _search(folder):
                config = compose(offered.config_name, prepared, return_hydra_config=True)
                return plain(offered, config, config.hydra.runtime.choices)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error)) from error


def _search(folder: Path | None) -> AbstractContextManager[Any]:
    """Let Hydra look into a folder, as its --config-dir does."""
    if folder is None:
        return initialize(config_path=None, version_base="1.3")
    return initialize_config_dir(str(folder.absolute()), version_base="1.3")


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Put aside the Hydra of a program that calls us from inside its own task."""
    outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer


def plain(offered: Offers, config: DictConfig, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Make a plain dict of a composed configuration; each group carries the name that was chosen."""
    keys = [str(key) for key in config if key not in ("hydra", "experiment")]
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
            holder[last] = {NAME: name, **(holder.get(last) or {})}
    return {str(key): value for key, value in content.items()}


def prepare(offered: Offers, words: Iterable[str], folder: Path | None = None) -> list[str]:
    """Check the words of a command line against what is installed, and write them for Hydra."""
    overrides = [parse(word) for word in words]
    extra = []
    if not any(one.head == "hydra" and "searchpath" in one.key for one in overrides):
        given = (name for one in overrides if one.key == EXPERIMENTS for name in names(one.value or ""))
        check_experiments(given, folder)
        if (HERE / EXPERIMENTS).is_dir():
            extra.append(f"hydra.searchpath=[file://{HERE.absolute()}]")
    chosen = {one.key: one.value for one in overrides}
    bundle = chosen.get("artifact") if "artifact" in offered.options else None
    if bundle and bundle != "null":
        overrides = [*map(parse, _bundle_words(Path(bundle), chosen)), *overrides]
    for override in overrides:
        judge(override, offered)
    return [*(write(override, offered) for override in overrides), *extra]


def _bundle_words(path: Path, chosen: Mapping[str, str | None]) -> list[str]:
    """Choose the model and the target that a bundle was compiled for, unless the user chose himself."""
    config, words = read_bundle(path).config, []
    _check_trust(path, config["target"][NAME], chosen)
    for group in BUNDLED:
        values = config.get(group)
        if not values or chosen.get(group, values[NAME]) != values[NAME]:
            continue
        if group not in chosen:
            words.append(f"{group}={values[NAME]}")
        words += [f"{group}.{key}={literal(value)}" for key, value in values.items() if key != NAME]
    return words


def _check_trust(path: Path, target: str, chosen: Mapping[str, str | None]) -> None:
    """Let a bundle not choose by itself a target that loads native code: that is for the user to say."""
    known = installed().choices("target").get(target)
    if known and known.card.get("loads_code") and chosen.get("target") != target:
        raise ConfigError(
            f"{path} was compiled for target={target}, which runs native code that lies in the bundle: "
            f"code of whoever made it. If you trust that, say so by naming the target: target={target}"
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
    overrides = prepare(offered, words, flags.folder)
    register(offered, sweep)

    def task(config: DictConfig) -> Any:
        return job(plain(offered, config, HydraConfig.get().runtime.choices))

    sys.argv = ["faceport", *flags.words(), *overrides]
    hydra.main(version_base="1.3", config_path=None, config_name=offered.config_name)(task)()
