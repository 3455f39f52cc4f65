"""Copies of a dataset as training code and vendor tools want them: crops, labels, tensors, lists of files."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from faceport.api import Dataset, Model, Network, Steps
from faceport.data.crops import crops_of, grown, stem
from faceport.data.pictures import encode
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, FaceportError, suggest
from faceport.files import digest, disk_errors, write_atomically
from faceport.ops.crops import cut
from faceport.progress import progress
from faceport.runs.plan import Plan, make_plan
from faceport.types import Array, Call, Crops, Faces, Image, Sample
from faceport.verbs.prepared_lists import write_lists

JOURNAL = "prepared.jsonl"  # a line for each picture that is done: files, regions, landmarks within them
STATE = "fingerprint.txt"
KINDS = ("pictures", "npz", "bin")
VOLATILE = ("out", "workers", "in_flight", "strict")  # options that change no file


def prepare(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything that was asked for, or go on where an earlier call stopped."""
    plan = make_plan(config)
    assert plan.dataset is not None
    check_options(plan)
    folder = Path(plan.options.out)
    with disk_errors(folder):
        claim(folder, plan)
        with PredictionFile(folder / JOURNAL) as file:
            cutter = Cutter(plan, folder)
            todo = file.without_done(plan.samples())
            with progress(f"preparing {plan.config['dataset']['name']}", plan.count()) as shown:
                shown.advance(file.count)
                for prediction in Engine(cutter, {}, plan.options.engine).run(todo):
                    file.write(prediction)
                    shown.advance()
            lists = write_lists(folder, cutter.name, plan.options, read_predictions(folder / JOURNAL))
    return {
        "folder": str(folder),
        "pictures": file.count - file.failures,
        "unreadable": file.named,
        "lists": lists,
        "notes": plan.notes,
    }


def check_options(plan: Plan) -> None:
    """Refuse what cannot be written."""
    files = plan.options.files
    for kind in files:
        if kind not in KINDS:
            raise ConfigError(f"files={kind} cannot be written. {suggest(kind, KINDS)}")
    if ("bin" in files) != (plan.model is not None):
        raise ConfigError(
            "files=bin writes what a model is fed, so both belong together: files=bin model=NAME"
        )


def claim(folder: Path, plan: Plan) -> None:
    """Take a folder that is new, or was begun with the same options on the same data."""
    assert plan.dataset is not None
    stable = {key: value for key, value in plan.config.items() if key not in VOLATILE}
    mark = digest([version("faceport"), stable, dict(plan.dataset.facts())])
    state = folder / STATE
    if (folder / JOURNAL).is_file() and (not state.is_file() or state.read_text() != mark):
        raise ConfigError(f"{folder} holds what was prepared from other data or options: choose another out=")
    write_atomically(state, mark)
    for left in folder.rglob(".*.????????"):  # by a process that was killed
        left.unlink(missing_ok=True)


class Cutter(Model):
    """Write the files of each picture: a model without networks, so that the engine does all the rest."""

    networks: Mapping[str, Network] = {}

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__()
        assert plan.dataset is not None
        self.plan, self.options, self.folder = plan, plan.options, folder
        self.dataset: Dataset = plan.dataset
        self.name = plan.options.name or self.dataset.split
        cropped = plan.options.crop
        self.cropped = "landmarks" in self.dataset.truth if cropped is None else cropped
        self.feeder = Feeder(plan.model, folder / f"bin_{self.name}") if plan.model else None
        self._owners: dict[str, str] = {}  # file -> sample
        self._lock = threading.Lock()

    def predict(self, sample: Sample) -> Steps:
        """Write the files of one picture, asking for nothing."""
        yield from ()
        return self.write(sample)

    def write(self, sample: Sample) -> Faces:
        """Write the files of one picture; say what the crops show and where the landmarks lie in them."""
        crops = self.crops(sample)
        for name, image in zip(crops.names, self.images(sample, crops), strict=True):
            self.own(name, sample)
            if "pictures" in self.options.files:
                path = self.folder / f"images_{self.name}" / name
                write_atomically(path, encode(image, path.suffix.lower()))
            if "npz" in self.options.files:
                write_atomically(self.folder / f"npz_{self.name}" / f"{stem(name)}.npz", packed(image))
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
        path = PurePosixPath(name)
        with self._lock:
            owner = self._owners.setdefault(stem(name), sample.id)
        if owner != sample.id:
            raise FaceportError(f"{owner} and {sample.id} would both be written as {name}")
        if path.is_absolute() or ".." in path.parts:
            raise FaceportError(f"{sample.id} would be written outside of {self.folder}")


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
                write_atomically(self.folder / tensor / f"{name}.bin", value[row].tobytes())

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
