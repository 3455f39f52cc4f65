"""The record of a run: one JSON file that holds the numbers and everything that they depend on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from faceport.engine.timing import merge_stages
from faceport.errors import ConfigError, FaceportError
from faceport.files import digest, disk_errors, expand, read_file, write_atomically
from faceport.networks.sources.addresses import without_secrets
from faceport.ops.plain import plain
from faceport.runs.fields import beyond_bounds, wrong

FILE = "record.json"
FORMAT = 2
SEAL = "sha256"  # key of a file that holds the hash of all else in it
LARGEST = 64 << 20  # bytes of a file
MOST_NAMED = 100  # unreadable pictures named in a record

Status = Literal["done", "incomplete", "failed", "waiting"]  # incomplete: its numbers lack something


class RecordError(FaceportError):
    """A file that is no record, or one of another version."""


@dataclass(frozen=True)
class Samples:
    """What became of the pictures."""

    total: int = 0
    predicted: int = 0
    resumed: int = 0  # of those, done by an earlier call
    missing: int = 0  # that have no prediction
    unreadable: int = 0
    unreadable_named: Mapping[str, str] = field(default_factory=dict)  # the first of them: id -> why


@dataclass(frozen=True)
class Timing:
    """How long the pictures that this call predicted took; those of earlier calls are not in it."""

    samples: int = 0
    seconds: float = 0.0
    samples_per_second: float | None = None
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # see engine.timing
    loaded: Mapping[str, Any] = field(default_factory=dict)  # what the times of stages depend on


@dataclass(frozen=True)
class Record:
    """What a run leaves."""

    status: Status
    config: Mapping[str, Any]  # as composed
    reason: str = ""  # why it failed, what it lacks, or what it waits for
    verb: str = "run"  # what made it
    folder: str = ""  # where it lies
    samples: Samples = field(default_factory=Samples)
    timing: Timing = field(default_factory=Timing)
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by name
    weights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by network, and the next two
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parity: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    times_as_fast_as_fp32: Mapping[str, float] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)  # of accuracy: the search for it
    predictions: str = ""  # the file that was scored, where it is not the run's own
    parts: Sequence[Mapping[str, Any]] = ()  # of a merged record: who computed what
    settled: Mapping[str, Any] = field(default_factory=dict)  # options that were looked up from weights
    data: Mapping[str, Any] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float = 0.0
    faceport: str = ""
    written: str = ""
    kept: bool = False  # from an earlier call; never in a file, and nor is the next
    seal: str = ""  # the hash with which the file was read, and which fits

    @property
    def sealed(self) -> bool:
        """Tell whether it was read with its hash."""
        return bool(self.seal)

    @property
    def simulated(self) -> str:
        """Say what stood in for hardware, where something did: accuracy counts then, speed does not."""
        emulators = (str((one.get("runs_as") or {}).get("simulated", "")) for one in self.artifacts.values())
        return ", ".join(dict.fromkeys(filter(None, emulators)))

    @property
    def untrained(self) -> bool:
        """Tell whether weights are random, so that what labels say of them means nothing."""
        return any(one.get("random") for one in self.weights.values())

    def plain(self) -> dict[str, Any]:
        """Give the record as plain data, as its file holds it: without passwords that stood in addresses."""
        content: dict[str, Any] = plain({"format": FORMAT, **asdict(self)})
        del content["kept"], content["seal"]
        return {key: without_secrets(value) for key, value in content.items()}

    def write(self, path: Path) -> None:
        """Write the record, stamped with the time and sealed with its own hash."""
        stamped = replace(self, written=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
        content = json.loads(json.dumps(stamped.plain(), default=str))  # hashed as it will be read
        write_atomically(path, json.dumps({**content, SEAL: digest(content)}, indent=2) + "\n", durable=True)

    @staticmethod
    def read(path: Path) -> Record | None:
        """Read a record; None where there is none. What is no record is an error that names the file."""
        try:
            content = json.loads(read_file(path, LARGEST))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error
        except OSError as error:
            raise FaceportError(f"cannot read the record {path}: {error.strerror}") from error
        return _typed(content, path)


def second_place(path: str | None) -> Path | None:
    """Give the path of record=FILE, known before the work to be new, or a record that may be written over."""
    if not path:
        return None
    place = expand(path)
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    free = place.is_file() and (not place.stat().st_size or _is_record(place))
    if os.path.lexists(place) and not free:  # a device would be replaced by a file
        raise ConfigError(f"record={path} is there and is no record of faceport: choose another name")
    return place


def _is_record(path: Path) -> bool:
    try:
        content = json.loads(read_file(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"format", "status", "config"} <= content.keys()


def _typed(content: Any, path: Path) -> Record:
    """Check plain data against the record's fields."""
    if not isinstance(content, dict) or "format" not in content:
        raise RecordError(f"{path} is no record of faceport")
    if content["format"] != FORMAT:
        raise RecordError(
            f"{path} is a record of format {content['format']}, this faceport reads format {FORMAT}: "
            "run it again"
        )
    bounds = beyond_bounds(content)
    if bounds:
        raise RecordError(f"{path} is damaged: {bounds}")
    seal = content.pop(SEAL, None)
    if seal is not None and seal != digest(content):
        raise RecordError(f"{path} was altered since it was written: its {SEAL} does not fit. Run it again")
    values = {key: value for key, value in content.items() if key != "format"}
    problem = wrong(values)
    for name, kind in (("samples", Samples), ("timing", Timing)):
        values[name] = _fields(kind, values.get(name) or {}, f"{path}: {name}")
    record: Record = _fields(Record, values, str(path))
    if problem:
        raise RecordError(f"{path}: {problem}")
    if record.status not in get_args(Status):
        allowed = ", ".join(get_args(Status))
        raise RecordError(f"{path}: status is {record.status!r}, it must be one of {allowed}")
    return replace(record, seal=seal or "")


