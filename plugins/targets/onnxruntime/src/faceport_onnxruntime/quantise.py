"""Static int8 as ONNX Runtime wants it: QuantizeLinear/DequantizeLinear pairs around what runs in 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx

from faceport.graph.head import narrow_head
from faceport.graph.levels import UINT8
from faceport.graph.prelu import split_prelu
from faceport.graph.prepare import Recipe, prepare
from faceport.graph.qdq import Scheme, insert_qdq
from faceport.types import Tensors
from faceport_onnxruntime.options import OnnxRuntimeOptions

# Not among them: Softmax and Sigmoid, whose 256 steps would give many faces the same score; AveragePool,
# which ONNX Runtime gives the scale of what it reads, where means are much smaller; Resize, slower so.
OPERATORS = frozenset(
    (
        *("Add", "Mul", "Concat", "Pad", "MaxPool", "GlobalAveragePool", "Relu", "LeakyRelu", "Clip"),
        *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split"),
    )
)


def quantise(
    model: onnx.ModelProto,
    calls: Sequence[Tensors],
    exclude: Sequence[str],
    options: OnnxRuntimeOptions,
    in_pairs: bool,
) -> None:
    """Put 8 bits where the ranges are known: unsigned activations, signed weights per channel."""
    kept = [*exclude, *(narrow_head(model, options.narrow) if options.on_processor else [])]
    recipe = Recipe(options.range, options.prepare, UINT8, in_pairs=in_pairs)
    ranges = prepare(model, runner, calls, recipe, kept)
    floats = split_prelu(model) if options.cpu_only else []  # other providers have a fast one
    insert_qdq(model, ranges, [*kept, *floats], Scheme(UINT8, between=OPERATORS, in_pairs=in_pairs))


def runner(model: onnx.ModelProto) -> Callable[[Tensors], Tensors]:
    """Make a network runnable as it is, in floats."""
    import onnxruntime as ort

    config = ort.SessionOptions()
    config.log_severity_level = 4
    config.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(model.SerializeToString(), config, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
