"""What a recipe is, and what a model must tell of itself to be trained by one.

A recipe knows pictures: what is cut out of them and how it is spoiled; and it knows the schedule. A model
brings its lesson: inputs, targets and losses. The trainer knows neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faceport.api import Dataset, Network
from faceport.errors import ConfigError
from faceport.types import Sample

if TYPE_CHECKING:
    from torch import Tensor

Batch = Mapping[str, NDArray[Any]]  # "input", "weight" (of each row), and the targets


@runtime_checkable
class Lesson(Protocol):
    """What a model that places landmarks on crops tells of itself, as its property `lesson`."""

    network: Network  # that is trained
    size: int  # pixels of a crop's side
    scale: float  # of the boxes that crops show
    mirror: Sequence[int]  # position of each landmark's mirror image

    @property
    def weights(self) -> Mapping[str, float]:
        """Give the parts of the loss and their published weights."""

    def read(self, landmarks: NDArray[Any]) -> NDArray[Any]:
        """Read labelled landmarks (n, k, 2) as those that the network places."""

    def inputs(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Make rows of the network's input of RGB crops."""

    def targets(self, landmarks: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Say what the network should answer for landmarks (b, k, 2), 0..1 of the crop."""

    def losses(self, outputs: Any, targets: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Measure each part of the loss for every row of the batch: (b,) each."""


@dataclass(frozen=True)
class Schedule:
    """How weights are changed: the part of a recipe that every model has."""

    epochs: int = 60
    batch: int = 16  # rows of one step, over all processes and parts
    accumulate: int = 1
    optimiser: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    lr: float = 1e-4
    momentum: float = 0.9
    decay: float = 0.0
    decay_norms: bool = True
    schedule: Literal["step", "cosine", "constant"] = "step"
    milestones: list[float] = field(default_factory=lambda: [30, 50])
    factor: float = 0.1
    warm_up: float = 0.0
    warm_up_lr: float = 0.0
    end_lr: float = 0.0
    ema: float = 0.0
    clip: float | None = None
    amp: Literal["none", "fp16", "bf16"] = "none"
    norm: Literal["batch", "sync", "frozen"] = "batch"
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")
        if self.lr <= 0 or self.decay < 0 or not 0 <= self.ema < 1:
            raise ValueError("lr must be more than 0, decay 0 or more, ema 0 to 1 and less than 1")
        if self.batch % self.accumulate:
            raise ValueError(
                f"batch is {self.batch}, which accumulate={self.accumulate} equal parts cannot make"
            )


class Examples(ABC):
    """What is trained on: prepared once, spoiled anew each time it is looked at."""

    @abstractmethod
    def __len__(self) -> int:
        """Count them."""

    @abstractmethod
    def batch(self, indices: Sequence[int], seeds: Sequence[Sequence[int]]) -> Batch:
        """Make rows, each spoiled as its own seed says."""

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """Say what identifies them in a record."""


class Recipe(ABC):
    """Say how a kind of model is trained: on what, spoiled how, and by which schedule."""

    Options: ClassVar[type] = Schedule
    options: Schedule

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def examples(
        self,
        lesson: Lesson,
        samples: Iterable[Sample],
        dataset: Dataset,
        facts: Mapping[str, Any],
        place: Path,
    ) -> Examples:
        """Prepare labelled pictures; what can be kept is kept in a folder, under a hash of its facts."""


def lesson_of(model: Any, name: str) -> Lesson:
    """Ask a model for its lesson."""
    lesson = getattr(model, "lesson", None)
    if not isinstance(lesson, Lesson):
        raise ConfigError(
            f"model={name} cannot be trained: it brings no lesson (inputs, targets and losses). "
            "docs/training.md says which models do, and how one is written"
        )
    return lesson
