"""What the simulated scripts compile with: a folder as the board's runtime loads it."""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

ADDRESSES = {"V2L": 0x838E0000, "V2M": 0xC38E0000, "V2MA": 0x438E0000}


def fault():
    return os.environ.get("DRPAI_SIMULATED_FAULT", "")


def note():
    with (Path(os.environ["TVM_ROOT"]) / "commands").open("a") as file:
        file.write(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")


def read(path, name, shape):
    note()
    if fault() == "hang":
        time.sleep(600)
    if fault() == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault().startswith("says "):
        sys.exit(fault()[5:])
    model = onnx.load(path)
    [given] = model.graph.input
    found = tuple(size.dim_value for size in given.type.tensor_type.shape.dim)
    if (given.name, found) != (name, shape) or shape[0] != 1:
        sys.exit(f"TVMError: the model has {given.name} {found}, not {name} {shape}")
    return model


def rounded(model):
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    return model


def quantised(model, frames, out):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    name = model.graph.input[0].name

    class Frames(CalibrationDataReader):
        left = iter(frames)

        def get_next(self):
            frame = next(self.left, None)
            return None if frame is None else {name: np.asarray(frame, np.float32)}

    quantize_static(model, str(out), Frames(), quant_format=QuantFormat.QDQ, reduce_range=True)


def describe(model):
    [given] = model.graph.input
    sizes = [size.dim_value for size in given.type.tensor_type.shape.dim]
    return {"elements": int(np.prod(sizes)), "outputs": len(model.graph.output), "shape": sizes}


def build(model, product, config, opts):
    release = int(os.environ["SIMULATED_RELEASE"])
    keys = {"addr_map_start", "toolchain_dir", "sdk_root", "target" if release == 2 else "interpreter"}
    quant = config.get("target") == "DrpAiQuant"
    keys |= {"quantization_tool", "calibration_data"} if quant else set()
    if set(config) != keys or quant is not (product in ("V2H", "V2N")):
        sys.exit(
            f"TVMError: drp translator toolchain failed: PRODUCT {product} unsupported, {sorted(config)}"
        )
    folders = [config["toolchain_dir"], config["sdk_root"], *([config["quantization_tool"]] if quant else [])]
    if not all(folder and Path(folder).is_dir() for folder in folders):
        sys.exit("ModuleNotFoundError: No module named 'graph_optimizer'")
    if fault() == "memory":
        print("Warning: Network requires memory too big")
    out = Path(opts["output_dir"])
    out.mkdir()
    about = {"drp": 1, "product": product, "release": release, "place": config["addr_map_start"]}
    mera = opts["mera2"]
    (out / ("mera.plan" if mera else "deploy.json")).write_text(json.dumps({**about, **describe(model)}))
    if fault() == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if quant:
        quantised(model, config["calibration_data"], out / "deploy.params")
    elif fault() != "nothing":
        onnx.save(rounded(model), out / "deploy.params")
    if not mera:
        (out / "deploy.so").write_bytes(b"simulated")
    (out / "preprocess").mkdir()
    (out / "preprocess/drp_desc.bin").write_bytes(b"simulated")


def build_for_cpu(path, opts):
    """Compile with the tvm target of faceport, which is real; keep its files under Renesas' names."""
    from faceport.api import Network, Source
    from faceport.plugins.loading import create
    from faceport.types import TensorSpec

    model = read(path, opts["input_name"], opts["input_shape"])
    given = TensorSpec(opts["input_name"], ("batch", *opts["input_shape"][1:]))
    outputs = [
        TensorSpec(value.name, ("batch", *(size.dim_value for size in value.type.tensor_type.shape.dim[1:])))
        for value in model.graph.output
    ]
    network = Network("network", (given,), tuple(outputs), onnx=Path(path), batch=1)
    out = Path(opts["output_dir"])
    out.mkdir()
    create("target", "tvm").compile(Source(network, lambda: Path(path)), out, ())
    (out / "network.so").rename(out / "deploy.so")
    made_for = (out / "made_for.json").read_text()
    (out / "deploy.params").write_text(made_for)
    names = [output.name for output in replace(network).outputs]
    about = {"cpu": 1, "input": given.name, "names": names, **describe(model)}
    (out / "deploy.json").write_text(json.dumps(about))