def _fields(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise RecordError(f"{where} must be a mapping, not {values!r}")
    known = {item.name: item for item in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise RecordError(f"{where} has a field '{key}', which no record has")
        wanted = _plain_type(str(known[key].type))
        if wanted and not isinstance(value, wanted):
            raise RecordError(f"{where}: '{key}' is {value!r}, it must be {_ARTICLES[wanted]}")
    return kind(**values)


_ARTICLES: dict[Any, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    int: "a whole number",
    (int, float): "a number",
    bool: "true or false",
}


def _plain_type(hint: str) -> Any:
    """Name the type that JSON has for the type of a field; None for what was made already."""
    table = {"Mapping": dict, "Sequence": list, "str": str, "int": int, "float": (int, float), "bool": bool}
    return next((kind for name, kind in table.items() if hint == name or hint.startswith(f"{name}[")), None)


def _common(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keep what all have alike."""
    first, *others = mappings
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def merge(records: Sequence[Record]) -> tuple[Samples, Timing]:
    """Add counts and times of runs over parts of one dataset."""
    samples = Samples(
        total=sum(one.samples.total for one in records),
        predicted=sum(one.samples.predicted for one in records),
        missing=sum(one.samples.missing for one in records),
        unreadable=sum(one.samples.unreadable for one in records),
        unreadable_named=dict(
            [item for one in records for item in one.samples.unreadable_named.items()][:MOST_NAMED]
        ),
    )
    timed = sum(one.timing.samples for one in records)
    seconds = sum(one.timing.seconds for one in records)
    timing = Timing(
        samples=timed,
        seconds=round(seconds, 6),
        samples_per_second=round(timed / seconds, 3) if timed and seconds else None,
        stages=merge_stages(one.timing.stages for one in records),
        loaded=_common([one.timing.loaded for one in records]),
    )
    return samples, timing
