"""RKNN of rknn-toolkit2 2.5.0 as far as faceport calls it: networks run in ONNX Runtime, rounded."""

import shutil
import sys
import traceback
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

CHIPS = ("rk3588", "rk3576", "rk3566", "rv1106")
ALGORITHMS = ("normal", "kl_divergence", "mmse")


def refuses(method):
    """Raise a ValueError whose text is a traceback, as the toolkit does."""

    def wrapped(*given, **named):
        try:
            return method(*given, **named)
        except Exception as error:
            raise ValueError(traceback.format_exc()) from error

    return wrapped


class RKNN:
    """One network."""

    def __init__(self, verbose=False):
        print("I rknn-toolkit2 version: 2.5.0")
        self.folded, self.model, self.wide, self.ranges, self.built, self.runs = (
            None,
            None,
            [],
            {},
            False,
            False,
        )

    @refuses
    def config(self, target_platform, mean_values=None, std_values=None, quantized_algorithm="normal"):
        if target_platform not in CHIPS:
            raise ValueError(f"Invalid target_platform '{target_platform}'!")
        if quantized_algorithm not in ALGORITHMS:
            raise ValueError(f"Invalid quantized_algorithm '{quantized_algorithm}'!")
        if mean_values:
            self.folded = [np.float32(one[0]).reshape(1, -1, 1, 1) for one in (mean_values, std_values)]
        return 0

    @refuses
    def load_onnx(self, model):
        self.model = onnx.load(model)
        operators = {node.op_type for node in self.model.graph.node}
        if "Nonesuch" in operators:
            raise ValueError("The op type 'Nonesuch' is not supported!")
        shapes = [
            [size.dim_value for size in value.type.tensor_type.shape.dim] for value in self.model.graph.input
        ]
        if not all(all(shape) for shape in shapes):
            raise ValueError("The input shape has dynamic sizes!")
        return 0

    def _noise(self):
        print("\rI rknn building: 100%|####|", file=sys.stderr)
        print("\x1b[1;33mW\x1b[0m build: The default input dtype is changed!\nE RKNN: Unkown op target: 0")

    @refuses
    def build(self, do_quantization=True, dataset=None):
        assert not do_quantization, "ranges come by the hybrid steps"
        self.built = True
        self._noise()
        return 0

    @refuses
    def hybrid_quantization_step1(self, dataset):
        session = self._session()
        shapes = [list(one.shape) for one in session.get_inputs()]
        seen = {}
        for line in Path(dataset).read_text().split("\n"):
            if not line:
                continue
            values = [np.load(name) for name in line.split(" ")]
            if [list(value.shape) for value in values] != shapes:
                raise ValueError(f"The input shape is wrong, expect 'nchw' like {tuple(shapes[0])}!")
            for value, name in zip(self._compute(session, values), self._outputs(), strict=True):
                seen.setdefault(name, []).extend([float(value.min()), float(value.max())])
        onnx.save(self.model, "network.model")
        state = {f"low:{name}": min(found) for name, found in seen.items()}
        state |= {f"high:{name}": max(found) for name, found in seen.items()}
        if self.folded:
            state |= {"mean": self.folded[0], "std": self.folded[1]}
        with open("network.data", "wb") as file:
            np.savez(file, **state)
        tensors = dict.fromkeys(name for node in self.model.graph.node for name in node.output)
        text = "custom_quantize_layers: {}\nquantize_parameters:\n"
        text += "".join(f"    {name}:\n        qtype: asym\n        dtype: int8\n" for name in tensors)
        Path("network.quantization.cfg").write_text(text)
        return 0

    @refuses
    def hybrid_quantization_step2(self, model_input, data_input, model_quantization_cfg):
        self.model, state = onnx.load(model_input), dict(np.load(data_input))
        self.folded = [state["mean"], state["std"]] if "mean" in state else None
        chosen = Path(model_quantization_cfg).read_text().split("quantize_parameters:")[0].split("\n")[1:]
        self.wide = [line.strip().removesuffix(": float16").strip('"') for line in chosen if line]
        self.ranges = {name: (state[f"low:{name}"], state[f"high:{name}"]) for name in self._outputs()}
        self.built = True
        self._noise()
        return 0

    @refuses
    def export_rknn(self, path):
        assert self.built
        shutil.copyfile("network.onnx", path)
        return 0

    @refuses
    def init_runtime(self, target=None):
        if not self.built:
            raise ValueError("Please load_rknn on a board: there is no simulator of a .rknn!")
        self.runs = True
        return 0

    @refuses
    def inference(self, inputs, data_format=None):
        assert self.runs
        if any(len(value) > 1 for value in inputs):
            raise ValueError("The input batch must be 1, rknn_batch_size is an option of build!")
        values = [value.transpose(0, 3, 1, 2) if data_format == ["nhwc"] else value for value in inputs]
        outputs = self._compute(self._session(), values)
        return [self._round(name, value) for name, value in zip(self._outputs(), outputs, strict=True)]

    def release(self):
        self.model = None

    def _session(self):
        return onnxruntime.InferenceSession(
            self.model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def _outputs(self):
        return [output.name for output in self.model.graph.output]

    def _compute(self, session, values):
        floats = [np.asarray(value, np.float32) for value in values]
        if self.folded:
            floats = [(value - self.folded[0]) / self.folded[1] for value in floats]
        return session.run(None, dict(zip([one.name for one in session.get_inputs()], floats, strict=True)))

    def _round(self, name, value):
        if name not in self.ranges or name in self.wide:
            return value.astype(np.float16).astype(np.float32)
        low, high = self.ranges[name]
        scale = (high - low) / 255 or 1.0
        return np.float32(np.clip(np.rint((value - low) / scale), 0, 255) * scale + low)
