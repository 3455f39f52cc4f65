"""Several configurations out of one command line, for verbs that hold them against each other.

`batch_size=1,4 target=onnxruntime,torch` are four: every combination of the values with commas, and of those
that an experiment sweeps over, as -m would run them; but here one call of the verb is given them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from faceport.catalogue.presets import Presets
from faceport.errors import ConfigError
from faceport.shell.compose import composing, explain, plain, prepare
from faceport.shell.offers import Offers
from faceport.shell.overrides import parse

MOST = 200  # combinations


def compose_together(
    offered: Offers, words: Sequence[str], folder: Path | None = None
) -> list[dict[str, Any]]:
    """Compose every combination; the last word varies fastest."""
    prepared, yours = prepare(offered, words, folder)
    with composing(offered, yours):
        try:
            first = compose(offered.config_name, _combined(prepared)[0], return_hydra_config=True)
            swept = _not_given(dict(first.hydra.sweeper.params or {}), words)
            if swept:
                prepared, _ = prepare(offered, [*words, *swept], folder)
            return [_composed(offered, one, yours) for one in _combined(prepared)]
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error)) from error


def _composed(offered: Offers, words: list[str], yours: Presets) -> dict[str, Any]:
    config = compose(offered.config_name, words, return_hydra_config=True)
    return plain(offered, config, config.hydra.runtime.choices, yours)


def _combined(words: Iterable[str]) -> list[list[str]]:
    """Give each combination of the values with commas as words with one value each."""
    parser = OverridesParser.create()
    values = [_alternatives(parser, word) for word in words]
    count = prod(map(len, values))
    if count > MOST:
        raise ConfigError(f"these are {count} combinations, at most {MOST} are: name fewer values")
    return [list(one) for one in product(*values)]


def _alternatives(parser: OverridesParser, word: str) -> list[str]:
    override = parser.parse_override(word)
    if not override.is_sweep_override():
        return [word]
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _not_given(swept: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """Write what an experiment sweeps over as words, without what was typed: that wins."""
    keys = {parse(word).key.replace("/", ".") for word in words}
    return [f"{key}={value}" for key, value in swept.items() if key not in keys]
