"""The simulated vamp: npz by a list, pixels by the JSON; its files have names that only sort right."""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from vastai_process import fault, hang, keys, normalised

CONFIG = ["IimageFormat", "IimageWidth", "IimageHeight", "IimageWidthPitch", "IimageHeightPitch"]
CONFIG += ["OimageWidth", "OimageHeight", "Mean", "Std", "NormaType", "ColorCvtCode", "ResizeType"]
LOG = """- number of instances in each device: {instances}
devices: [{device}]
batch size: 1
throughput (qps): {rate:.3f}
e2e latency (us):
    avg latency: {each:.0f}
    max latency: {each:.0f}
model latency (us):
    avg latency: {each:.0f}
    max latency: {each:.0f}
"""


def arguments():
    parser = argparse.ArgumentParser(prog="vamp", allow_abbrev=False)
    parser.add_argument("-m", required=True)
    parser.add_argument("--vdsp_params", required=True)
    for name, kind in (("-b", int), ("-i", int), ("-p", int), ("-d", int)):
        parser.add_argument(name, type=kind, default=1)
    parser.add_argument("--datalist", required=True)
    parser.add_argument("--path_output", required=True)
    return parser.parse_args()


def read_vdsp(path, shape):
    content = json.loads(Path(path).read_text())
    keys(content, ["OpType", "OpConfig"], "the file")
    config = content["OpConfig"]
    keys(config, CONFIG, "OpConfig")
    known = {f"FUSION_OP_RGB_{what}_CVTCOLOR_NORM_TENSOR" for what in ("RESIZE", "LETTERBOX")}
    sizes = [config[name] for name in CONFIG[1:7]]
    if content["OpType"] not in known or sizes != [shape[3], shape[2]] * 3:
        raise ValueError(f"vdsp_params: {content['OpType']} {sizes}")
    if config["IimageFormat"] != "RGB_PLANAR" or config["ResizeType"] != "BILINEAR_CV":
        raise ValueError("vdsp_params: format or resize")
    div255 = {"MINUSMEAN_DIVSTD": False, "DIV255_MINUSMEAN_DIVSTD": True}[config["NormaType"]]
    bgr = {"NO_CHANGE": False, "RGB2BGR": True}[config["ColorCvtCode"]]
    for value in (*config["Mean"], *config["Std"]):
        if float(np.float16(value)) != value:
            raise ValueError(f"vdsp_params: {value} is no fp16")
    return config["Mean"], config["Std"], div255, bgr


def main():
    options = arguments()
    for name in ("VASTSTREAMX_ROOT", "VASTPIPE_ROOT"):
        if not os.environ.get(name):
            raise RuntimeError(f"{name} is not set")
    hang()
    about = json.loads(Path(options.m + ".json").read_text())
    if Path(options.m + ".so").read_bytes() != b"simulated":
        raise RuntimeError("load model failed")
    normalisation = read_vdsp(options.vdsp_params, about["shape"])
    if fault() == "card":
        print("run err, err code: 803012, vafwER_MCU_ERROR_LMCU0")
        return
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    if fault().startswith("says "):
        sys.exit(fault()[5:])
    session = onnxruntime.InferenceSession(
        options.m + ".params", settings, providers=["CPUExecutionProvider"]
    )
    out = Path(options.path_output)
    out.mkdir(parents=True)
    begun = time.perf_counter()
    listed = Path(options.datalist).read_text().splitlines()
    for number, line in enumerate(listed):
        with np.load(line) as stored:
            if not Path(line).is_absolute() or stored.files != ["input_0"]:
                raise ValueError(f"{line} must be an absolute path of an npz with input_0 only")
            picture = stored["input_0"]
        if picture.dtype != np.uint8 or list(picture.shape) != about["shape"][1:]:
            raise ValueError(f"{line}: {picture.dtype} {picture.shape} is not uint8 of {about['shape'][1:]}")
        if fault() == "skips" and number == 0:
            continue
        found = session.run(None, {about["input"]: normalised(picture, *normalisation)[None]})
        found = [value.astype(np.float16) for value in (found[::-1] if fault() == "reversed" else found)]
        if fault() == "float64" and number == len(listed) - 1:
            found = [value.astype(np.float64) for value in found]
        if fault() == "swapped":
            found = found[::-1]  # under each other's names
        name = f"{number:06}-{random.getrandbits(32):08x}.npz"
        np.savez(out / name, **{f"output_{place}": value for place, value in enumerate(found)})
        if fault() == "killed":
            sys.exit(137)
    each = 1e6 * (time.perf_counter() - begun) / max(1, len(listed))
    print(LOG.format(instances=options.i, device=options.d, rate=1e6 / each, each=each))


main()
