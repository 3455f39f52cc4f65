"""Copies of a dataset as training code and vendor tools want them: crops, labels, tensors, lists of files."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faceport.api import Model, Verb
from faceport.data.crops import crops_of, grown, stem
from faceport.data.pictures import encode
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import map_samples
from faceport.engine.flow import Settings
from faceport.errors import ConfigError, FaceportError, suggest
from faceport.files import disk_errors, expand, remove_leftovers, write_atomically
from faceport.ops.cutting import cut
from faceport.places import claimable, inside
from faceport.progress import progress
from faceport.runs.folder import STATE, is_marked, mark, write_mark
from faceport.runs.options import PortionOptions, at_least_one, bounded_workers
from faceport.runs.plan import Plan, make_plan
from faceport.types import Array, Call, Crops, Faces, Image, Prediction, Sample
from faceport.verbs.show.terminal import show_pictures
from faceport_prepare.lists import write_lists

JOURNAL = "prepared.jsonl"  # a line for each picture that is done: files, regions, landmarks within them
FILES = ("pictures", "npz", "bin")
VOLATILE = ("out", "workers", "in_flight", "strict")  # options that change no file


@dataclass(frozen=True)
class PrepareOptions(PortionOptions):
    """Options beside the groups."""

    files: list[str] = field(default_factory=lambda: ["pictures"])
    crop: bool | None = None
    size: int = 256
    scale: float | None = None
    neighbours: int = 10
    name: str | None = None
    workers: int | None = None
    in_flight: int | None = None
    strict: bool = False
    out: str = "prepared"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(
            size=self.size, neighbours=self.neighbours, workers=self.workers, in_flight=self.in_flight
        )
        bounded_workers(self.workers)
        for kind in self.files:
            if kind not in FILES:
                raise ValueError(f"files={kind} cannot be written. {suggest(kind, FILES)}")

    @property
    def settings(self) -> Settings:
        """As the engine wants them."""
        return Settings(workers=self.workers, in_flight=self.in_flight, strict=self.strict)


@dataclass(frozen=True)
class Prepared:
    """What was written, and where."""

    folder: Path
    pictures: int
    unreadable: Mapping[str, str]
    lists: Mapping[str, str]  # file -> what it holds
    notes: tuple[str, ...]


class Prepare(Verb):
    """Write a dataset as others want it."""

    Options = PrepareOptions
    options: PrepareOptions

    def act(self, config: Mapping[str, Any]) -> Prepared:
        """Write everything that was asked for, or go on where an earlier call stopped."""
        options, folder = self.options, expand(self.options.out)
        plan = make_plan(config, options)
        if ("bin" in options.files) != ("model" in plan.parts):
            raise ConfigError(
                "files=bin writes what a model is fed, so both belong together: files=bin model=NAME"
            )
        claimable(folder, lambda folder: (folder / JOURNAL).is_file())
        with disk_errors(folder), PredictionFile(folder / JOURNAL) as file:
            claim(folder, plan, file.count > 0)  # no other process writes here meanwhile: the file is locked
            cutter = Cutter(plan, options, folder)
            todo = file.without_done(plan.samples())
            with progress(f"preparing {plan.config['dataset']['name']}", plan.count()) as shown:
                shown.advance(file.count)
                for outcome in shown.over(map_samples(cutter.write, todo, options.settings)):
                    file.write(Prediction(outcome.id, outcome.value or Faces(), outcome.error))
            rows = read_predictions(folder / JOURNAL)
            lists = write_lists(folder, cutter.name, options.neighbours, "npz" in options.files, rows)
        return Prepared(folder, file.count - file.failures, file.named, lists, tuple(plan.warnings()))

    def show(self, outcome: Prepared) -> int:
        """Say what each list holds, and what became of the pictures."""
        for name, what in outcome.lists.items():
            print(f"{name}: {what}")
        return show_pictures(outcome.pictures, outcome.folder, outcome.unreadable, outcome.notes)


def claim(folder: Path, plan: Plan, begun: bool) -> None:
    """Take a folder that is new, or was begun with the same options on the same data."""
    stable = {key: value for key, value in plan.config.items() if key not in VOLATILE}
    content = mark([stable, dict(plan.dataset.facts())])
    if not is_marked(folder, content) and (begun or (folder / STATE).is_file()):
        raise ConfigError(f"{folder} holds what was prepared from other data or options: choose another out=")
    write_mark(folder, content)
    remove_leftovers(folder)


class Cutter:
    """Write the files of each picture."""

    def __init__(self, plan: Plan, options: PrepareOptions, folder: Path) -> None:
        self.plan, self.options, self.folder = plan, options, folder
        self.dataset = plan.dataset
        self.name = options.name or self.dataset.split
        self.cropped = "landmarks" in self.dataset.truth if options.crop is None else options.crop
        self.feeder = Feeder(plan.model, folder / f"bin_{self.name}") if "model" in plan.parts else None
        self._owners: dict[str, str] = {}  # file -> sample
        self._lock = threading.Lock()

    def write(self, sample: Sample) -> Faces:
        """Write the files of one picture; say what the crops show and where the landmarks lie in them."""
        crops = self.crops(sample)
        for name in crops.names:
            self.own(name, sample)
        for name, image in zip(crops.names, self.images(sample, crops), strict=True):
            if "pictures" in self.options.files:
                path = self.folder / f"images_{self.name}" / name
                write_atomically(path, encode(image, path.suffix.lower()), durable=True)
            if "npz" in self.options.files:
                write_atomically(
                    self.folder / f"npz_{self.name}" / f"{stem(name)}.npz", packed(image), durable=True
                )
        if self.feeder:
            self.feeder.write(self.plan.question(sample), crops.names)
        relative = crops.relative
        flags = sample.truth.attributes if self.cropped and sample.truth is not None else {}
        return Faces(
            boxes=crops.regions.astype(np.float32),
            landmarks=None if relative is None else relative.astype(np.float32),
            identities=np.array(crops.names, dtype=np.str_),
            attributes={
                name: value for name, value in flags.items() if value.dtype == bool and value.ndim == 1
            },
        )

    def crops(self, sample: Sample) -> Crops:
        """Say what is cut out: faces, or the whole picture."""
        height, width = sample.image.shape[:2]
        if not self.cropped:
            return Crops([f"{stem(sample.id)}.jpg"], np.array([[0.0, 0.0, width, height]]))
        try:
            crops = self.dataset.crops(sample) or crops_of(sample)
            boxes = sample.truth.boxes if sample.truth is not None else None
            if self.options.scale is None or boxes is None:
                return crops
            return Crops(crops.names, grown(boxes, self.options.scale, height, width), crops.landmarks)
        except FaceportError as error:
            raise FaceportError(f"{sample.id}: {error}") from error

    def images(self, sample: Sample, crops: Crops) -> Sequence[Image]:
        """Cut the pixels out."""
        if not self.cropped:
            return [sample.image]
        return [cut(sample.image, region, self.options.size)[0] for region in crops.regions]

    def own(self, name: str, sample: Sample) -> None:
        """See to it that no two faces are written to one file, and none beside the folder."""
        inside(self.folder, name)
        if len(name.splitlines()) > 1:
            raise FaceportError(f"{name!r} cannot stand in a list of files: it has a line break")
        with self._lock:
            owner = self._owners.setdefault(stem(name), sample.id)
        if owner != sample.id:
            raise FaceportError(f"{owner} and {sample.id} would both be written as {name}")


class Feeder:
    """Write the tensors that a model asks its first network to run, a raw file for each row."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.about = folder / "inputs.json"
        self.known: dict[str, Any] = json.loads(self.about.read_text()) if self.about.is_file() else {}
        self._lock = threading.Lock()

    def write(self, question: Sample, names: Sequence[str]) -> None:
        """Write what one picture becomes; where the rows are its faces, they are named as their crops."""
        steps = self.model.predict(question)
        asked = next(steps, ())
        steps.close()
        calls = [asked] if isinstance(asked, Call) else asked
        rows = [(call, row) for call in calls for row in range(call.size)]
        stems = [stem(name) for name in names]
        if "boxes" not in self.model.needs or len(stems) != len(rows):
            own = stem(question.id)
            stems = [own] if len(rows) == 1 else [f"{own}_{number:02d}" for number in range(len(rows))]
        for name, (call, row) in zip(stems, rows, strict=True):
            for tensor, value in call.inputs.items():
                self.describe(call.network, tensor, value[row])
                write_atomically(
                    inside(self.folder / tensor, f"{name}.bin"), value[row].tobytes(), durable=True
                )

    def describe(self, network: str, tensor: str, value: Array) -> None:
        """Write down what the files of a tensor hold; a raw file does not tell, so all must hold the same."""
        facts = {"network": network, "dtype": str(value.dtype), "shape": list(value.shape)}
        with self._lock:
            if tensor not in self.known:
                self.known[tensor] = {**facts, "preprocessing": self.model.networks[network].preprocessing}
                write_atomically(self.about, json.dumps(self.known, indent=2) + "\n")
        known = {key: self.known[tensor][key] for key in facts}
        if known != facts:
            raise ConfigError(
                f"raw files of one tensor must be alike, but '{tensor}' is {known} and then {facts}: fix the "
                "size of the model's input, e.g. model.size=640 model.pad=square"
            )


def packed(image: Image) -> bytes:
    """Pack a picture as vendor tools read it: uint8 RGB planes, one array 'input_0'."""
    file = io.BytesIO()
    np.savez(file, input_0=np.ascontiguousarray(image.transpose(2, 0, 1)))
    return file.getvalue()
