"""The tensors that an ONNX file stores, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faceport.networks.formats import companions, read_onnx
from faceport.types import Array


def read_initializers(path: Path) -> dict[str, Array]:
    """Read the floating-point initializers of an ONNX file, and of the files beside it."""
    from onnx import numpy_helper

    companions(path)  # only files beside it are read
    arrays = {}
    for tensor in read_onnx(path).graph.initializer:
        array = numpy_helper.to_array(tensor, str(path.parent))
        if np.issubdtype(array.dtype, np.floating):
            arrays[tensor.name] = np.array(array)  # writable, and aligned
    return arrays
