"""Options that several verbs have, each group of them declared once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from faceport.bounds import MOST_THREADS, Amount, Rounds
from faceport.engine.flow import Settings

T = TypeVar("T")


def at_least_one(**values: int | None) -> None:
    """Refuse numbers that count something and are smaller than one."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}, it must be at least 1")


def bounded_workers(workers: int | None) -> None:
    """Refuse more threads than any machine has use for: starting them would take minutes, or fail."""
    if workers is not None and workers > MOST_THREADS:
        raise ValueError(f"workers is {workers}, it must be at most {MOST_THREADS}")


@dataclass(frozen=True)
class EngineOptions:
    """How samples are driven; nothing here changes a result."""

    batch_size: int = 1
    workers: int | None = None
    in_flight: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        at_least_one(batch_size=self.batch_size, workers=self.workers, in_flight=self.in_flight)
        bounded_workers(self.workers)

    @property
    def settings(self) -> Settings:
        """As the engine wants them."""
        return Settings(self.batch_size, self.workers, self.in_flight, self.strict)


@dataclass(frozen=True)
class PortionOptions:
    """Which pictures of the dataset are meant: the first ones, or a part of them."""

    limit: int | None = None
    part: str | None = None  # "3/16": the third of sixteen

    def __post_init__(self) -> None:
        at_least_one(limit=self.limit)
        if self.part is not None:
            self.fraction  # noqa: B018 - its check is what counts

    @property
    def fraction(self) -> tuple[int, int]:
        """Which part of how many."""
        first, slash, second = ("1/1" if self.part is None else self.part).partition("/")
        if not (slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
            raise ValueError(f"part is {self.part!r}, it must be NUMBER/PARTS, e.g. 3/16")
        return int(first), int(second)

    def bounds(self, size: int) -> tuple[int, int]:
        """Where the portion of so many pictures begins and ends; parts neither overlap nor leave gaps."""
        total = size if self.limit is None else min(size, self.limit)
        number, parts = self.fraction
        return total * (number - 1) // parts, total * number // parts

    def of(self, items: Iterator[T], size: int) -> Iterator[T]:
        """Take the portion of the items of a dataset."""
        return islice(items, *self.bounds(size))


@dataclass(frozen=True)
class CompleteOptions(PortionOptions):
    """How many pictures may be missing from a number that is called that of the dataset."""

    missing_allowed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing_allowed < 0:
            raise ValueError(f"missing_allowed is {self.missing_allowed}, it must not be negative")


@dataclass(frozen=True)
class CalibrationOptions:
    """Which pictures int8 finds its ranges on."""

    samples: int = 64
    seed: int = 0
    dataset: Any = None  # name and options; None: another split of the run's dataset

    def __post_init__(self) -> None:
        at_least_one(samples=self.samples)


@dataclass(frozen=True)
class ParityOptions:
    """On how many pictures networks are held against the fp32 reference."""

    parity: Rounds = 2


@dataclass(frozen=True)
class CheckOptions(ParityOptions):
    """How compiled networks are held against the fp32 reference."""

    tolerance: Amount = 1e-3  # largest error relative to the spread of an output


@dataclass(frozen=True)
class CalibratedOptions(CheckOptions):
    """What networks are compiled with."""

    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)


@dataclass(frozen=True)
class ArtifactOptions(CalibratedOptions):
    """What networks are compiled with, or where they lie compiled."""

    artifact: str | None = None


@dataclass(frozen=True)
class ResultOptions(EngineOptions, CompleteOptions, ArtifactOptions):
    """What drives a dataset through a model, and where its record goes."""

    fresh: bool | None = None
    out: str = "runs"
    record: str | None = None
    published: Any = None

    def __post_init__(self) -> None:
        EngineOptions.__post_init__(self)
        CompleteOptions.__post_init__(self)
