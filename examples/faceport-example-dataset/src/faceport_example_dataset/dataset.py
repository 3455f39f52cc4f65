"""Pictures in a folder, and a list of their faces: boxes.csv with the lines file,x1,y1,x2,y2."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from faceport.data.labelled import LabelledPictures
from faceport.errors import FaceportError, MissingError
from faceport.escapes import printable
from faceport.types import Faces

LIST = "boxes.csv"


@dataclass(frozen=True)
class BoxesOptions:
    """Options of the dataset."""

    root: str = "data/boxes"


class Boxes(LabelledPictures):
    """Stream pictures with the boxes of their faces; the base class opens folders and archives."""

    Options = BoxesOptions
    options: BoxesOptions
    truth = frozenset({"boxes"})
    metrics = ("example_count",)
    get = "Say dataset.root=FOLDER, with the pictures and boxes.csv (file,x1,y1,x2,y2) in it"

    @cached_property
    def labels(self) -> Mapping[str, Faces]:
        """Gather the boxes by picture; what a file holds may be damaged or hostile."""
        try:
            text = self.root.read(LIST).decode("utf-8", "backslashreplace")
        except OSError as error:
            raise MissingError(f"{self.root.path}: there is no {LIST}. {self.get}") from error
        boxes: dict[str, list[list[float]]] = {}
        for number, line in enumerate(csv.reader(text.splitlines()), 1):
            try:
                name, *corners = line
                x1, y1, x2, y2 = map(float, corners)
                if not (0 <= x1 < x2 < 1e5 and 0 <= y1 < y2 < 1e5):
                    raise ValueError
            except ValueError as error:
                said = printable(",".join(line), 80)
                raise FaceportError(f"{LIST}:{number}: expected file,x1,y1,x2,y2, found '{said}'") from error
            boxes.setdefault(name, []).append([x1, y1, x2, y2])
        return {name: Faces(boxes=np.array(some, np.float32)) for name, some in boxes.items()}

    @property
    def protocol(self) -> str:
        """Name the data in records."""
        return f"boxes of {self.options.root}"
