"""Look at pictures, folders and videos: annotated copies and one line of JSON for each picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from faceport.data.drawing import draw
from faceport.data.pictures import decode, find_pictures, write_picture
from faceport.data.predictions import FILE, PredictionFile
from faceport.data.videos import VideoWriter, is_video, probe_video, read_video
from faceport.engine.engine import Engine
from faceport.errors import ConfigError, MissingError
from faceport.files import disk_errors
from faceport.progress import progress
from faceport.runs.plan import Plan, detector_advice, make_plan
from faceport.types import Faces, Prediction, Sample


def predict(config: Mapping[str, Any]) -> dict[str, Any]:
    """Predict every input and write the results."""
    plan = make_plan(config)
    assert plan.model is not None
    if not plan.options.inputs:
        raise ConfigError("name at least one picture, folder or video: faceport predict photo.jpg model=NAME")
    if plan.model.needs:
        raise ConfigError(
            f"model={config['model']['name']} must be told {' and '.join(sorted(plan.model.needs))}. "
            f"{detector_advice()}"
        )
    pictures, videos = find_inputs(plan.options.inputs)
    out = Path(plan.options.out)
    built = plan.build(Sample(name, partial(decode, path)) for name, path in pictures)
    try:
        engine = Engine(plan.model, built.sessions, plan.options.engine)
        with disk_errors(out), PredictionFile(out / FILE, fresh=True) as file:
            total = len(pictures) + sum(probe_video(video).frames for video in videos)
            with progress("predicting", total) as shown:
                for sample, prediction in _watch(engine, pictures):
                    file.write(prediction)
                    shown.advance()
                    if not prediction.error:
                        _write_picture(plan, out, sample, prediction.faces)
                for video in videos:
                    for prediction in _annotate_video(plan, engine, video, out):
                        file.write(prediction)
                        shown.advance()
        return {
            "folder": str(out),
            "pictures": file.count - file.failures,
            "unreadable": file.named,
            "stages": engine.stages.summary(),
            "notes": plan.warnings(),
        }
    finally:
        built.close()


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


def _watch(engine: Engine, pictures: list[tuple[str, Path]]) -> Iterator[tuple[Sample, Prediction]]:
    return _side_by_side(engine, (Sample(name, partial(decode, path)) for name, path in pictures))


def _side_by_side(engine: Engine, samples: Iterator[Sample]) -> Iterator[tuple[Sample, Prediction]]:
    """Yield each prediction with its sample; the engine takes only so many samples ahead."""
    held: deque[Sample] = deque()

    def hold() -> Iterator[Sample]:
        for sample in samples:
            held.append(sample)
            yield sample

    for prediction in engine.run(hold()):
        yield held.popleft(), prediction


def _sure(plan: Plan, faces: Faces) -> Faces:
    return faces if faces.scores is None else faces[faces.scores >= plan.options.threshold]


def _write_picture(plan: Plan, out: Path, sample: Sample, faces: Faces) -> None:
    place = out / sample.id
    place.parent.mkdir(parents=True, exist_ok=True)
    write_picture(place, draw(sample.image, _sure(plan, faces)))


def _annotate_video(plan: Plan, engine: Engine, video: Path, out: Path) -> Iterator[Prediction]:
    with ExitStack() as stack:
        writer = stack.enter_context(VideoWriter(out / f"{video.stem}.mp4", probe_video(video).fps))
        for sample, prediction in _side_by_side(engine, read_video(video)):
            writer.write(draw(sample.image, _sure(plan, prediction.faces)))
            yield prediction
