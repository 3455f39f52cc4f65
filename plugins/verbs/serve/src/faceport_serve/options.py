"""Options of the service, and the models that it offers by them."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from faceport.errors import ConfigError, suggest
from faceport.runs.chosen import NAME
from faceport.runs.options import ArtifactOptions, EngineOptions, at_least_one
from faceport_serve.limits import Limits
from faceport_serve.served import Offer, named, variants

TOKEN = "FACEPORT_TOKEN"  # of the environment: what clients must send
GROUPS = ("model", "detector", "target")


@dataclass(frozen=True)
class ServeOptions(EngineOptions, ArtifactOptions):
    """Options beside the groups."""

    host: str = "127.0.0.1"
    port: int = 8000
    targets: list[str] = field(default_factory=list)
    models: dict[str, str] | None = None
    loaded: int = 4
    gallery: str | None = None
    gallery_size: int = 100_000
    same: float | None = None
    queue: int = 16
    seconds: float = 30.0
    megabytes: float = 16.0
    megapixels: float = 25.0
    faces: int = 1000
    frames: int = 300
    cameras: int = 4
    connections: int = 256
    rate: float | None = None
    log: Literal["json", "none"] = "json"
    supervised: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(
            queue=self.queue,
            faces=self.faces,
            loaded=self.loaded,
            frames=self.frames,
            cameras=self.cameras,
            connections=self.connections,
            gallery_size=self.gallery_size,
        )
        if not 0 <= self.port < 65536:
            raise ValueError(f"port is {self.port}, it must be from 0 (any free one) to 65535")
        for name in ("seconds", "megabytes", "megapixels", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} is {value}, it must be a number above 0")
        if self.same is not None and not -1 <= self.same <= 1:
            raise ValueError(f"same is {self.same}, it must be from -1 to 1: a cosine")

    @property
    def limits(self) -> Limits:
        """As requests meet them."""
        return Limits(
            self.queue,
            self.seconds,
            int(self.megabytes * 1e6),
            int(self.megapixels * 1e6),
            self.faces,
            self.cameras,
            self.rate,
            self.frames,
        )


def is_local(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def offers_of(config: Mapping[str, Any], options: ServeOptions) -> list[Offer]:
    """List the models that may be loaded: what was chosen, other targets for it, and what has a name."""
    offers = variants(config, options.targets)
    for name, words in (options.models or {}).items():
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(name) > 100:
            raise ConfigError(f"models: '{name}' is no name: use letters, digits, '-', '_' and '.'")
        if name in (offer.name for offer in offers):
            raise ConfigError(f"models: '{name}' is the name of a model that is offered already")
        offers.append(named(_groups(name, words, config), name))
    return offers


def _groups(name: str, words: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Read words like those of a command line: model=NAME model.OPTION=VALUE target=NAME ..."""
    found: dict[str, Any] = {"calibration": config.get("calibration"), "target": config.get("target")}
    for word in shlex.split(words):
        key, equals, value = word.partition("=")
        group, dot, option = key.partition(".")
        if not equals or group not in GROUPS:
            raise ConfigError(
                f"models.{name}: '{word}' must be GROUP=NAME or GROUP.OPTION=VALUE. {suggest(group, GROUPS)}"
            )
        if not dot:
            found[group] = {NAME: value}
        elif found.get(group):
            found[group] = {**found[group], option: yaml.safe_load(value)}
        else:
            raise ConfigError(f"models.{name}: '{word}' must come after {group}=NAME")
    if "model" not in found:
        raise ConfigError(f"models.{name}: it names no model: model=NAME")
    return found
