"""Bounds of options as part of their types: `confidence: Share = 0.02`, `top_k: Count | None = None`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from faceport.errors import ConfigError

T = TypeVar("T")


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
Streams = Annotated[int, Between(1, 1024)]
Threads = Annotated[int, Between(0, 1024)]  # 0: as suits; more, no machine has use for
PLAIN = {"Share": "float", "Amount": "float"} | dict.fromkeys(
    ("Count", "Rounds", "Streams", "Threads"), "int"
)


def within_bounds(options: T) -> T:
    """Give options as they are; refuse those that lie beyond the bounds of their types."""
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        value = getattr(options, name)
        for bound in _bounds(hint):
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, int | float) and not isinstance(one, bool) and one not in bound:
                    raise ConfigError(f"option '{name}' is {value}, {bound}.")
    return options


def _bounds(hint: Any) -> Iterator[Between]:
    """Find the bounds in a type, in those of its parts too."""
    if get_origin(hint) is Annotated:
        yield from (one for one in get_args(hint)[1:] if isinstance(one, Between))
    for part in get_args(hint):
        if not isinstance(part, Between):
            yield from _bounds(part)
