"""What is to be looked at: pictures, and films, which are videos, cameras and addresses of streams."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from faceport.data.pictures import find_pictures
from faceport.data.videos import is_video
from faceport.errors import ConfigError, MissingError
from faceport.files import expand
from faceport.networks.sources.addresses import redacted
from faceport.places import as_text, distinct

Named = list[tuple[str, Path]]  # pictures, by names of their own

STREAMS = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True)
class Film:
    """Something that is looked at frame by frame."""

    name: str  # its frames are NAME#000012
    source: Path | str | int  # file of a video, address of a stream, number of a camera

    @property
    def live(self) -> bool:
        """Tell whether frames come when they come."""
        return not isinstance(self.source, Path)

    @property
    def copy(self) -> str:
        """Name the annotated copy."""
        return f"{self.name if self.live else Path(self.name).stem}.mp4"

    @property
    def shown(self) -> str:
        """Write it as the user did, without a password that its address may hold."""
        return f"camera={self.source}" if isinstance(self.source, int) else redacted(str(self.source))


def find_inputs(inputs: list[str], camera: str | None = None) -> tuple[Named, list[Film]]:
    """List pictures and films, by the names that their predictions and copies get."""
    pictures: Named = []
    films: list[Film] = []
    for text in inputs:
        if is_stream(text):
            films.append(stream_of(text))
            continue
        path = expand(text)
        if path.is_dir():
            found = [(as_text(name), path / name) for name in find_pictures(path)]
            if not found:
                raise MissingError(f"no picture in the folder {path}")
            pictures += found
        elif not path.is_file():
            raise MissingError(f"{path} does not exist (looked for at {path.absolute()})")
        elif is_video(path):
            films.append(Film(as_text(path.name), path))
        else:
            pictures.append((as_text(path.name), path))
    if camera is not None:
        films.append(camera_of(camera))
    # Numbers for what shares a name, so that no copy overwrites another; those of films all end in .mp4.
    names = distinct(name for name, _ in pictures)
    stems = [Path(copy).stem for copy in distinct(film.copy for film in films)]
    return (
        [(name, path) for name, (_, path) in zip(names, pictures, strict=True)],
        [
            replace(film, name=stem if film.live else f"{stem}{Path(film.name).suffix}")
            for stem, film in zip(stems, films, strict=True)
        ],
    )


def is_stream(text: str) -> bool:
    """Tell whether a text is the address of a stream."""
    return text.partition("://")[0].lower() in STREAMS and "://" in text


def stream_of(address: str) -> Film:
    """Name a stream by host and path; user, password and query stay out of names."""
    try:
        parts = urlsplit(address)
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{parts.hostname or ''}{parts.path}").strip("-.")
    except ValueError:
        name = ""
    if not name:
        raise ConfigError(f"'{redacted(address)}' is no address of a stream: rtsp://HOST/PATH")
    return Film(name, address)


def camera_of(text: str) -> Film:
    """Read camera=NUMBER or camera=ADDRESS."""
    if is_stream(text):
        return stream_of(text)
    if not text.isdecimal() or len(text) > 4:
        raise ConfigError(
            f"camera is '{text}', it must be the number of a camera of this machine (0 is the first) or the "
            "address of one: rtsp://HOST/PATH"
        )
    return Film(f"camera-{int(text)}", int(text))
