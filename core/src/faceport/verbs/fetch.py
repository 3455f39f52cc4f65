"""Get the weights of models beforehand, so that everything after works without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faceport.api import Model
from faceport.errors import ConfigError
from faceport.networks.weights import WeightFile, fetch
from faceport.plugins.loading import create
from faceport.runs import chosen
from faceport.verb import Verb


@dataclass(frozen=True)
class FetchOptions:
    """Whose weights."""

    names: list[str] = field(default_factory=list)  # of models, as their YAML has them


class Fetch(Verb):
    """Get weights beforehand."""

    Options = FetchOptions
    options: FetchOptions

    def act(self, config: Mapping[str, Any]) -> dict[str, list[WeightFile]]:
        """Fetch what is not on this machine; give the files by model."""
        models: dict[str, Model] = {name: create("model", name) for name in self.options.names}
        for group in ("detector", "model"):
            choice = chosen.choice_of(config, group)
            if choice:
                models[choice.name] = choice.make("model")
        if not models:
            raise ConfigError("name models: faceport fetch mtcnn, or model=NAME with its options")
        return {name: fetch(model) for name, model in models.items()}

    def show(self, outcome: dict[str, list[WeightFile]]) -> int:
        """Print where each file lies."""
        for name, files in outcome.items():
            for file in files:
                print(f"{name}: {file.source}: {file.path or 'random, nothing to fetch'}")
        return 0
