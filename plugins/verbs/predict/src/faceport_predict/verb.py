"""Look at pictures, folders, videos and cameras: annotated copies, and one line of JSON for each picture."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from faceport.api import Verb
from faceport.data.drawing import draw
from faceport.data.pictures import decode, encode_for
from faceport.data.predictions import FILE, PredictionFile
from faceport.data.videos import VideoWriter, probe_video, read_video
from faceport.engine.engine import Engine
from faceport.errors import ConfigError
from faceport.files import disk_errors, expand
from faceport.places import Outputs
from faceport.progress import progress
from faceport.runs.options import ArtifactOptions, EngineOptions, at_least_one
from faceport.runs.plan import Plan, make_plan, require_independent
from faceport.types import Faces, Prediction, Sample
from faceport.verbs.show.terminal import show_pictures
from faceport_predict.cameras import Camera, Frame
from faceport_predict.copies import Paced
from faceport_predict.inputs import Film, Named, find_inputs
from faceport_predict.stopping import Stop, stoppable
from faceport_predict.tracking import Following
from faceport_predict.window import Window, why_none

S = TypeVar("S", bound=Sample)


@dataclass(frozen=True)
class PredictOptions(EngineOptions, ArtifactOptions):
    """Options beside the groups."""

    inputs: list[str] = field(default_factory=list)
    camera: str | None = None
    tracks: bool = False
    window: bool | None = None
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
    pictures: int  # that could be read, frames of films among them
    faces: int  # that are drawn
    seconds: float
    unreadable: Mapping[str, str]
    notes: tuple[str, ...]
    signal: int = 0  # that left something undone


class Predict(Verb):
    """Look at pictures, folders, videos and cameras."""

    Options = PredictOptions
    options: PredictOptions

    def act(self, config: Mapping[str, Any]) -> Seen:
        """Predict every input and write the results."""
        options, out = self.options, expand(self.options.out)
        if not options.inputs and options.camera is None:
            raise ConfigError(
                "name at least one picture, folder, video or camera: faceport predict photo.jpg model=NAME"
            )
        pictures, films = find_inputs(options.inputs, options.camera)
        plan = make_plan(config, options)
        self._check(plan, films)
        pictures = pictures[:: options.stride][: options.limit]
        windowed, notes = self._windowed(films)
        names = [*(name for name, _ in pictures), *(film.copy for film in films)]
        files = [film.source for film in films if isinstance(film.source, Path)]
        outputs = Outputs(out, [*(path for _, path in pictures), *files], options.overwrite)
        outputs.check(names)
        predictions = outputs.own(FILE)
        built = plan.build(Sample(name, partial(decode, path)) for name, path in pictures)
        try:
            looking = _Looking(Engine(plan.model, built.sessions, plan.settings), options, outputs, windowed)
            looking.open(films)  # before anything is written over
            # Closed here, so that a film on which something fails is finished before the program ends.
            with (
                closing(looking),
                stoppable() as looking.stop,
                disk_errors(out),
                PredictionFile(predictions, fresh=True) as file,
                closing(looking.over(pictures, films)) as looked,
            ):
                outputs.tidy(names)
                faces, started = 0, time.perf_counter()
                with progress("predicting", self._total(pictures, films)) as shown:
                    for prediction in shown.over(looked):
                        file.write(prediction)
                        faces += len(sure(prediction.faces, options.threshold))
                seconds = time.perf_counter() - started
        finally:
            built.close()
        seen = file.count - file.failures
        notes = (*notes, *plan.warnings(), *looking.notes)
        return Seen(out, seen, faces, seconds, file.named, notes, looking.stop.signal * looking.undone)

    def _check(self, plan: Plan, films: list[Film]) -> None:
        require_independent(plan)
        live = [film.shown for film in films if film.live]
        if len(live) > 1:
            raise ConfigError(
                f"{live[0]} and {live[1]}: a camera has no end, so a command looks at one; start another for "
                "the other, with another out="
            )
        if self.options.tracks and "boxes" not in plan.model.provides:
            raise ConfigError(
                "tracks=true follows boxes, which this model does not give: put a detector before it, e.g. "
                "detector=retinaface_mobilenet"
            )

    def _windowed(self, films: list[Film]) -> tuple[bool, tuple[str, ...]]:
        """Decide whether there is a window; asked for and impossible is a mistake."""
        wanted = self.options.window
        if wanted is False or not (wanted or any(film.live for film in films)):
            return False, ()
        why = why_none()
        if why and wanted:
            raise ConfigError(f"window=true: {why}. Leave it out: the annotated copies show the same")
        return not why, (f"no window: {why}",) if why else ()

    def _total(self, pictures: Named, films: list[Film]) -> int | None:
        """Count pictures and frames that will be looked at, as far as videos tell; None: nobody knows."""
        if any(film.live for film in films):
            return self.options.limit
        frames = sum(-(-probe_video(str(film.source)).frames // self.options.stride) for film in films)
        total = len(pictures) + frames
        return total if self.options.limit is None else min(total, self.options.limit)

    def show(self, outcome: Seen) -> int:
        """Say what was found, how fast, and where the copies are."""
        speed = f", {outcome.pictures / outcome.seconds:.1f} per second" if outcome.pictures else ""
        summary = f"{counted(outcome.faces, 'face')} in {counted(outcome.pictures, 'picture')}{speed}"
        code = show_pictures(
            outcome.pictures, outcome.folder, outcome.unreadable, outcome.notes, summary=summary
        )
        return 128 + outcome.signal if outcome.signal else code


class _Looking:
    """Look at pictures and films, writing a copy of each with the faces on it."""

    def __init__(self, engine: Engine, options: PredictOptions, outputs: Outputs, windowed: bool) -> None:
        self._engine, self._options, self._outputs, self._windowed = engine, options, outputs, windowed
        self.stop = Stop()
        self.notes: list[str] = []
        self.undone = False  # something that has an end was not looked at to it
        self._camera: Camera | None = None

    def open(self, films: list[Film]) -> None:
        """See that all films can be opened; a camera is open from now on."""
        for film in films:
            if isinstance(film.source, Path):
                probe_video(film.source)
            else:
                self._camera = Camera(film, self._options.stride, self._over)

    def _over(self) -> bool:
        return self.stop()  # which is another one by then

    def close(self) -> None:
        """Let go of the camera."""
        if self._camera is not None:
            self._camera.close()

    def over(self, pictures: Named, films: list[Film]) -> Generator[Prediction, None, None]:
        """Yield predictions of everything in order."""
        samples = (Sample(name, partial(decode, path)) for name, path in pictures)
        count = 0
        for sample, prediction in side_by_side(self._engine, self.stop.over(samples)):
            if not prediction.error:
                picture = draw(sample.image, sure(prediction.faces, self._options.threshold))
                self._outputs.write(sample.id, encode_for(sample.id, picture))
            count += 1
            yield prediction
        self._left_undone(len(pictures) - count, "picture")
        left = None if self._options.limit is None else self._options.limit - len(pictures)
        for number, film in enumerate(films):
            if left == 0:
                break
            if self.stop():
                self._left_undone(len(films) - number, "film")
                break
            count = 0
            for prediction in self._film(film, left):
                count += 1
                yield prediction
            left = None if left is None else left - count

    def _left_undone(self, number: int, noun: str) -> None:
        if number:
            self.undone = True
            self.notes.append(f"interrupted: {counted(number, noun)} not looked at")

    def _film(self, film: Film, left: int | None) -> Generator[Prediction, None, None]:
        options, copy = self._options, film.copy
        place, adopt = self._outputs.place(copy), partial(self._outputs.adopt, name=copy)
        follow = Following(options.threshold) if options.tracks else None
        with ExitStack() as stack:
            frames, fps = self._frames(film, stack)
            writer = stack.enter_context(VideoWriter(place, fps, adopt))
            paced = Paced(writer) if film.live else None
            window = stack.enter_context(closing(Window(film.shown))) if self._windowed else None
            count = 0
            engine = self._at_once() if film.live else self._engine
            looked = side_by_side(engine, self.stop.over(islice(frames, left)))
            for frame, prediction in stack.enter_context(closing(looked)):
                if follow is not None:
                    prediction = replace(prediction, faces=follow(prediction.faces))
                image = draw(frame.image, sure(prediction.faces, options.threshold))
                if paced is not None and isinstance(frame, Frame):
                    paced.write(image, frame.taken)
                else:
                    writer.write(image)
                if window is not None and window.show(image):
                    self.stop.ask()
                count += 1
                yield prediction
        if self.stop():
            self.undone = self.undone or not film.live
            kept = f"{place} holds what was looked at until then, and plays" if count else "no frame was seen"
            self.notes.append(f"interrupted: {kept}")
        elif film.live and count != left:
            self.notes.append(f"{film.shown}: no more frames came")

    def _at_once(self) -> Engine:
        """Give an engine in which no frame waits for others: what is shown is not old."""
        settings, sessions = self._engine.settings, self._engine.sessions
        in_flight = settings.in_flight or settings.load(sessions).workers
        return Engine(self._engine.model, sessions, replace(settings, in_flight=in_flight))

    def _frames(self, film: Film, stack: ExitStack) -> tuple[Iterable[Sample], float]:
        """Open a film; give its frames, and how many a second the copy has."""
        stride = self._options.stride
        if isinstance(film.source, Path):
            frames = stack.enter_context(closing(read_video(film.source, stride, film.name)))
            return frames, probe_video(film.source).fps / stride
        assert self._camera is not None  # it was opened before
        return stack.enter_context(closing(self._camera.frames())), self._camera.fps


def sure(faces: Faces, threshold: float) -> Faces:
    """Keep the faces that are drawn."""
    return faces if faces.scores is None else faces[faces.scores >= threshold]


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def side_by_side(engine: Engine, samples: Iterator[S]) -> Generator[tuple[S, Prediction]]:
    """Yield each prediction with its sample; the engine takes only so many samples ahead."""
    held: deque[S] = deque()

    def hold() -> Iterator[S]:
        for sample in samples:
            held.append(sample)
            yield sample

    with closing(engine.run(hold())) as predictions:
        for prediction in predictions:
            yield held.popleft(), prediction
