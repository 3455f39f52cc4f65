"""Static int8 as ONNX Runtime wants it: QuantizeLinear/DequantizeLinear pairs around what runs in 8 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from faceport.graph.ranges import Range, measure
from faceport.graph.taps import float_tensors, tap
from faceport.types import Tensors

# Not among them: Softmax and Sigmoid, whose 256 steps would give many faces the same score, and AveragePool,
# which ONNX Runtime gives the scale of what it reads, where means are much smaller.
OPERATORS = (
    *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Concat", "Resize", "Pad"),
    *("MaxPool", "GlobalAveragePool", "Relu", "LeakyRelu", "Clip"),
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split"),
)


def measure_ranges(model: onnx.ModelProto, calls: Sequence[Tensors], method: str) -> dict[str, Range]:
    """Find the range of every float tensor, however its size changes between calls."""
    import onnxruntime as ort

    names = list(float_tensors(model))
    config = ort.SessionOptions()
    config.log_severity_level = 4
    config.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    tapped = tap(model, names).SerializeToString()
    session = ort.InferenceSession(tapped, config, providers=["CPUExecutionProvider"])

    def run(inputs: Tensors) -> Tensors:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return measure(run, calls, method)


def quantise(
    model: onnx.ModelProto, ranges: dict[str, Range], exclude: Sequence[str], reduce_range: bool
) -> onnx.ModelProto:
    """Put 8 bits where the ranges are known: unsigned activations, signed weights per channel."""
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    found = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, found),
        nodes_to_quantize=[],
        nodes_to_exclude=list(exclude),
        op_types_to_quantize=list(OPERATORS),
        extra_options={},
    )
    quantizer.quantize_model()
    quantised: onnx.ModelProto = quantizer.model.model
    return quantised
