"""What the target does with torch: state dicts, traced modules, and the session that runs either."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from faceport.api import Artifact, Session, Source
from faceport.errors import FaceportError
from faceport.targets.machine import share_cores
from faceport.targets.precision import PRECISIONS, refuse_fallback
from faceport.targets.sentences import cannot_compile, cannot_open, cannot_run
from faceport.types import Tensors
from faceport_torch.options import SCRIPT, WEIGHTS, TorchOptions

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def save_state(source: Source, out: Path, options: TorchOptions) -> None:
    """Save the state dict; the architecture comes from the model's plugin again."""
    state = source.module().state_dict()
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, out / WEIGHTS)


def save_script(source: Source, out: Path, options: TorchOptions) -> None:
    """Trace and freeze the module: it runs where the model's plugin has no torch code."""
    module = source.module().to(DTYPES[options.precision])
    inputs = [torch.from_numpy(value) for value in source.network.example_inputs().values()]
    inputs = [_cast(value, DTYPES[options.precision]) for value in inputs]
    with _without_deprecations(), torch.inference_mode():
        try:
            traced = torch.jit.trace(module, tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(torch.jit.freeze(traced), str(out / SCRIPT))
        except RuntimeError as error:
            raise cannot_compile("TorchScript", torch.__version__, source.network, error) from error


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Hide that TorchScript is no longer developed; the card says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class TorchSession(Session):
    """One module in eval mode; it may be run from several threads."""

    def __init__(self, artifact: Artifact, options: TorchOptions) -> None:
        self._network = artifact.network
        self._dtype = DTYPES[options.precision]
        self._format = torch.channels_last if options.channels_last else torch.contiguous_format
        self._device = usable_device(options)
        if self._device.type == "cpu":
            if options.threads:
                torch.set_num_threads(options.threads)
            _, self.streams = share_cores(torch.get_num_threads(), options.streams)
        else:
            self.streams = options.streams or 1
            torch.backends.cudnn.allow_tf32 = options.precision != "fp32"  # else fp32 has 10 bits of mantissa
        try:
            self._module = self._load(artifact, options.mode)
            first = self._forward(artifact.network.example_inputs())  # compiles; says what comes out
        except (SafetensorError, OSError, RuntimeError) as error:
            raise cannot_open("PyTorch", torch.__version__, artifact, error) from error
        floats = next((value for value in first if value.is_floating_point()), first[0])
        found = str(floats.dtype).removeprefix("torch.")
        self._facts = {
            "runtime": "torch",
            "version": torch.__version__,
            "device": _device_name(floats.device),
            "precision": PRECISIONS.get(found, found),
            "mode": options.mode,
        }
        precision = self._facts["precision"]
        refuse_fallback("PyTorch", "precision", options.precision, precision, options.allow_fallback)

    def _load(self, artifact: Artifact, mode: str) -> Callable[..., Any]:
        if mode == "torchscript":
            with _without_deprecations():
                path = str(artifact.path / SCRIPT)
                script = torch.jit.load(path, map_location=self._device)  # type: ignore[no-untyped-call]
                return torch.jit.optimize_for_inference(script) if self._device.type == "cpu" else script
        build = artifact.network.build
        if build is None:
            raise FaceportError(
                f"network '{artifact.network.name}' has no torch module: choose another target"
            )
        module = build()
        module.load_state_dict(load_file(artifact.path / WEIGHTS))
        module = module.eval().to(self._device, self._dtype)
        module = module.to(memory_format=self._format)  # type: ignore[call-overload]
        return torch.compile(module) if mode == "compile" else module

    def _forward(self, inputs: Tensors) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            found = self._module(*(self._tensor(inputs[spec.name]) for spec in self._network.inputs))
        return tuple(found) if isinstance(found, tuple | list) else (found,)

    def _tensor(self, value: np.ndarray[Any, Any]) -> Tensor:
        tensor = _cast(torch.from_numpy(np.ascontiguousarray(value)), self._dtype).to(self._device)
        return tensor.contiguous(memory_format=self._format) if tensor.ndim == 4 else tensor

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the device and the type of what the module answers."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        try:
            outputs = self._forward(inputs)
        except (RuntimeError, KeyError) as error:
            raise cannot_run("PyTorch", self._network, inputs, error) from error
        names = (spec.name for spec in self._network.outputs)
        return {
            name: (value.float() if value.is_floating_point() else value).contiguous().cpu().numpy()
            for name, value in zip(names, outputs, strict=True)
        }


def usable_device(options: TorchOptions) -> torch.device:
    """Check that the machine has the device; the CPU stands in where that is allowed."""
    device = torch.device(options.device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cpu" or (device.index or 0) < count:
        return device
    if options.allow_fallback:
        return torch.device("cpu")
    build = f"a build for CUDA {torch.version.cuda}" if torch.version.cuda else "a build without CUDA"
    raise FaceportError(
        f"PyTorch {torch.__version__} ({build}) finds no device '{options.device}' on this machine; "
        f"CUDA devices: {count}. Choose device=cpu, or let it stand in with target.allow_fallback=true"
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device.type.upper()


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
