"""faceport in a notebook or a service: pictures in, faces out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from faceport.engine.engine import Engine
from faceport.errors import ConfigError, FaceportError
from faceport.runs.plan import detector_advice, make_plan
from faceport.shell.compose import compose_config
from faceport.types import Faces, Image, Sample


class Pipeline:
    """A model on a target, ready to look at pictures; may be called from several threads."""

    def __init__(self, model: str, detector: str | None, target: str, overrides: Sequence[str]) -> None:
        chosen = [f"model={model}", f"target={target}", *([f"detector={detector}"] if detector else [])]
        self._plan = make_plan(compose_config("predict", [*chosen, *overrides]))
        assert self._plan.model is not None
        if self._plan.model.needs:
            needed = " and ".join(sorted(self._plan.model.needs))
            raise ConfigError(f"model '{model}' must be told {needed}. {detector_advice()}")
        self.notes = tuple(self._plan.warnings())
        self._built = self._plan.build()
        self._engine = Engine(self._plan.model, self._built.sessions, self._plan.options.engine)

    def __call__(self, image: Image) -> Faces:
        """Find the faces of one RGB uint8 picture (height, width, 3)."""
        return self._engine.one(Sample("picture", _checked(image)))

    def stream(self, images: Iterable[Image]) -> Iterator[Faces]:
        """Find the faces of many pictures, batched inside, in order, few in memory at once."""
        samples = (Sample(str(number), _checked(image)) for number, image in enumerate(images))
        for prediction in self._engine.run(samples):
            if prediction.error:
                raise FaceportError(prediction.error)
            yield prediction.faces

    @property
    def facts(self) -> dict[str, dict[str, str]]:
        """Report what really runs each network."""
        return {name: dict(session.facts) for name, session in self._built.sessions.items()}

    def close(self) -> None:
        """Give the device back."""
        self._built.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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


def run(overrides: Sequence[str]) -> dict[str, Any]:
    """Do what `faceport run` does and return the record."""
    from faceport.verbs.run import run as run_verb

    return run_verb(compose_config("run", overrides))
