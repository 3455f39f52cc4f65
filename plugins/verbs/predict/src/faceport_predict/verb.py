"""Look at pictures, folders and videos: annotated copies and one line of JSON for each picture."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from faceport.api import Verb
from faceport.data.drawing import draw
from faceport.data.pictures import decode, encode_for, find_pictures
from faceport.data.predictions import FILE, PredictionFile
from faceport.data.videos import VideoWriter, is_video, probe_video, read_video
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, MissingError
from faceport.files import disk_errors, expand
from faceport.places import Outputs, as_text, distinct
from faceport.progress import progress
from faceport.runs.options import ArtifactOptions, EngineOptions, at_least_one
from faceport.runs.plan import make_plan, require_independent
from faceport.types import Faces, Prediction, Sample
from faceport.verbs.show.terminal import show_pictures

Named = list[tuple[str, Path]]  # inputs, by names of their own


@dataclass(frozen=True)
class PredictOptions(EngineOptions, ArtifactOptions):
    """Options beside the groups."""

    inputs: list[str] = field(default_factory=list)
    threshold: float = 0.5
    limit: int | None = None
    stride: int = 1
    overwrite: bool = False
    out: str = "predicted"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(limit=self.limit, stride=self.stride)


@dataclass(frozen=True)
class Seen:
    """What was looked at, what was found, and where the copies are."""

    folder: Path
    pictures: int  # that could be read, frames of videos among them
    faces: int  # that are drawn
    seconds: float
    unreadable: Mapping[str, str]
    notes: tuple[str, ...]


class Predict(Verb):
    """Look at pictures, folders and videos."""

    Options = PredictOptions
    options: PredictOptions

    def act(self, config: Mapping[str, Any]) -> Seen:
        """Predict every input and write the results."""
        options, out = self.options, expand(self.options.out)
        if not options.inputs:
            raise ConfigError(
                "name at least one picture, folder or video: faceport predict photo.jpg model=NAME"
            )
        plan = make_plan(config, options)
        require_independent(plan)
        pictures, videos = find_inputs(options.inputs)
        pictures = pictures[:: options.stride][: options.limit]
        outputs = Outputs(out, [path for _, path in (*pictures, *videos)], options.overwrite)
        outputs.check([*(name for name, _ in pictures), *(copy_of(name) for name, _ in videos)])
        predictions = outputs.own(FILE)
        built = plan.build(Sample(name, partial(decode, path)) for name, path in pictures)
        try:
            engine = Engine(plan.model, built.sessions, plan.settings)
            # Closed here, so that an interrupted video is finished before the program ends.
            with (
                disk_errors(out),
                PredictionFile(predictions, fresh=True) as file,
                closing(self._look(engine, pictures, videos, outputs)) as looked,
            ):
                outputs.tidy([*(name for name, _ in pictures), *(copy_of(name) for name, _ in videos)])
                faces, started = 0, time.perf_counter()
                with progress("predicting", self._total(pictures, videos)) as shown:
                    for prediction in shown.over(looked):
                        file.write(prediction)
                        faces += len(self._sure(prediction.faces))
                seconds = time.perf_counter() - started
        finally:
            built.close()
        seen = file.count - file.failures
        return Seen(out, seen, faces, seconds, file.named, tuple(plan.warnings()))

    def _total(self, pictures: Named, videos: Named) -> int:
        """Count pictures and frames that will be looked at, as far as the videos tell."""
        frames = sum(-(-probe_video(video).frames // self.options.stride) for _, video in videos)
        total = len(pictures) + frames
        return total if self.options.limit is None else min(total, self.options.limit)

    def _look(
        self, engine: Engine, pictures: Named, videos: Named, outputs: Outputs
    ) -> Generator[Prediction, None, None]:
        """Predict pictures and videos, writing a copy of each with the faces on it."""
        samples = (Sample(name, partial(decode, path)) for name, path in pictures)
        for sample, prediction in _side_by_side(engine, samples):
            if not prediction.error:
                picture = draw(sample.image, self._sure(prediction.faces))
                outputs.write(sample.id, encode_for(sample.id, picture))
            yield prediction
        stride, left = self.options.stride, self.options.limit
        left = None if left is None else left - len(pictures)
        for name, video in videos:
            if left == 0:
                break
            place, adopt = outputs.place(copy_of(name)), partial(outputs.adopt, name=copy_of(name))
            with (
                closing(read_video(video, stride, name)) as frames,
                VideoWriter(place, probe_video(video).fps / stride, adopt) as writer,
            ):
                count = 0
                for sample, prediction in _side_by_side(engine, islice(frames, left)):
                    writer.write(draw(sample.image, self._sure(prediction.faces)))
                    count += 1
                    yield prediction
            left = None if left is None else left - count

    def _sure(self, faces: Faces) -> Faces:
        return faces if faces.scores is None else faces[faces.scores >= self.options.threshold]

    def show(self, outcome: Seen) -> int:
        """Say what was found, how fast, and where the copies are."""
        speed = f", {outcome.pictures / outcome.seconds:.1f} per second" if outcome.pictures else ""
        summary = f"{counted(outcome.faces, 'face')} in {counted(outcome.pictures, 'picture')}{speed}"
        return show_pictures(
            outcome.pictures, outcome.folder, outcome.unreadable, outcome.notes, summary=summary
        )


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def find_inputs(inputs: list[str]) -> tuple[Named, Named]:
    """List the pictures and the videos, by the names that their predictions and copies get."""
    pictures: Named = []
    videos: Named = []
    for text in inputs:
        path = expand(text)
        if path.is_dir():
            found = [(as_text(name), path / name) for name in find_pictures(path)]
            if not found:
                raise MissingError(f"no picture in the folder {path}")
            pictures += found
        elif not path.is_file():
            raise MissingError(f"{path} does not exist (looked for at {path.absolute()})")
        elif is_video(path):
            videos.append((as_text(path.name), path))
        else:
            pictures.append((as_text(path.name), path))
    # Numbers for what shares a name, so that no copy overwrites another; those of videos all end in .mp4.
    names = distinct(name for name, _ in pictures)
    stems = [Path(copy).stem for copy in distinct(copy_of(name) for name, _ in videos)]
    return (
        [(name, path) for name, (_, path) in zip(names, pictures, strict=True)],
        [(f"{stem}{Path(name).suffix}", path) for stem, (name, path) in zip(stems, videos, strict=True)],
    )


def copy_of(video: str) -> str:
    """Name the annotated copy of a video."""
    return f"{Path(video).stem}.mp4"


def _side_by_side(engine: Engine, samples: Iterator[Sample]) -> Iterator[tuple[Sample, Prediction]]:
    """Yield each prediction with its sample; the engine takes only so many samples ahead."""
    held: deque[Sample] = deque()

    def hold() -> Iterator[Sample]:
        for sample in samples:
            held.append(sample)
            yield sample

    for prediction in engine.run(hold()):
        yield held.popleft(), prediction
