"""COFW (http://www.vision.caltech.edu/xpburgos/ICCV13/): 29 landmarks on faces that something hides."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceport.data.crops import grown
from faceport.data.labelled import LabelledPictures
from faceport.data.unpacking import check_unpacked
from faceport.errors import FaceportError, ImageError
from faceport.escapes import printable
from faceport.types import Crops, Faces, Image, Sample

if TYPE_CHECKING:
    import h5py

POINTS = 29
LARGEST = 1e9  # pixels; a float32 holds it
# What h5py raises where a file is damaged, whatever it is damaged in.
DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, MemoryError)
FILES = {"test": ("COFW_test_color.mat", "T"), "train": ("COFW_train_color.mat", "Tr")}


@dataclass(frozen=True)
class CofwOptions:
    """Options of the dataset."""

    root: str = "data/cofw"
    split: Literal["test", "train"] = "test"


class Cofw(LabelledPictures):
    """Stream COFW; its MATLAB file (HDF5 inside) holds labels and pictures."""

    Options = CofwOptions
    options: CofwOptions
    truth = frozenset({"boxes", "landmarks", "attributes"})
    metrics = ("landmarks",)
    calibration = MappingProxyType({"split": "train"})
    get = (
        "COFW is free for research only: take COFW_color.zip from "
        "https://data.caltech.edu/records/bc0bf-nc666 and say dataset.root=COFW_color.zip, or FOLDER if you "
        "unpacked it"
    )

    @cached_property
    def content(self) -> h5py.File:
        """Open the file."""
        import h5py

        path = self.root.path / self.label_file
        try:
            # Out of an archive it is read into memory: HDF5 jumps about in its files.
            return h5py.File(path if path.is_file() else io.BytesIO(self.root.read(self.label_file)))
        except DAMAGED as error:
            raise FaceportError(
                f"{path} is damaged, or no MATLAB 7.3 file: {printable(error, 200)}"
            ) from error

    @cached_property
    def label_file(self) -> str:
        """Find the file, however deep the published archive hides it."""
        wanted = FILES[self.options.split][0]
        names = (name for name in self.root.names() if name.rpartition("/")[2] == wanted)
        return next(names, "") or self.annotation(wanted)

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Read landmarks (x of all, y of all, hidden of all), boxes and the number of pictures."""
        key = FILES[self.options.split][1]
        names = [f"{name}{key}" for name in ("phis", "bboxes", "Is")]
        try:
            absent = [name for name in names if name not in self.content]
        except DAMAGED as error:
            raise FaceportError(f"{self.label_file} is damaged: {printable(error, 200)}") from error
        if absent:
            raise FaceportError(f"{self.label_file} has no {', '.join(absent)}: not a file of COFW")
        rows, boxes, pictures = map(self.table, names)
        if rows.shape[1:] != (3 * POINTS,) or boxes.shape != (len(rows), 4) or len(pictures) != len(rows):
            raise FaceportError(
                f"{self.label_file}: expected {3 * POINTS} numbers, a box and a picture for each face, "
                f"found shapes {rows.shape}, {boxes.shape}, {pictures.shape}"
            )
        numbers_are_sound = all((np.abs(values) < LARGEST).all() for values in (rows, boxes))
        if not (numbers_are_sound and (boxes[:, 2:] > 0).all()):
            raise FaceportError(f"{self.label_file}: a landmark is not finite, or a box has no size")
        points = rows.reshape(-1, 3, POINTS)
        landmarks = points[:, :2].transpose(0, 2, 1).astype(np.float32)
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)
        attributes = {"hidden": points[:, 2] > 0.5}
        faces = Faces(boxes=boxes, landmarks=landmarks, attributes=attributes)
        return {f"{self.options.split}/{i + 1:04d}": faces[i : i + 1] for i in range(len(faces))}

    def table(self, name: str) -> NDArray[Any]:
        """Read a variable: numbers, or references to pictures."""
        import h5py

        try:
            item = self.content[name]
            if not isinstance(item, h5py.Dataset):
                raise FaceportError(f"{self.label_file}: {name} is no array: not a file of COFW")
            pointing = h5py.check_ref_dtype(item.dtype) is not None
            if pointing != name.startswith("Is") or not (pointing or item.dtype.kind in "fiu"):
                raise FaceportError(f"{self.label_file}: {name} is made of {item.dtype}: not a file of COFW")
            return self.array(item)
        except DAMAGED as error:
            raise FaceportError(f"{self.label_file} is damaged: {printable(error, 200)}") from error

    def array(self, item: h5py.Dataset) -> NDArray[Any]:
        """Read an array that lies in the file itself; MATLAB stores columns first, (n, 87) as (87, n)."""
        if item.external or item.is_virtual or item.file.id != self.content.id:
            raise OSError("an array of it lies in another file")
        check_unpacked("an array of it", item.size * item.dtype.itemsize, item.id.get_storage_size())
        return np.asarray(item[()]).T

    def read(self, sample: str) -> Image:
        """Take a picture out of the file; some are grey."""
        import h5py

        try:
            references = self.content[f"Is{FILES[self.options.split][1]}"]
            item = self.content[references[0, int(sample.rpartition("/")[2]) - 1]]
            if not isinstance(item, h5py.Dataset) or item.dtype != np.uint8 or item.ndim not in (2, 3):
                raise ValueError("it is no array of pixels")
            pixels = self.array(item)
        except DAMAGED as error:
            raise ImageError(
                f"{sample}: cannot be read from {self.label_file}: {printable(error, 200)}"
            ) from error
        image = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        if image.shape[2] != 3 or not image.size:
            raise ImageError(f"{sample}: its pixels in {self.label_file} have shape {pixels.shape}")
        return np.ascontiguousarray(image)

    @cached_property
    def pictures_state(self) -> str:
        """Identify the pictures by the file that they lie in."""
        return self.root.state([self.label_file])

    def crops(self, sample: Sample) -> Crops:
        """Cut the face out as for PIPNet: its box as it is, the last pixel counted in."""
        truth = sample.truth
        assert truth is not None and truth.boxes is not None and truth.landmarks is not None
        regions = grown(truth.boxes - np.array([0, 0, 1, 1]), 1.0, *sample.image.shape[:2])
        name = f"cofw_{sample.id.replace('/', '_')}.jpg"
        return Crops([name], regions, truth.landmarks.astype(np.float64))

    @property
    def protocol(self) -> str:
        """Name the split."""
        return f"COFW {self.options.split}"
