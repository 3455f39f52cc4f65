"""An engine on the GPU: contexts that run side by side, each with a stream and memory of its own."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from queue import LifoQueue
from typing import Any

import numpy as np

from faceport.api import Artifact, Session
from faceport.targets.precision import PRECISIONS, int8_layers, main_precision, refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.targets.sessions import join
from faceport.targets.sizes import describe
from faceport.types import Array, Tensors
from faceport_tensorrt.cuda import Memory, checked, device_name, download, upload
from faceport_tensorrt.engine import logger, started
from faceport_tensorrt.options import ENGINE, TensorRtOptions


class TensorRtSession(Session):
    """One engine; as many threads as it has contexts may run it."""

    def __init__(self, artifact: Artifact, options: TensorRtOptions) -> None:
        import tensorrt as trt
        from cuda.bindings import runtime

        self._network, self._batch = artifact.network, options.max_batch
        self._device = device_name(options.device)
        self._number, self._version = options.device, str(trt.__version__)
        checked(runtime.cudaSetDevice(options.device))
        log = logger()
        self._runtime = started(trt.Runtime, log)  # must outlive the engine
        path = artifact.path / ENGINE
        content = path.read_bytes() if path.is_file() else b""
        engine = self._runtime.deserialize_cuda_engine(content) if content else None
        if engine is None:
            why = log.errors[-1] if log.errors else f"{path.name} is empty or missing"
            raise cannot_open("TensorRT", self._version, artifact, why)
        self._engine: Any = engine
        self.streams = options.streams
        self._contexts = [_Context(engine, trt) for _ in range(self.streams)]
        self._free: LifoQueue[_Context] = LifoQueue()
        for context in self._contexts:
            self._free.put(context)
        self._layers = count_precisions(self._information(trt))
        precision = self.facts["precision"] if self._layers else options.precision  # the types of its graph
        refuse_fallback("TensorRT", "precision", options.precision, precision, options.allow_fallback)

    def _information(self, trt: Any) -> str:
        inspector = self._engine.create_engine_inspector()
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the GPU and the types that the engine's layers read."""
        return {
            "runtime": "tensorrt",
            "version": self._version,
            "device": self._device,
            "precision": main_precision(self._layers),
            **int8_layers(self._layers),
        }

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch, in pieces where it is larger than the engine takes."""
        rows, most = len(next(iter(inputs.values()))), self._batch
        context = self._free.get()
        try:
            parts = [
                context.run({name: value[at : at + most] for name, value in inputs.items()}, self._number)
                for at in range(0, rows, most)
            ]
        except (RuntimeError, ValueError, KeyError) as error:
            raise cannot_run("TensorRT", self._network, inputs, error) from error
        finally:
            self._free.put(context)
        return join(parts)

    def close(self) -> None:
        """Free the memory of every context."""
        for context in self._contexts:
            context.close()


class _Context:
    """An execution context."""

    def __init__(self, engine: Any, trt: Any) -> None:
        from cuda.bindings import runtime

        self._engine, self._types = engine, trt.nptype
        self._context = engine.create_execution_context()
        self._stream = checked(runtime.cudaStreamCreate())
        self._memory: dict[str, Memory] = defaultdict(Memory)
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]

    def run(self, inputs: Tensors, device: int) -> dict[str, Array]:
        """Copy in, execute, copy out, wait."""
        from cuda.bindings import runtime

        checked(runtime.cudaSetDevice(device))  # each thread has its own current device
        kept = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        for name, value in kept.items():
            if not self._context.set_input_shape(name, value.shape):
                low, _, high = self._engine.get_tensor_profile_shape(name, 0)
                raise ValueError(
                    f"'{name}' must be between {describe(tuple(low))} and {describe(tuple(high))}, it is "
                    f"{describe(value.shape)}: compile with target.sizes=[smallest,usual,largest]"
                )
            self._context.set_tensor_address(name, upload(self._memory[name], value, self._stream))
        outputs: dict[str, Array] = {}
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            outputs[name] = np.empty(shape, self._types(self._engine.get_tensor_dtype(name)))
            address = self._memory[name].reserve(max(1, outputs[name].nbytes))
            self._context.set_tensor_address(name, address)
        if not self._context.execute_async_v3(stream_handle=int(self._stream)):
            raise RuntimeError("the engine refused to run")
        for name, value in outputs.items():
            download(self._memory[name], value, self._stream)
        checked(runtime.cudaStreamSynchronize(self._stream))
        return outputs

    def close(self) -> None:
        """Free memory and stream."""
        from cuda.bindings import runtime

        for memory in self._memory.values():
            memory.free()
        checked(runtime.cudaStreamDestroy(self._stream))


def count_precisions(information: str) -> Counter[str]:
    """Count the types that convolutions and products of an engine read; empty where it does not tell."""
    counts: Counter[str] = Counter()
    try:
        layers = json.loads(information).get("Layers", [])
    except ValueError:
        return counts
    for layer in layers:
        if not isinstance(layer, dict) or not _computes(layer):
            continue
        tensors = layer.get("Inputs") or [{}]
        words = re.split(r"[^a-z0-9]+", str(tensors[0].get("Format/Datatype", "")).lower())
        found = next((PRECISIONS[word] for word in words if word in PRECISIONS), None)
        if found:
            counts[found] += 1
    return counts


def _computes(layer: Mapping[str, Any]) -> bool:
    kind = f"{layer.get('LayerType', '')} {layer.get('ParameterType', '')}".lower()
    return any(word in kind for word in ("conv", "gemm", "matrixmultiply", "fullyconnected"))
