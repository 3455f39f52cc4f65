"""WIDER FACE (https://arxiv.org/abs/1511.06523): 32,203 pictures of crowds; 3,226 of them to validate on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from faceport.api import Dataset
from faceport.archive import Archive, open_archive
from faceport.errors import FaceportError, ImageError, MissingError
from faceport.media import decode
from faceport.store import file_sha256
from faceport.types import Image, Prediction, Sample
from faceport_widerface_dataset import annotations as formats
from faceport_widerface_dataset import predictions as official

GET = (
    "WIDER FACE is free for research only and must not be passed on: take WIDER_{split}.zip and "
    "wider_face_split.zip from http://shuoyang1213.me/WIDERFACE/ and, for easy/medium/hard, the folder "
    "ground_truth of eval_tools.zip there; put all three into one folder (the pictures may stay zipped) "
    "and say dataset.root=FOLDER"
)
FOLDERS = ("ground_truth", "eval_tools/ground_truth", "wider_face_split", ".")  # where annotations may lie


@dataclass(frozen=True)
class WiderFaceOptions:
    """Options of the dataset."""

    root: str = "data/widerface"
    split: Literal["val", "train"] = "val"
    subset: str | None = None  # a file that lists pictures


class WiderFace(Dataset):
    """Stream WIDER FACE; the truth needs no pictures, so that predictions can be scored without them."""

    Options = WiderFaceOptions
    options: WiderFaceOptions
    truth = frozenset({"boxes", "attributes"})
    metrics = ("widerface_ap",)

    @cached_property
    def annotation_files(self) -> Mapping[str, Path]:
        """Find the annotations: "faces", and "easy", "medium", "hard" where they exist."""
        root, split = Path(self.options.root).expanduser(), self.options.split
        names = {level: [f"wider_{level}_{split}.mat"] for level in formats.LEVELS}
        # The files of the levels hold all boxes, too; the text list is the last resort.
        names["faces"] = [
            f"wider_face_{split}.mat",
            f"wider_easy_{split}.mat",
            f"wider_face_{split}_bbx_gt.txt",
        ]
        found = {
            key: path
            for key, choices in names.items()
            if (path := next((p for n in choices for f in FOLDERS if (p := root / f / n).is_file()), None))
        }
        if "faces" not in found:
            raise MissingError(
                f"no wider_face_{split}.mat or wider_face_{split}_bbx_gt.txt in {root} or its folders "
                f"{', '.join(FOLDERS[:-1])}. {GET.format(split=split)}"
            )
        absent = [level for level in formats.LEVELS if level not in found]
        if absent and len(found) > 1:
            raise MissingError(
                f"{found['faces'].parent}: found some levels, but no wider_{absent[0]}_{split}.mat"
            )
        return found

    @cached_property
    def annotations(self) -> formats.Annotations:
        """Read the truth of all pictures, by name, in the official order (or that of the subset)."""
        files = dict(self.annotation_files)
        faces = files.pop("faces")
        known = formats.read_text(faces) if faces.suffix == ".txt" else formats.read_mat(faces, files)
        if not self.options.subset:
            return known
        path = Path(self.options.subset).expanduser()
        if not path.is_file():
            raise MissingError(f"there is no {path} (dataset.subset)")
        return {name: known[name] for name in formats.read_subset(path, known)}

    @cached_property
    def pictures(self) -> tuple[Archive, str]:
        """Find the pictures: an archive and the folder in it."""
        root, split = Path(self.options.root).expanduser(), self.options.split
        for place, folder in ((f"WIDER_{split}", "images"), (f"WIDER_{split}.zip", f"WIDER_{split}/images")):
            if (root / place).exists():
                return open_archive(root / place), folder
        raise MissingError(
            f"no WIDER_{split}/images and no WIDER_{split}.zip in {root}. {GET.format(split=split)}"
        )

    def read(self, name: str) -> Image:
        """Decode one picture."""
        archive, folder = self.pictures
        try:
            return decode(archive.read(f"{folder}/{name}"), name)
        except OSError as error:
            raise ImageError(f"{name}: cannot be read from {archive.path}: {error}") from error

    def __iter__(self) -> Iterator[Sample]:
        for name, faces in self.annotations.items():
            yield Sample(name, partial(self.read, name), truth=faces)

    def __len__(self) -> int:
        return len(self.annotations)

    def facts(self) -> Mapping[str, Any]:
        """Identify the annotations and the choice of pictures."""
        files = [
            *self.annotation_files.values(),
            *([Path(self.options.subset)] if self.options.subset else []),
        ]
        return {
            "protocol": f"WIDER FACE {self.options.split}",
            "pictures": len(self),
            "faces": sum(len(faces) for faces in self.annotations.values()),
            "levels": "easy" in self.annotation_files,
            "sha256": {path.name: file_sha256(path.expanduser()) for path in files},
        }

    def write_predictions(self, predictions: Iterable[Prediction], out: Path) -> None:
        """Write EVENT/NAME.txt files into a folder or a zip."""
        official.write_predictions(predictions, out)

    def read_predictions(self, path: Path) -> Iterator[Prediction]:
        """Read EVENT/NAME.txt files; a file for a picture that the full set does not have is an error."""
        for prediction in official.read_predictions(path):
            if not self.options.subset and prediction.id not in self.annotations:
                raise FaceportError(
                    f"{path}: {prediction.id} is no picture of WIDER FACE {self.options.split}"
                )
            if prediction.id in self.annotations:
                yield prediction
