"""Look at pictures, folders and videos: annotated copies and one line of JSON for each picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.data.drawing import draw
from faceport.data.pictures import decode, find_pictures, write_picture
from faceport.data.predictions import FILE, PredictionFile
from faceport.data.videos import VideoWriter, is_video, probe_video, read_video
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, MissingError
from faceport.files import disk_errors
from faceport.progress import progress
from faceport.runs.options import ArtifactOptions, EngineOptions
from faceport.runs.plan import make_plan, require_independent
from faceport.types import Faces, Prediction, Sample
from faceport.verbs.show.terminal import show_pictures


@dataclass(frozen=True)
class PredictOptions(EngineOptions, ArtifactOptions):
    """Options beside the groups."""

    inputs: list[str] = field(default_factory=list)
    threshold: float = 0.5
    out: str = "predicted"


@dataclass(frozen=True)
class Seen:
    """What was looked at, and where the copies are."""

    folder: Path
    pictures: int
    unreadable: Mapping[str, str]
    notes: tuple[str, ...]


class Predict(Verb):
    """Look at pictures, folders and videos."""

    Options = PredictOptions
    options: PredictOptions

    def act(self, config: Mapping[str, Any]) -> Seen:
        """Predict every input and write the results."""
        options, out = self.options, Path(self.options.out)
        if not options.inputs:
            raise ConfigError(
                "name at least one picture, folder or video: faceport predict photo.jpg model=NAME"
            )
        plan = make_plan(config, options)
        require_independent(plan)
        pictures, videos = find_inputs(options.inputs)
        built = plan.build(Sample(name, partial(decode, path)) for name, path in pictures)
        try:
            engine = Engine(plan.model, built.sessions, plan.settings)
            with disk_errors(out), PredictionFile(out / FILE, fresh=True) as file:
                total = len(pictures) + sum(probe_video(video).frames for video in videos)
                with progress("predicting", total) as shown:
                    for prediction in shown.over(self._look(engine, pictures, videos)):
                        file.write(prediction)
        finally:
            built.close()
        seen = file.count - file.failures
        return Seen(out, seen, file.named, tuple(plan.warnings()))

    def _look(
        self, engine: Engine, pictures: list[tuple[str, Path]], videos: list[Path]
    ) -> Iterator[Prediction]:
        """Predict pictures and videos, writing a copy of each with the faces on it."""
        out = Path(self.options.out)
        samples = (Sample(name, partial(decode, path)) for name, path in pictures)
        for sample, prediction in _side_by_side(engine, samples):
            if not prediction.error:
                place = out / sample.id
                place.parent.mkdir(parents=True, exist_ok=True)
                write_picture(place, draw(sample.image, self._sure(prediction.faces)))
            yield prediction
        for video in videos:
            with VideoWriter(out / f"{video.stem}.mp4", probe_video(video).fps) as writer:
                for sample, prediction in _side_by_side(engine, read_video(video)):
                    writer.write(draw(sample.image, self._sure(prediction.faces)))
                    yield prediction

    def _sure(self, faces: Faces) -> Faces:
        return faces if faces.scores is None else faces[faces.scores >= self.options.threshold]

    def show(self, outcome: Seen) -> int:
        """Say what became of the pictures."""
        return show_pictures(outcome.pictures, outcome.folder, outcome.unreadable, outcome.notes)


def find_inputs(inputs: list[str]) -> tuple[list[tuple[str, Path]], list[Path]]:
    """List the pictures, by the name that their copies get, and the videos."""
    pictures: list[tuple[str, Path]] = []
    videos = []
    for text in inputs:
        path = Path(text).expanduser()
        if path.is_dir():
            found = [(name, path / name) for name in find_pictures(path)]
            if not found:
                raise MissingError(f"no picture in the folder {path}")
            pictures += found
        elif not path.is_file():
            raise MissingError(f"{path} does not exist (looked for at {path.absolute()})")
        elif is_video(path):
            videos.append(path)
        else:
            pictures.append((path.name, path))
    return _distinct(pictures), videos


def _distinct(pictures: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Give numbers to pictures that share a name, so that no copy overwrites another."""
    seen: dict[str, int] = {}
    named = []
    for name, path in pictures:
        seen[name] = seen.get(name, 0) + 1
        new = name if seen[name] == 1 else str(Path(name).with_stem(f"{Path(name).stem}-{seen[name]}"))
        named.append((new, path))
    return named


def _side_by_side(engine: Engine, samples: Iterator[Sample]) -> Iterator[tuple[Sample, Prediction]]:
    """Yield each prediction with its sample; the engine takes only so many samples ahead."""
    held: deque[Sample] = deque()

    def hold() -> Iterator[Sample]:
        for sample in samples:
            held.append(sample)
            yield sample

    for prediction in engine.run(hold()):
        yield held.popleft(), prediction
