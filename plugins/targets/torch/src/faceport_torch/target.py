"""PyTorch, eager: the artifact is the state dict, the architecture comes from the model's plugin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError, explain_import
from faceport.types import Tensors

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class TorchOptions:
    """Options of the target."""

    precision: Literal["fp32"] = "fp32"
    threads: int = 1  # inside one run; 0: PyTorch's default
    streams: int | None = None  # runs at the same time


class Torch(Target):
    """Run networks with PyTorch as their plugins wrote them."""

    Options = TorchOptions
    options: TorchOptions

    def missing(self) -> str:
        """Say what to install."""
        try:
            import safetensors
            import torch
        except (ImportError, OSError) as error:
            return f"{explain_import(error)} (pip install 'faceport[torch]')"
        del safetensors, torch
        return ""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Save the state dict."""
        from safetensors.torch import save_file

        state = source.module().state_dict()
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, out / WEIGHTS)

    def open(self, artifact: Artifact) -> Session:
        """Build the module and load its state dict."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        build, path = artifact.network.build, artifact.path / WEIGHTS
        if build is None:
            raise FaceportError(
                f"network '{artifact.network.name}' has no torch module: choose another target"
            )
        try:
            module = build()
            module.load_state_dict(load_file(path))
        except (SafetensorError, OSError, RuntimeError) as error:
            raise FaceportError(
                f"cannot open {path}: {str(error).splitlines()[0]}. Delete the artifact and compile it again"
            ) from error
        return TorchSession(module.eval(), artifact, self.options)


class TorchSession(Session):
    """One module in eval mode; it may be run from several threads."""

    def __init__(self, module: nn.Module, artifact: Artifact, options: TorchOptions) -> None:
        import torch

        if options.threads:
            torch.set_num_threads(options.threads)
        self._torch = torch
        self._module = module
        self._inputs = [spec.name for spec in artifact.network.inputs]
        self._outputs = [spec.name for spec in artifact.network.outputs]
        self.streams = options.streams or max(1, (os.cpu_count() or 1) // torch.get_num_threads())

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the version, and the device and type of the parameters."""
        first = next(self._module.parameters())
        return {
            "runtime": "torch",
            "version": self._torch.__version__,
            "device": str(first.device),
            "precision": {"float32": "fp32"}.get(str(first.dtype).removeprefix("torch."), str(first.dtype)),
        }

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        torch = self._torch
        with torch.inference_mode():
            tensors = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
            found = self._module(*tensors)
        outputs = found if isinstance(found, tuple | list) else (found,)
        return {name: value.numpy() for name, value in zip(self._outputs, outputs, strict=True)}
