"""Train on crops of faces with landmarks: cut out once and kept, spoiled each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceport.api import Dataset
from faceport.data.crops import crops_of
from faceport.errors import ConfigError, FaceportError
from faceport.files import digest, disk_errors, temporary_beside, write_atomically
from faceport.ops.cutting import cut
from faceport.progress import progress
from faceport.types import Crops, Sample
from faceport_train.augment import WAYS, Manner, spoil
from faceport_train.recipe import Batch, Examples, Lesson, Recipe, Schedule


@dataclass(frozen=True)
class LandmarkOptions(Schedule):
    """Options of recipes that train on crops with landmarks; conf/recipe/*.yaml explains them."""

    augment: dict[str, float] = field(default_factory=dict)  # ways and their chances, in order
    rotation: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted({*self.augment} - {*WAYS})
        if unknown:
            raise ValueError(f"augment names '{unknown[0]}', it may name: {', '.join(WAYS)}")
        wrong = [name for name, chance in self.augment.items() if not 0 <= chance <= 1]
        if wrong:
            raise ValueError(f"augment.{wrong[0]} is a chance, it must lie in 0..1")


class LandmarkRecipe(Recipe):
    """Train a model that places landmarks on crops."""

    Options = LandmarkOptions
    options: LandmarkOptions

    def examples(
        self,
        lesson: Lesson,
        samples: Iterable[Sample],
        dataset: Dataset,
        facts: Mapping[str, Any],
        place: Path,
    ) -> Examples:
        """Cut out all faces, or take them from where they were kept."""
        network = lesson.network
        identity = {
            "size": lesson.size,
            "scale": lesson.scale,
            "data": facts,
            "options": dict(network.options),
        }
        folder = place / digest(identity)[:16]
        if not (folder / MANIFEST).is_file():
            keep(folder, lesson, samples, dataset, identity)
        crops = np.load(folder / "crops.npy", mmap_mode="r")
        labels = np.load(folder / "landmarks.npy")
        manner = Manner(lesson.mirror, self.options.rotation)
        chances = dict(self.options.augment)
        if len(lesson.mirror) < labels.shape[1]:
            if chances.get("flip"):
                raise ConfigError(
                    "recipe.augment.flip needs a subset of landmarks that holds the mirror image of each: "
                    "recipe.augment.flip=0, or another model.subset"
                )
            chances.pop("flip", None)
        weights = np.load(folder / "weights.npy")
        return FaceCrops(crops, labels, weights, lesson, chances, manner, {**facts, "faces": len(crops)})


MANIFEST = "manifest.json"


def keep(
    folder: Path, lesson: Lesson, samples: Iterable[Sample], dataset: Dataset, identity: Mapping[str, Any]
) -> None:
    """Cut out all faces into a folder; the manifest comes last and stands for all of it."""
    with disk_errors(folder), progress("cutting out faces") as shown:
        folder.mkdir(parents=True, exist_ok=True)
        raw = temporary_beside(folder / "crops.raw")
        labels, weights = [], []
        try:
            with raw.open("wb") as file:
                for sample in samples:
                    for crop, landmarks, weight in faces_of(sample, lesson, dataset):
                        file.write(crop.tobytes())
                        labels.append(landmarks)
                        weights.append(weight)
                    shown.advance()
            if not labels:
                raise FaceportError("the dataset shows no face with landmarks: there is nothing to train on")
            shape = (len(labels), lesson.size, lesson.size, 3)
            _save(folder / "crops.npy", np.memmap(raw, np.uint8, "r", shape=shape))
        finally:
            raw.unlink(missing_ok=True)
        _save(folder / "landmarks.npy", np.stack(labels))
        _save(folder / "weights.npy", np.array(weights, np.float32))
        write_atomically(folder / MANIFEST, json.dumps(identity, indent=2, default=str) + "\n")


def _save(path: Path, array: NDArray[Any]) -> None:
    temporary = temporary_beside(path)
    try:
        np.save(temporary, array)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def faces_of(
    sample: Sample, lesson: Lesson, dataset: Dataset
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64], float]]:
    """Cut out the faces of one picture, each with its landmarks in shares of the crop and its weight."""
    if sample.truth is None or sample.truth.landmarks is None or not len(sample.truth):
        return
    crops = dataset.crops(sample) or crops_of(sample, lesson.scale)
    assert crops.landmarks is not None
    relative = Crops(crops.names, crops.regions, lesson.read(crops.landmarks)).relative
    scores = sample.truth.scores
    assert relative is not None
    for i, (region, landmarks) in enumerate(zip(crops.regions, relative, strict=True)):
        if np.isfinite(landmarks).all():
            weight = 1.0 if scores is None else float(scores[i])
            yield cut(sample.image, region, lesson.size)[0], landmarks, weight


@dataclass(frozen=True, eq=False)
class FaceCrops(Examples):
    """Crops that lie on the disk, with landmarks and weights."""

    crops: NDArray[np.uint8]  # (n, size, size, 3)
    landmarks: NDArray[np.float64]  # (n, k, 2), 0..1 of the crop
    weights: NDArray[np.float32]  # (n,)
    lesson: Lesson
    chances: Mapping[str, float]
    manner: Manner
    known: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Say what identifies them."""
        return {**self.known, "manner": asdict(self.manner), "chances": dict(self.chances)}

    def batch(self, indices: Sequence[int], seeds: Sequence[Sequence[int]]) -> Batch:
        """Spoil crops and say what should be answered for them."""
        spoiled = [
            spoil(
                np.array(self.crops[index]),
                self.landmarks[index],
                np.random.default_rng(seed),
                self.chances,
                self.manner,
            )
            for index, seed in zip(indices, seeds, strict=True)
        ]
        landmarks = np.stack([points for _, points in spoiled])
        return {
            "input": self.lesson.inputs([image for image, _ in spoiled]),
            "weight": self.weights[list(indices)],
            **self.lesson.targets(landmarks),
        }
