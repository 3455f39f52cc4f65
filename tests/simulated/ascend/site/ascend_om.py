"""What the simulated CANN calls an .om: the graph with fp16 weights, shapes, chip, order of outputs, AIPP.

Where the facts are silent the strictest reading is taken: inputs and outputs are rounded to fp16, every size,
type and layout but the compiled one is refused, and so is another chip than the one that is plugged in
(ASCEND_SIMULATED_CHIP). Without set_env.sh (ASCEND_TOOLKIT_HOME) nothing starts.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

MAGIC = b"SIMULATED-OM\n"


def fault() -> str:
    return os.environ.get("ASCEND_SIMULATED_FAULT", "")


def hang() -> None:
    if fault() == "hang":
        time.sleep(600)


def need_environment() -> None:
    if not os.environ.get("ASCEND_TOOLKIT_HOME"):
        print("error while loading shared libraries: libascendcl.so: source set_env.sh first")
        sys.exit(127)


def write(path: Path, model: onnx.ModelProto, about: dict) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            value = numpy_helper.to_array(tensor)
            limit = float(np.finfo(np.float16).max)
            half = np.clip(value, -limit, limit).astype(np.float16).astype(np.float32)
            if abs(value).max(initial=0) <= limit:
                tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    path.write_bytes(MAGIC + json.dumps(about).encode() + b"\n" + model.SerializeToString())


class Om:
    def __init__(self, path: str) -> None:
        data = Path(path).read_bytes()
        if not data.startswith(MAGIC):
            raise RuntimeError("load model from file failed")
        head, _, graph = data[len(MAGIC) :].partition(b"\n")
        self.about = json.loads(head)
        chip = os.environ.get("ASCEND_SIMULATED_CHIP", "Ascend310")
        if self.about["soc"] != chip:
            raise RuntimeError(f"load model from file failed, model is for {self.about['soc']}")
        if fault() == "driver":
            raise RuntimeError("acl open device 0 failed, error code 507033")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.ranges = self.about["ranges"]
        self.static = all(low == high for axes in self.ranges.values() for low, high in axes)
        self.aipp = self.about["aipp"]

    def shape(self, name: str) -> list[int]:
        sizes = [low for low, _ in self.ranges[name]]
        return [sizes[0], *sizes[2:], sizes[1]] if self.aipp else sizes

    def dtype(self) -> type:
        return np.uint8 if self.aipp else np.float32

    def size(self, name: str) -> int:
        return int(np.prod(self.shape(name))) * np.dtype(self.dtype()).itemsize

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        feeds = {}
        for (name, axes), array in zip(self.ranges.items(), arrays, strict=True):
            if self.aipp:
                pixels = array.astype(np.float32).transpose(0, 3, 1, 2)
                mean = np.float32(self.aipp["mean"]).reshape(1, 3, 1, 1)
                array = (pixels - mean) * np.float32(self.aipp["reciprocal"]).reshape(1, 3, 1, 1)
            fits = len(array.shape) == len(axes)
            if not fits or any(
                not low <= n <= high for n, (low, high) in zip(array.shape, axes, strict=True)
            ):
                raise RuntimeError(f"shape {array.shape} is out of range {axes}")
            feeds[name] = array.astype(np.float16).astype(np.float32)
        found = dict(
            zip([o.name for o in self.session.get_outputs()], self.session.run(None, feeds), strict=True)
        )
        outputs = [found[name].astype(np.float16).astype(np.float32) for name in self.about["outputs"]]
        return outputs[::-1] if fault() == "reversed" else outputs
