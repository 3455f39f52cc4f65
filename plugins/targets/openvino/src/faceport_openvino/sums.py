"""How OpenVINO adds 8-bit products on this processor: it is asked, whatever the processor says it has."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from faceport.targets.saturation import ACTIVATION, DEPTH, WEIGHT, Sums, fits_seven_bits

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}  # else a processor with bf16 rounds the sums to it


@cache
def saturates() -> bool:
    """Let OpenVINO add products that are too large for 16 bits, and tell whether it cuts them off."""
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, DEPTH, 1, 1], np.float32)
    ends = [ops.constant(np.float32(end)) for end in (0, ACTIVATION)]
    activations = ops.fake_quantize(image, *ends, *ends, levels=ACTIVATION + 1)
    stored = ops.constant(np.full((DEPTH, DEPTH, 1, 1), WEIGHT, np.int8))
    weights = ops.multiply(ops.convert(stored, np.float32), ops.constant(np.float32(1)))
    sums = ops.convolution(activations, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    compiled = openvino.Core().compile_model(openvino.Model([sums], [image]), "CPU", EXACT)
    found = compiled(np.full((1, DEPTH, 1, 1), ACTIVATION, np.float32))[0]
    return bool((found != DEPTH * ACTIVATION * WEIGHT).any())


def sums_of(model: Any) -> Sums:
    """Look at the weights of a quantised network, and at the processor."""
    constants = (operation for operation in model.get_ops() if operation.get_type_name() == "Constant")
    weights = (
        constant.data
        for constant in constants
        if constant.get_element_type().get_type_name() == "i8" and len(constant.shape) > 1
    )
    return Sums(fits_seven_bits(weights), saturates())
