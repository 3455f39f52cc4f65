"""Count which faces a model still finds once pictures are spoiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from faceport.api import Verb
from faceport.engine.engine import Engine
from faceport.errors import ConfigError
from faceport.ops.boxes import iou
from faceport.runs.chosen import NAME, make
from faceport.runs.options import PortionOptions
from faceport.runs.plan import make_plan
from faceport.types import Faces, Image, Sample
from faceport.verbs.show.terminal import show_notes
from faceport_example_verb.damage import Damage


@dataclass(frozen=True)
class EndureOptions(PortionOptions):
    """Options beside the groups; conf/verb/endure.yaml explains them."""

    overlap: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.overlap <= 1:
            raise ValueError(f"overlap is {self.overlap:g}, it must lie in 0..1, and not be 0")


@dataclass(frozen=True)
class Endured:
    """How many faces were found, and how many of them once more in the spoiled pictures."""

    damage: str
    pictures: int
    faces: int
    again: int
    notes: tuple[str, ...]


class Endure(Verb):
    """Run a model on pictures as they are, and spoiled."""

    Options = EndureOptions
    options: EndureOptions

    def act(self, config: Mapping[str, Any]) -> Endured:
        """Predict every picture twice and count."""
        plan = make_plan(config, self.options)
        if "boxes" not in plan.model.provides:
            raise ConfigError("endure counts the faces that a model finds: choose one that provides boxes")
        damage: Damage = make(config, "damage")
        built = plan.build(plan.questions())
        pictures = faces = again = 0
        try:
            engine = Engine(plan.model, built.sessions)
            with closing(engine.run(both(plan.questions(), damage))) as predictions:
                for whole, spoiled in zip(predictions, predictions, strict=True):
                    pictures += 1
                    faces += len(whole.faces)
                    again += found_again(whole.faces, spoiled.faces, self.options.overlap)
        finally:
            built.close()
        return Endured(str(config["damage"][NAME]), pictures, faces, again, tuple(plan.warnings()))

    def show(self, outcome: Endured) -> int:
        """Say it in a sentence."""
        print(
            f"{outcome.damage}: of {outcome.faces} faces in {outcome.pictures} pictures, "
            f"{outcome.again} are found again"
        )
        show_notes(outcome.notes)
        return 0


def both(samples: Iterable[Sample], damage: Damage) -> Iterator[Sample]:
    """Give each picture twice: as it is, and spoiled."""
    for sample in samples:
        yield sample
        yield replace(sample, id=f"{sample.id} spoiled", source=partial(spoil, sample, damage))


def spoil(sample: Sample, damage: Damage) -> Image:
    """Spoil a picture once it is looked at."""
    return damage.apply(sample.image)


def found_again(whole: Faces, spoiled: Faces, overlap: float) -> int:
    """Count the faces of one picture that overlap with one in the other."""
    if whole.boxes is None or spoiled.boxes is None or not len(whole) or not len(spoiled):
        return 0
    return int((iou(whole.boxes, spoiled.boxes).max(axis=1) >= overlap).sum())
