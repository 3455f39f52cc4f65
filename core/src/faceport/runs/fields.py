"""What the fields of a record hold, down to the numbers: a record may come from anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faceport.escapes import printable
from faceport.runs.chosen import NAME

DEEPEST = 32  # lists and mappings in one another
LARGEST = 1 << 62  # of a whole number
MOST_DIGITS = 5  # of the number of a bucket of durations


@dataclass(frozen=True)
class Each:
    """A mapping whose values are all alike."""

    value: Any


@dataclass(frozen=True)
class Items:
    """A list whose items are all alike, of any length or of one."""

    value: Any
    length: int | None = None


@dataclass(frozen=True)
class Maybe:
    """Nothing, or something."""

    value: Any


@dataclass(frozen=True)
class Keys:
    """A mapping of which some keys are known, and some of these must be there."""

    known: Mapping[str, Any]
    must: tuple[str, ...] = ()


TEXT, NUMBER, COUNT, ANY, BUCKET = "a text", "a number", "a whole number", "anything", "a bucket"
MAPPING = Each(ANY)
OUTPUT = Keys({"max_rel": NUMBER, "snr_db": NUMBER}, ("max_rel", "snr_db"))
INTERVAL = Maybe(Items(Maybe(NUMBER), 2))
CHOICE = Maybe(Keys({NAME: TEXT}, (NAME,)))
STAGE = Keys(
    {
        "count": COUNT,
        "items": COUNT,
        "total_s": NUMBER,
        "buckets": Each(BUCKET),
        **{f"{name}_ms": Maybe(NUMBER) for name in ("mean", "p50", "p90", "p99")},
    },
    ("count", "items", "total_s", "buckets"),
)
RECORD = Keys(
    {
        "config": Keys(
            {
                **dict.fromkeys(("model", "detector", "target", "dataset", "scenario"), CHOICE),
                "metric": Maybe(Each(Maybe(MAPPING))),
                "calibration": Maybe(Keys({"dataset": CHOICE})),
            }
        ),
        "timing": Maybe(
            Keys({"samples_per_second": Maybe(NUMBER), "stages": Each(STAGE), "loaded": MAPPING})
        ),
        "metrics": Each(Keys({"protocol": TEXT, "interval": Each(INTERVAL)})),
        "weights": Each(MAPPING),
        "artifacts": Each(Keys({"bytes": COUNT, "runs_as": MAPPING}, ("runs_as",))),
        "parity": Each(Keys({"outputs": Each(OUTPUT)})),
        "times_as_fast_as_fp32": Each(NUMBER),
        "parts": Items(MAPPING),
        "settled": Each(Maybe(MAPPING)),
        "versions": Each(TEXT),
        "notes": Items(TEXT),
    }
)


def wrong(content: Any, wanted: Any = RECORD, where: str = "") -> str:
    """Say which value of a record is of another type than it must be; empty where all are right."""
    if isinstance(wanted, Maybe):
        return "" if content is None else wrong(content, wanted.value, where)
    if isinstance(wanted, Items):
        if not isinstance(content, list):
            return _sentence(where, content, "a list")
        if wanted.length not in (None, len(content)):
            return _sentence(where, content, f"a list of {wanted.length}")
        return _first(wrong(item, wanted.value, f"{where}[{at}]") for at, item in enumerate(content))
    if isinstance(wanted, Each | Keys):
        if not isinstance(content, dict):
            return _sentence(where, content, "a mapping")
        if isinstance(wanted, Each):
            return _first(_wrong_item(where, key, value, wanted.value) for key, value in content.items())
        lacking = next((key for key in wanted.must if key not in content), None)
        if lacking:
            return f"'{printable(where)}' has no '{lacking}'"
        known = wanted.known.items()
        return _first(
            wrong(content[key], value, _below(where, key)) for key, value in known if key in content
        )
    return "" if _is(content, wanted) else _sentence(where, content, wanted)


def _wrong_item(where: str, key: str, value: Any, wanted: Any) -> str:
    if wanted is BUCKET:
        named = key.isascii() and key.isdecimal() and len(key) <= MOST_DIGITS
        return (
            wrong(value, COUNT, _below(where, key)) if named else _sentence(where, key, "numbers of buckets")
        )
    return wrong(value, wanted, _below(where, key))


def _is(content: Any, wanted: str) -> bool:
    """Tell whether a value is of a simple type; true and false are no numbers."""
    if wanted is ANY:
        return True
    if wanted is TEXT:
        return isinstance(content, str)
    if wanted is NUMBER:
        return type(content) in (int, float)
    return type(content) is int and content >= 0


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _first(found: Iterable[str]) -> str:
    return next(filter(None, found), "")


def _sentence(where: str, content: Any, wanted: str) -> str:
    return f"'{printable(where, 100)}' is {printable(repr(content), 60)}, it must be {wanted}"


def beyond_bounds(content: Any) -> str:
    """Say what no plain data of ours have: lists and mappings without end in one another, huge numbers."""
    level = [content]
    for _ in range(DEEPEST):
        level = [item for value in level if isinstance(value, dict | list) for item in _items(value)]
        huge = next((one for one in level if type(one) is int and abs(one) >= LARGEST), None)
        if huge is not None:
            return f"it holds a whole number of {huge.bit_length()} bits"
    return "it has lists and mappings too deep in one another" if level else ""


def _items(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
