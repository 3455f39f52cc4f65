"""Options of TVM, and the names of its files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import TargetOptions
from faceport.bounds import Count, Threads

LIBRARY = "network.so"
MADE_FOR = "made_for.json"  # CPU, its features, trials


@dataclass(frozen=True)
class TvmOptions(TargetOptions):
    """Options of the target."""

    precision: Literal["fp32"] = "fp32"
    kind: Literal["llvm", "cuda"] = "llvm"
    mcpu: str | None = None  # CPU to make code for; None: settled by whether it is tuned
    tuning: int = 0  # schedules to try for each compiled size of a network
    seed: int = 0  # of the search
    threads: Threads = 1  # of the whole process
    batch: Count | None = None  # rows of every run
