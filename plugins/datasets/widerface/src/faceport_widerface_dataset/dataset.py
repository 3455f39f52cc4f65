"""WIDER FACE (https://arxiv.org/abs/1511.06523): 32,203 pictures of crowds; 3,226 of them to validate on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from faceport.data.archive import Archive
from faceport.data.labelled import LabelledPictures
from faceport.errors import FaceportError
from faceport.escapes import printable
from faceport.types import Prediction
from faceport_widerface_dataset import annotations as formats
from faceport_widerface_dataset import predictions as official

FOLDERS = ("ground_truth/", "eval_tools/ground_truth/", "wider_face_split/", "")  # where annotations may lie


@dataclass(frozen=True)
class WiderFaceOptions:
    """Options of the dataset."""

    root: str = "data/widerface"
    split: Literal["val", "train"] = "val"
    subset: str | None = None  # a file that lists pictures


class WiderFace(LabelledPictures):
    """Stream WIDER FACE; the truth needs no pictures, so that predictions can be scored without them."""

    Options = WiderFaceOptions
    options: WiderFaceOptions
    truth = frozenset({"boxes", "attributes"})
    metrics = ("widerface_ap",)
    calibration = MappingProxyType({"split": "train", "subset": None})
    get = (
        "WIDER FACE is free for research only and must not be passed on: take WIDER_val.zip, "
        "wider_face_split.zip and, for easy/medium/hard, the folder ground_truth of eval_tools.zip from "
        "http://shuoyang1213.me/WIDERFACE/; put all into one folder (the pictures may stay zipped) and say "
        "dataset.root=FOLDER"
    )

    @cached_property
    def annotation_files(self) -> Mapping[str, str]:
        """Find the annotations: "faces", and "easy", "medium", "hard" where they exist."""
        split = self.options.split
        levels = {level: self.find(f"wider_{level}_{split}.mat") for level in formats.LEVELS}
        absent = [level for level, path in levels.items() if not path]
        if 0 < len(absent) < len(levels):
            raise self.absent(f"{self.root.path} has other levels, but no wider_{absent[0]}_{split}.mat")
        # The files of the levels hold all boxes, too; the text list is the last resort.
        text = f"wider_face_{split}_bbx_gt.txt"
        faces = self.find(f"wider_face_{split}.mat") or levels["easy"] or self.find(text)
        if not faces:
            raise self.absent(f"there is no wider_face_{split}.mat or {text} in {self.root.path}")
        return {"faces": faces} | ({} if absent else levels)

    def find(self, name: str) -> str:
        """Find an annotation file; empty where there is none."""
        return next((folder + name for folder in FOLDERS if folder + name in self.root), "")

    @cached_property
    def labels(self) -> formats.Annotations:
        """Read the truth of all pictures, in the official order (or that of the subset)."""
        files = dict(self.annotation_files)
        faces = files.pop("faces")
        if faces.endswith(".txt"):
            known = formats.read_text(faces, self.read_annotations(faces))
        else:
            known = formats.read_mat(self.read_annotations, faces, files)
        if not self.options.subset:
            return known
        chosen = self.outside(self.options.subset, "subset")
        return {name: known[name] for name in formats.read_subset(self.options.subset, chosen, known)}

    @cached_property
    def pictures(self) -> Archive:
        """Find the folder of pictures, or its zip."""
        pictures = self.part(f"WIDER_{self.options.split}")
        return pictures.within("images") or pictures

    @property
    def protocol(self) -> str:
        """Name the split, and say when easy, medium and hard are not known."""
        levels = "" if "easy" in self.annotation_files else ", without levels"
        return f"WIDER FACE {self.options.split}{levels}"

    def write_predictions(self, predictions: Iterable[Prediction], out: Path) -> None:
        """Write EVENT/NAME.txt files into a folder or a zip."""
        official.write_predictions(predictions, out)

    def read_predictions(self, path: Path) -> Iterator[Prediction]:
        """Read EVENT/NAME.txt files; a file for a picture that the full set does not have is an error."""
        for prediction in official.read_predictions(path):
            if prediction.id in self.labels:
                yield prediction
            elif not self.options.subset:
                raise FaceportError(
                    f"{path}: {printable(prediction.id)} is no picture of WIDER FACE {self.options.split}"
                )
