"""Bounds of options as part of their types: `confidence: Share = 0.02`, `top_k: Count | None = None`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from faceport.errors import ConfigError

T = TypeVar("T")
MOST_THREADS = 1024  # more would take minutes to start, or fail


@dataclass(frozen=True)
class Between:
    """What a number, or each number of a list, must lie between; both ends are allowed."""

    least: float
    most: float | None = None

    def __contains__(self, value: float) -> bool:
        return value >= self.least and (self.most is None or value <= self.most)  # NaN is never inside

    def __str__(self) -> str:
        if self.most is None:
            return f"it must be at least {self.least:g}"
        return f"it must lie between {self.least:g} and {self.most:g}"


Share = Annotated[float, Between(0, 1)]
Amount = Annotated[float, Between(0)]
Count = Annotated[int, Between(1)]
Rounds = Annotated[int, Between(0, 1_000_000)]
Streams = Annotated[int, Between(1, MOST_THREADS)]
Threads = Annotated[int, Between(0, MOST_THREADS)]  # 0: as suits
PLAIN = {name: one.__origin__.__name__ for name, one in [*vars().items()] if get_origin(one) is Annotated}


def within_bounds(options: T) -> T:
    """Give options as they are; refuse those that lie beyond the bounds of their types."""
    schema: Any = type(options)
    for name, bound in _bounds_of(schema):
        value = getattr(options, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, int | float) and not isinstance(one, bool) and one not in bound:
                raise ConfigError(f"option '{name}' is {value}, {bound}.")
    return options


@lru_cache
def _bounds_of(schema: type) -> tuple[tuple[str, Between], ...]:
    """Find the bounds in the types of a class of options; options are made again and again."""
    hints = get_type_hints(schema, include_extras=True)
    return tuple((name, bound) for name, hint in hints.items() for bound in _bounds(hint))


def _bounds(hint: Any) -> Iterator[Between]:
    """Find the bounds in a type, in those of its parts too."""
    if get_origin(hint) is Annotated:
        yield from (one for one in get_args(hint)[1:] if isinstance(one, Between))
    for part in get_args(hint):
        if not isinstance(part, Between):
            yield from _bounds(part)
