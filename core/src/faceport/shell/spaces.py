"""What a verb may choose among: the values with commas of a command line, each choice composed on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from faceport.errors import ConfigError
from faceport.shell.compose import compose_config
from faceport.shell.offers import Offers
from faceport.shell.overrides import parse
from faceport.verb import Interval, Space


def compose_space(
    offered: Offers, words: Sequence[str], folder: Path | None = None
) -> tuple[dict[str, Any], Space]:
    """Compose the first choice, for the options of the verb itself, and give the space of all."""
    words = [_listed(offered, word) for word in words]
    parser = OverridesParser.create()
    values: dict[str, Sequence[str] | Interval] = {}
    fixed = []
    for word in words:
        found = parser.parse_override(word) if _may_vary(word) else None
        if found is None or not found.is_sweep_override():
            fixed.append(word)
        else:
            values[parse(word).key] = _choices(found)

    def compose(choice: Mapping[str, str]) -> dict[str, Any]:
        chosen = [f"{key}={value}" for key, value in choice.items()]
        return compose_config(offered.verb, [*fixed, *chosen], folder)

    first = {key: _first(some) for key, some in values.items()}
    return compose(first), Space(values, fixed, compose)


def _listed(offered: Offers, word: str) -> str:
    """Make a list of the values with commas of an option that is one."""
    key, _, value = word.partition("=")
    is_list = isinstance(offered.options.get(key), list)
    return f"{key}=[{value}]" if is_list and not value.startswith("[") else word


def _may_vary(word: str) -> bool:
    return any(sign in word for sign in (",", "interval(", "range(", "choice("))


def _choices(found: Override) -> Sequence[str] | Interval:
    """List the values of a word, or give the interval that it names."""
    if found.is_interval_sweep():
        interval = found.value()
        assert isinstance(interval, IntervalSweep)
        low, high = interval.start, interval.end
        if low is None or high is None or not low < high:
            raise ConfigError(f"'{found.input_line}': the first of the two must be the smaller one")
        whole = isinstance(low, int) and isinstance(high, int)
        return Interval(float(low), float(high), whole)
    return [*dict.fromkeys(found.sweep_string_iterator())]


def _first(some: Sequence[str] | Interval) -> str:
    return f"{some.low:g}" if isinstance(some, Interval) else some[0]
