"""Pictures of a folder, one picture, a pattern, or the frames of a video: nothing is known about them."""

from __future__ import annotations

import glob
import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from faceport.api import Dataset
from faceport.data.pictures import PICTURES, decode, find_pictures, is_picture
from faceport.data.videos import VIDEOS, is_video, probe_video, read_video
from faceport.errors import MissingError
from faceport.types import Sample

ACCEPTED = (
    "dataset.path takes a folder (nested folders too), a picture, a pattern such as 'photos/**/*.jpg', "
    f"or a video. Pictures: {' '.join(PICTURES)}; videos: {' '.join(VIDEOS)}"
)


@dataclass(frozen=True)
class FolderOptions:
    """Options of the dataset."""

    path: str
    every: int = 1  # of a video: every n-th frame

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"option 'every' must be 1 or more, not {self.every}")


class Folder(Dataset):
    """Stream pictures or video frames that have no truth."""

    Options = FolderOptions
    options: FolderOptions

    @property
    def path(self) -> Path:
        """What to read."""
        return Path(self.options.path).expanduser()

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the name and the path of each picture; a folder is walked as it is consumed."""
        path = self.path
        if path.is_dir():
            root, names = path, find_pictures(path)
        elif path.is_file():
            root, names = path.parent, filter(is_picture, [path.name])
        elif glob.has_magic(str(path)):
            root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
            pattern = str(path.relative_to(root))
            matches = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob('**') has no files
            names = (name for name in sorted(matches) if is_picture(name) and (root / name).is_file())
        else:
            raise MissingError(f"there is no {path}. {ACCEPTED}")
        empty = True
        for name in names:
            empty = False
            # A file name may hold bytes that are no text; predictions are text.
            yield os.fsencode(name).decode("utf-8", "backslashreplace"), root / name
        if empty:
            raise MissingError(f"no picture found in {path}. {ACCEPTED}")

    def __iter__(self) -> Iterator[Sample]:
        if self.is_video:
            yield from read_video(self.path, self.options.every)
            return
        for name, path in self.files():
            yield Sample(name, partial(decode, path))

    @property
    def is_video(self) -> bool:
        """Tell whether the path is a video."""
        return self.path.is_file() and is_video(self.path)

    @cached_property
    def census(self) -> tuple[int, str]:
        """Count the pictures and hash their names, without holding them."""
        count, digest = 0, hashlib.sha256()
        for name, _ in self.files():
            count += 1
            digest.update(f"{name}\n".encode())
        return count, digest.hexdigest()

    def __len__(self) -> int:
        if self.is_video:
            return math.ceil(probe_video(self.path).frames / self.options.every)
        return self.census[0]

    def facts(self) -> Mapping[str, Any]:
        """Identify the pictures by their names, a video by its size."""
        if self.is_video:
            video = probe_video(self.path)
            bytes_ = self.path.stat().st_size
            return {
                "path": str(self.path),
                "bytes": bytes_,
                "frames": video.frames,
                "every": self.options.every,
            }
        count, digest = self.census
        return {"path": str(self.path), "pictures": count, "names_sha256": digest}
