"""PyTorch: as the plugins wrote their networks, as TorchScript, or compiled. https://pytorch.org/docs"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faceport.api import Artifact, Session, Source, Target
from faceport.targets.machine import installed_version, not_importable
from faceport.types import Tensors


@dataclass(frozen=True)
class TorchOptions:
    """Options of the target."""

    mode: Literal["eager", "torchscript", "compile"] = "eager"
    device: str = "cpu"
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    channels_last: bool = False
    threads: int = 1  # inside one run; 0: PyTorch's default
    streams: int | None = None  # runs at the same time
    allow_fallback: bool = False
    tolerance: float | None = None  # largest error, relative to the spread of an output

    def __post_init__(self) -> None:
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"option 'device' is '{self.device}', it must be cpu, cuda or cuda:NUMBER")
        if self.device == "cpu" and self.precision != "fp32" and not self.allow_fallback:
            raise ValueError(
                f"option 'precision' is {self.precision}, which needs device=cuda: on a CPU PyTorch is "
                "slower with it than with fp32"
            )


class Torch(Target):
    """Run networks with PyTorch."""

    Options = TorchOptions
    options: TorchOptions

    def missing(self) -> str:
        """Say what to install."""
        why = not_importable("pip install 'faceport[torch]'", "torch", "safetensors")
        if (
            not why
            and self.options.mode == "compile"
            and not (shutil.which("g++") or shutil.which("clang++"))
        ):
            return "mode=compile needs a C++ compiler: install g++, or choose mode=torchscript"
        return why

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        shaping: dict[str, Any] = {
            "mode": options.mode,
            "device": options.device,
            "precision": options.precision,
            "channels_last": options.channels_last,
            "allow_fallback": options.allow_fallback,
        }
        return shaping | ({"torch": installed_version("torch")} if options.mode == "torchscript" else {})

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Save the state dict, or the traced module with everything in it."""
        from faceport_torch.net import save_script, save_state

        save = save_script if self.options.mode == "torchscript" else save_state
        save(source, out, self.options)

    def open(self, artifact: Artifact) -> Session:
        """Load the module onto its device."""
        from faceport_torch.net import TorchSession

        return TorchSession(artifact, self.options)
