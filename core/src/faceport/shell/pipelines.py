"""faceport in a notebook or a service: pictures in, faces out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import numpy as np

from faceport.engine.engine import Engine
from faceport.errors import FaceportError
from faceport.plugins.options import checked
from faceport.runs.options import ArtifactOptions, EngineOptions
from faceport.runs.plan import Plan, make_plan, require_independent
from faceport.shell.compose import compose_config, compose_offers
from faceport.shell.offers import Offers
from faceport.shell.verb import make_verb
from faceport.types import Faces, Image, Prediction, Sample


@dataclass(frozen=True)
class PipelineOptions(EngineOptions, ArtifactOptions):
    """Options beside the groups: those of a run that do not concern a dataset."""


OFFERS = Offers(
    "pipeline",
    {"detector": None, "model": "???", "target": "onnxruntime", "calibration/dataset": None},
    asdict(PipelineOptions()) | {"calibration": {"samples": 64, "seed": 0}},
)


class Pipeline:
    """A model on a target, ready to look at pictures; may be called from several threads."""

    def __init__(self, model: str, detector: str | None, target: str, overrides: Sequence[str]) -> None:
        parts = {"model": model, "detector": detector, "target": target}
        keys = {word.partition("=")[0] for word in overrides}
        chosen = [f"{group}={name}" for group, name in parts.items() if name and group not in keys]
        config = compose_offers(OFFERS, [*chosen, *overrides])
        own = {key: config[key] for key in OFFERS.content}
        self._plan = make_plan(config, checked(PipelineOptions, own))
        require_independent(self._plan)
        self.notes = tuple(self._plan.warnings())
        self._built = self._plan.build()
        self._engine = Engine(self._plan.model, self._built.sessions, self._plan.settings)

    def __call__(self, image: Image) -> Faces:
        """Find the faces of one RGB uint8 picture (height, width, 3); callers share batches."""
        return _faces(self._engine.submit(Sample("picture", _checked(image))).result())

    def stream(self, images: Iterable[Image]) -> Iterator[Faces]:
        """Find the faces of many pictures, batched inside, in order, few in memory at once."""
        samples = (Sample(str(number), _checked(image)) for number, image in enumerate(images))
        with closing(self._engine.run(samples)) as predictions:
            yield from map(_faces, predictions)

    @property
    def facts(self) -> dict[str, dict[str, str]]:
        """Report what really runs each network."""
        return {name: dict(session.facts) for name, session in self._built.sessions.items()}

    def close(self) -> None:
        """Finish what is being looked at and give the device back."""
        self._engine.close()
        self._built.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _faces(prediction: Prediction) -> Faces:
    if prediction.error:
        raise FaceportError(prediction.error)
    return prediction.faces


def _checked(image: Any) -> Image:
    fits = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.size
    if not fits or image.shape[2] != 3:
        what = f"{image.dtype} array of shape {image.shape}" if isinstance(image, np.ndarray) else type(image)
        raise FaceportError(f"a picture must be an RGB uint8 array of shape (height, width, 3), not {what}")
    picture: Image = image
    return picture


def pipeline(
    model: str, detector: str | None = None, target: str = "onnxruntime", overrides: Sequence[str] = ()
) -> Pipeline:
    """Open a model, with a detector in front of it if need be, on a target."""
    return Pipeline(model, detector, target, overrides)


def plan_of(overrides: Sequence[str], verb: str = "run") -> Plan:
    """Make the plan that a verb works on, for programs that drive it themselves."""
    config = compose_config(verb, overrides)
    return make_plan(config, make_verb(verb, config).options)


def run(overrides: Sequence[str]) -> dict[str, Any]:
    """Do what `faceport run` does; give the record as plain data, as its file holds it."""
    config = compose_config("run", overrides)
    record: dict[str, Any] = make_verb("run", config).act(config).plain()
    return record
