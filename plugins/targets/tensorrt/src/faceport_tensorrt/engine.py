"""From an ONNX graph to a serialized engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from faceport.api import Network
from faceport.errors import FaceportError
from faceport.files import cache_dir, write_atomically
from faceport.targets.sentences import cannot_compile
from faceport.types import Tensors
from faceport_tensorrt.cuda import checked, device_name
from faceport_tensorrt.options import TensorRtOptions

Shape = tuple[int, ...]
Profile = Mapping[str, tuple[Shape, Shape, Shape]]  # input -> smallest, usual, largest


def profile_shapes(network: Network, calls: Sequence[Tensors], options: TensorRtOptions) -> Profile:
    """Choose between which shapes the engine may be run, and for which it is made fast."""
    seen = [{name: value.shape for name, value in inputs.items()} for inputs in calls]
    seen = seen or [{name: value.shape for name, value in network.example_inputs().items()}]
    shapes = {}
    for spec in network.inputs:
        found = np.array([shape[spec.name] for shape in seen])
        columns = [found.min(0), np.median(found, axis=0).astype(int), found.max(0)]
        for axis, size in enumerate(spec.shape):
            for which, column in enumerate(columns):
                if isinstance(size, int):
                    column[axis] = size
                elif axis and options.sizes:
                    column[axis] = options.sizes[which]
        columns[0][0], columns[2][0] = 1, options.max_batch
        columns[1][0] = min(max(columns[1][0], 1), options.max_batch)
        low, usual, high = (tuple(int(size) for size in column) for column in columns)
        shapes[spec.name] = (low, usual, high)
    return shapes


def logger() -> Any:
    """Make a logger that keeps what goes wrong instead of printing it."""
    import tensorrt as trt

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)

    return Log()


def build_engine(
    model: onnx.ModelProto, network: Network, shapes: Profile, options: TensorRtOptions
) -> bytes:
    """Parse a graph as a strongly typed network and build it for the GPU."""
    import tensorrt as trt
    from cuda.bindings import runtime

    name = device_name(options.device)
    checked(runtime.cudaSetDevice(options.device))
    log = logger()
    builder = started(trt.Builder, log)
    strong = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)  # TensorRT 11 knows no other way
    definition = builder.create_network(strong)
    parser = trt.OnnxParser(definition, log)
    if not parser.parse(model.SerializeToString()):
        said = [parser.get_error(number) for number in range(parser.num_errors)]
        why = f"{said[0].node_name() or 'the graph'}: {said[0].desc()}" if said else _last(log)
        raise cannot_compile("TensorRT", trt.__version__, network, why)
    config = builder.create_builder_config()
    config.builder_optimization_level = options.level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that the engine tells its types
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace << 20)
    config.clear_flag(trt.BuilderFlag.TF32)  # else fp32 is computed with 10 bits of mantissa
    profile = builder.create_optimization_profile()
    for tensor, (low, usual, high) in shapes.items():
        profile.set_shape(tensor, low, usual, high)
    config.add_optimization_profile(profile)
    cache = cache_dir() / "tensorrt" / f"{trt.__version__}-{name.replace(' ', '_')}.timing"
    if options.timing_cache:
        known = cache.read_bytes() if cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    engine = builder.build_serialized_network(definition, config)
    if engine is None:
        raise cannot_compile("TensorRT", trt.__version__, network, _last(log))
    if options.timing_cache:
        write_atomically(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def started(kind: type[Any], log: Any) -> Any:
    """Make TensorRT's builder or runtime, or say why it gives none."""
    try:
        return kind(log)
    except TypeError as error:  # what its bindings make of a null pointer
        raise FaceportError(f"TensorRT cannot be started: {_last(log)}") from error


def _last(log: Any) -> str:
    return log.errors[-1] if log.errors else "it gives no reason"
