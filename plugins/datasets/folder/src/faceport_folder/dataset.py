"""Pictures of a folder, one picture, a pattern, or the frames of a video: nothing is known about them."""

from __future__ import annotations

import glob
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from faceport.api import Dataset
from faceport.data.pictures import PICTURES, decode, find_pictures, is_picture
from faceport.data.raw import FILES, Raw, read_raw
from faceport.data.videos import VIDEOS, is_video, probe_video, read_video
from faceport.errors import MissingError
from faceport.files import expand, state_of
from faceport.places import as_text
from faceport.types import Sample

ACCEPTED = (
    "dataset.path takes a folder (nested folders too), a picture, a pattern such as 'photos/**/*.jpg', "
    f"or a video. Pictures: {' '.join(PICTURES)}; videos: {' '.join(VIDEOS)}; frames of a camera, with "
    f"dataset.raw=yuyv:640x480: {' '.join(FILES)}"
)


@dataclass(frozen=True)
class FolderOptions:
    """Options of the dataset."""

    path: str
    every: int = 1  # of a video: every n-th frame
    raw: str | None = None  # format of frames without a header, in place of pictures

    def __post_init__(self) -> None:
        if self.raw:
            read_raw(self.raw)
        if self.every < 1:
            raise ValueError(f"option 'every' must be 1 or more, not {self.every}")


class Census(NamedTuple):
    """What a folder holds."""

    pictures: int  # or frames
    names: str  # a hash
    states: str  # a hash of sizes and times of change


class Folder(Dataset):
    """Stream pictures or video frames that have no truth."""

    Options = FolderOptions
    options: FolderOptions

    @property
    def path(self) -> Path:
        """What to read."""
        return expand(self.options.path)

    @property
    def raw(self) -> Raw | None:
        """What frames without a header are."""
        return read_raw(self.options.raw) if self.options.raw else None

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the name and the path of each picture; a folder is walked as it is consumed."""
        path = self.path
        suffixes = FILES if self.options.raw else PICTURES
        if path.is_dir():
            root, names = path, find_pictures(path, suffixes)
        elif path.is_file():  # whose name a person gave
            root, names = path.parent, iter([path.name] if self.options.raw or is_picture(path.name) else [])
        elif glob.has_magic(str(path)):
            root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
            pattern = str(path.relative_to(root))
            matches = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob('**') has no files
            found = (name for name in sorted({*matches}) if name.lower().endswith(suffixes))
            names = (name for name in found if (root / name).is_file())
        else:
            raise MissingError(f"there is no {path}. {ACCEPTED}")
        empty = True
        for name in names:
            empty = False
            yield as_text(name), root / name  # predictions are text, which not every file name is
        if empty:
            raise MissingError(f"no picture found in {path}. {ACCEPTED}")

    def __iter__(self) -> Iterator[Sample]:
        if self.is_video:
            yield from read_video(self.path, self.options.every)
            return
        raw = self.raw
        for name, path in self.files():
            if raw is None:
                yield Sample(name, partial(decode, path))
                continue
            alone = raw.count(path) == 1
            for number, frame in enumerate(raw.frames(path)):
                yield Sample(name if alone else f"{name}#{number:06d}", frame)

    @property
    def is_video(self) -> bool:
        """Tell whether the path is a video."""
        return not self.options.raw and self.path.is_file() and is_video(self.path)

    @cached_property
    def census(self) -> Census:
        """Count the pictures, hash their names and their state, without holding them."""
        raw, count, names, states = self.raw, 0, hashlib.sha256(), hashlib.sha256()
        for name, path in self.files():
            count += raw.count(path) if raw else 1
            names.update(f"{name}\n".encode())
            states.update(state_of(path).encode())
        return Census(count, names.hexdigest(), states.hexdigest())

    def __len__(self) -> int:
        if self.is_video:
            return math.ceil(probe_video(self.path).frames / self.options.every)
        return self.census.pictures

    def facts(self) -> Mapping[str, Any]:
        """Identify the pictures or the video by names, and their bytes by size and time of change."""
        if self.is_video:
            return {
                "path": str(self.path),
                "bytes": self.path.stat().st_size,
                "frames": probe_video(self.path).frames,
                "every": self.options.every,
                "pictures_state": state_of(self.path),
            }
        census = self.census
        return {
            "path": str(self.path),
            "pictures": census.pictures,
            "names_sha256": census.names,
            "pictures_state": census.states,
            **({"raw": self.options.raw} if self.options.raw else {}),
        }
