"""Options of faceport bench."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from faceport.runs.options import ArtifactOptions, EngineOptions, PortionOptions, at_least_one
from faceport_bench.scenario import PROFILES, Limits


@dataclass(frozen=True)
class BenchOptions(EngineOptions, PortionOptions, ArtifactOptions):
    """Options beside the groups; conf/verb/bench.yaml explains them."""

    profile: Literal["quick", "strict"] = "quick"
    seconds: float | None = None
    count: int | None = None
    noise: float | None = None
    subject: Literal["all", "pipeline", "networks"] = "all"
    shape: str | None = None
    pictures: Literal["jpeg", "pixels", "source"] = "jpeg"
    pool: int = 16
    baseline: str | None = None
    cold: bool = True
    remake: bool = False
    out: str = "runs"
    published: Any = None

    def __post_init__(self) -> None:
        EngineOptions.__post_init__(self)
        PortionOptions.__post_init__(self)
        at_least_one(count=self.count, pool=self.pool)
        for name in ("seconds", "noise"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}, it must be more than 0")

    @property
    def limits(self) -> Limits:
        """How much is enough: as the profile says, but for what was given."""
        limits = PROFILES[self.profile]
        if self.seconds is not None:
            longest = max(limits.most_seconds, 4 * self.seconds)
            turn = min(limits.turn, self.seconds / 8)
            limits = replace(limits, seconds=self.seconds, most_seconds=longest, turn=turn)
        if self.count is not None:
            limits = replace(limits, count=self.count)
        return limits if self.noise is None else replace(limits, noise=self.noise)
