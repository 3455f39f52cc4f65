"""PyTorch: as the plugins wrote their networks, as TorchScript, or compiled. https://pytorch.org/docs"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Session, Source, Target
from faceport.targets.machine import installed_version, not_importable
from faceport.types import Tensors
from faceport_torch.options import TorchOptions


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
        return {
            **super().recipe(),
            "mode": options.mode,
            "device": options.device,
            "channels_last": options.channels_last,
            **({"torch": installed_version("torch")} if options.mode == "torchscript" else {}),
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Save the state dict, or the traced module with everything in it."""
        from faceport_torch.net import save_script, save_state

        save = save_script if self.options.mode == "torchscript" else save_state
        save(source, out, self.options)

    def open(self, artifact: Artifact) -> Session:
        """Load the module onto its device."""
        from faceport_torch.net import TorchSession

        return TorchSession(artifact, self.options)
