"""The simulated vamc: reads its YAML strictly; rounds to fp16, or to int8 by the pictures that it is given.

That the three files are mod.json, mod.params and mod.so is an assumption: public files say only that
they are three.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import yaml
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from vastai_process import fault, hang, keys, normalised

MODES = {"kl_divergence", "percentile", "max", "mse"}


def check(config):
    int8 = config["backend"]["dtype"] == "int8"
    keys(config, ["name", "frontend", "backend", "workspace", *(["dataset"] if int8 else [])], "the file")
    keys(config["frontend"], ["type", "checkpoint", "shape", "dtype"], "frontend")
    keys(config["backend"], ["type", "dtype", "compile", *(["quantize"] if int8 else [])], "backend")
    keys(config["backend"]["compile"], ["cluster_mode", "data_transport_mode"], "backend.compile")
    keys(config["workspace"], ["path"], "workspace")
    if (config["frontend"]["type"], config["frontend"]["dtype"]) != ("onnx", "fp32"):
        raise ValueError("frontend.type and dtype")
    if config["backend"]["type"] != "tvm_vacc" or config["backend"]["dtype"] not in ("fp16", "int8"):
        raise ValueError("backend.type and dtype")
    if int8:
        keys(config["backend"]["quantize"], ["calibrate_mode", "quantize_per_channel"], "backend.quantize")
        keys(config["dataset"], ["type", "path", "sampler", "process_ops"], "dataset")
        keys(config["dataset"]["sampler"], ["suffix", "get_data_num"], "dataset.sampler")
        if config["backend"]["quantize"]["calibrate_mode"] not in MODES:
            raise ValueError("calibrate_mode")


class Pictures(CalibrationDataReader):
    def __init__(self, config, tensor):
        dataset = config["dataset"]
        found = sorted(Path(dataset["path"]).glob(f"*.{dataset['sampler']['suffix']}"))
        if not found:
            raise ValueError(f"no pictures in {dataset['path']}")
        self._left = iter(found[: dataset["sampler"]["get_data_num"]])
        self._config, self._tensor = config, tensor

    def get_next(self):
        path = next(self._left, None)
        return None if path is None else {self._tensor: self._process(path)}

    def _process(self, path):
        value, bgr = None, False
        for step in self._config["dataset"]["process_ops"]:
            kind = step["type"]
            if kind == "DecodeImage":
                value = cv2.imread(str(path))[..., ::-1].transpose(2, 0, 1)
            elif kind == "CvtColor" and step["code"] == "COLOR_RGB2BGR":
                bgr = True
            elif kind == "Resize":
                if list(value.shape[1:]) != step["size"]:
                    raise ValueError(f"{path} is not of size {step['size']}")
            elif kind == "Normalize":
                value = normalised(value, step["mean"], step["std"], step["div255"], bgr)
            elif kind != "ToTensor":
                raise ValueError(f"process_ops: {step}")
        return value[None]


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "compile":
        raise SystemExit(f"vamc: error: unrecognized arguments: {' '.join(sys.argv[1:])}")
    hang()
    config = yaml.safe_load(Path(sys.argv[2]).read_text())
    check(config)
    model = onnx.load(config["frontend"]["checkpoint"])
    [given] = model.graph.input
    shape = [size.dim_value for size in given.type.tensor_type.shape.dim]
    if config["frontend"]["shape"] != {given.name: shape} or shape[0] != 1:
        raise ValueError(
            f"frontend.shape is {config['frontend']['shape']}, the model has {given.name}: {shape}"
        )
    if fault().startswith("says "):
        raise RuntimeError(fault()[5:])
    out = Path(config["workspace"]["path"], config["name"])
    out.mkdir(parents=True)
    if fault() == "killed":
        (out / "mod.json").write_text("half")
        sys.exit(137)
    if config["backend"]["dtype"] == "int8":
        per_channel = config["backend"]["quantize"]["quantize_per_channel"]
        reader = Pictures(config, given.name)
        quantize_static(
            model,
            str(out / "mod.params"),
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            reduce_range=True,  # processors without VNNI would add 8 bits wrongly
        )
    else:
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                half = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
        onnx.save(model, out / "mod.params")
    if fault() != "two":
        (out / "mod.so").write_bytes(b"simulated")
    (out / "mod.json").write_text(json.dumps({"input": given.name, "shape": shape}))


main()
