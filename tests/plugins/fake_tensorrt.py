"""A stand-in for TensorRT and CUDA on machines without a GPU: it checks that it is used as documented.

What it computes comes from ONNX Runtime, so it says nothing of TensorRT's own numbers or speed.
"""

# ruff: noqa: N802 - the names are NVIDIA's
import ctypes
import json
import sys
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest


class Cuda:
    """Device memory is memory of the host, at addresses of its own."""

    def __init__(self, gpus: int = 1) -> None:
        self.gpus, self.memory, self.streams, self.current = gpus, {}, set(), None  # type: ignore[var-annotated]
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def cudaGetErrorName(self, code: int) -> tuple[int, bytes]:
        return 0, b"cudaErrorNoDevice"

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        return (0, self.gpus) if self.gpus else (100, None)

    def cudaGetDeviceProperties(self, number: int) -> tuple[int, Any]:
        return 0, SimpleNamespace(name=b"Fake GPU")

    def cudaSetDevice(self, number: int) -> tuple[int]:
        self.current = number
        return (0,)

    def cudaMalloc(self, size: int) -> tuple[int, int]:
        piece = np.empty(size, np.uint8)
        self.memory[piece.ctypes.data] = piece
        return 0, piece.ctypes.data

    def cudaFree(self, address: int) -> tuple[int]:
        del self.memory[address]
        return (0,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> tuple[int]:
        device = to if kind == 1 else source
        assert stream in self.streams and size <= self.memory[device].size
        ctypes.memmove(to, source, size)
        return (0,)

    def cudaStreamCreate(self) -> tuple[int, int]:
        self.streams.add(len(self.streams) + 7)
        return 0, max(self.streams)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream in self.streams
        return (0,)

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:
        self.streams.remove(stream)
        return (0,)


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class ILogger:
    Severity = Severity


class Builder:
    def __init__(self, log: Any) -> None:
        self.log = log

    def create_network(self, flags: int) -> Any:
        assert flags == 1 << 1, "networks must be strongly typed"
        return SimpleNamespace(model=None)

    def create_builder_config(self) -> Any:
        return Config()

    def create_optimization_profile(self) -> Any:
        shapes: dict[str, Any] = {}
        return SimpleNamespace(
            shapes=shapes, set_shape=lambda name, low, usual, high: shapes.update({name: (low, usual, high)})
        )

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        for value in network.model.graph.input:
            given = [size.dim_value for size in value.type.tensor_type.shape.dim]
            for size, low, usual, high in zip(given, *config.profile.shapes[value.name], strict=True):
                if not 0 <= low <= usual <= high or (size and not low == usual == high == size):
                    self.log.log(Severity.ERROR, f"profile of {value.name} is inconsistent")
                    return None
        half = any(t.data_type == onnx.TensorProto.FLOAT16 for t in network.model.graph.initializer)
        int8 = any(node.op_type == "QuantizeLinear" for node in network.model.graph.node)
        assert config.cleared, "TF32 must be switched off"
        kind = "Int8" if int8 else "Half" if half else "Float"
        plan = {"profile": config.profile.shapes, "kind": kind}
        return json.dumps(plan).encode() + b"\0" + network.model.SerializeToString()


class Config:
    def __init__(self) -> None:
        self.cleared, self.profile = False, None

    def clear_flag(self, flag: str) -> None:
        self.cleared = flag == "TF32"

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        assert pool == "WORKSPACE" and size >= 1 << 20

    def add_optimization_profile(self, profile: Any) -> None:
        self.profile = profile

    def create_timing_cache(self, known: bytes) -> Any:
        return SimpleNamespace(known=known, serialize=lambda: known + b"+")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> None:
        self.cache = cache

    def get_timing_cache(self) -> Any:
        return self.cache


class OnnxParser:
    def __init__(self, network: Any, log: Any) -> None:
        self.network, self.num_errors = network, 0

    def parse(self, content: bytes) -> bool:
        self.network.model = model = onnx.ModelProto.FromString(content)
        self.wrong = [node for node in model.graph.node if node.domain == "nowhere"]
        self.num_errors = len(self.wrong)
        return not self.wrong

    def get_error(self, number: int) -> Any:
        node = self.wrong[number]
        return SimpleNamespace(node_name=lambda: node.name, desc=lambda: f"no importer for {node.op_type}")


class Runtime:
    def __init__(self, log: Any) -> None:
        self.log = log

    def deserialize_cuda_engine(self, content: bytes) -> Any:
        head, _, body = content.partition(b"\0")
        try:
            return Engine(json.loads(head), body)
        except ValueError:
            self.log.log(Severity.ERROR, "Magic tag does not match")
            return None


class Engine:
    def __init__(self, plan: dict[str, Any], body: bytes) -> None:
        ort = pytest.importorskip("onnxruntime")
        self.plan, self.session = plan, ort.InferenceSession(body, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]
        self.num_io_tensors = len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, number: int) -> str:
        return [*self.inputs, *self.outputs][number]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> type:
        return np.float32

    def get_tensor_profile_shape(self, name: str, profile: int) -> Any:
        return self.plan["profile"][name]

    def create_engine_inspector(self) -> Any:
        tensors = [{"Name": "x", "Format/Datatype": f"{self.plan['kind']} NC/32HW32 format"}]
        layers = [
            {"Name": "conv", "LayerType": "CaskConvolution", "Inputs": tensors},
            "no details",
        ]
        return SimpleNamespace(get_engine_information=lambda form: json.dumps({"Layers": layers}))

    def create_execution_context(self) -> Any:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.shapes, self.addresses, self.results = engine, {}, {}, {}  # type: ignore[var-annotated]

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self.engine.plan["profile"][name]
        self.shapes[name] = shape
        return all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True))

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        inputs = {key: self._view(key, shape) for key, shape in self.shapes.items()}
        self.results = dict(zip(self.engine.outputs, self.engine.session.run(None, inputs), strict=True))
        return tuple(self.results[name].shape)

    def _view(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        pointer = ctypes.cast(self.addresses[name], ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, (size,)).reshape(shape).copy()

    def execute_async_v3(self, stream_handle: int) -> bool:
        for name, value in self.results.items():
            ctypes.memmove(self.addresses[name], np.ascontiguousarray(value).ctypes.data, value.nbytes)
        return True


def install(monkeypatch: pytest.MonkeyPatch, gpus: int = 1) -> Cuda:
    """Put the stand-ins where `import tensorrt` and `from cuda.bindings import runtime` find them."""
    trt: Any = ModuleType("tensorrt")
    trt.__version__, trt.nptype = "11.0", lambda kind: kind
    trt.ILogger, trt.Builder, trt.OnnxParser, trt.Runtime = ILogger, Builder, OnnxParser, Runtime
    trt.TensorIOMode = TensorIOMode
    trt.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    trt.BuilderFlag = SimpleNamespace(TF32="TF32")
    trt.MemoryPoolType = SimpleNamespace(WORKSPACE="WORKSPACE")
    trt.ProfilingVerbosity = SimpleNamespace(DETAILED=2)
    trt.LayerInformationFormat = SimpleNamespace(JSON=1)
    cuda, bindings, runtime = ModuleType("cuda"), ModuleType("cuda.bindings"), Cuda(gpus)
    bindings.runtime = runtime  # type: ignore[attr-defined]
    cuda.bindings = bindings  # type: ignore[attr-defined]
    modules = {"tensorrt": trt, "cuda": cuda, "cuda.bindings": bindings, "cuda.bindings.runtime": runtime}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return runtime
