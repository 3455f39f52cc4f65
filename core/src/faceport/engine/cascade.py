"""A detector in front of a model: one generator after the other, still one model to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from faceport.api import Model, Network, Steps
from faceport.errors import ConfigError
from faceport.types import Sample


class Cascade(Model):
    """Find faces with one model and look at each with another."""

    def __init__(self, detector: Model, model: Model) -> None:
        super().__init__()
        self.detector, self.model = detector, model
        clash = set(detector.networks) & set(model.networks)
        if clash:
            raise ConfigError(f"detector and model both have a network '{min(clash)}': use another detector")
        lacking = model.needs - detector.provides
        if lacking:
            raise ConfigError(
                f"{type(model).__name__} needs {', '.join(sorted(lacking))}, which {type(detector).__name__} "
                f"does not provide (it gives {', '.join(sorted(detector.provides))})"
            )
        self.provides = detector.provides | model.provides
        self.needs = detector.needs

    @property
    def networks(self) -> Mapping[str, Network]:
        """Networks of both."""
        return {**self.detector.networks, **self.model.networks}

    @property
    def parts(self) -> Mapping[str, Model]:
        """Both."""
        return {"detector": self.detector, "model": self.model}

    @property
    def notes(self) -> Sequence[str]:
        """Notes of both."""
        return (*self.detector.notes, *self.model.notes)

    def predict(self, sample: Sample) -> Steps:
        """Hand the detector's faces to the model."""
        faces = yield from self.detector.predict(sample)
        return (yield from self.model.predict(replace(sample, source=sample.image, faces=faces)))
