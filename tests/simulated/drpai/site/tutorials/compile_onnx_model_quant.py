"""The simulated script for V2H and V2N: pictures go through its own pre-processing, which is ImageNet's."""

from drpai_preprocess import *  # noqa: F403, I001 - must be the first import
import os
import pathlib
import sys

import cv2
import numpy as np

import simulated_drp as drp
from arg_parser import get_args

PRODUCT = os.getenv("PRODUCT")
if PRODUCT not in ("V2H", "V2N"):
    print("[Error] Environment variable (PRODUCT) is not V2H")
    sys.exit(-1)


def pre_process_imagenet_pytorch(img, mean=None, stdev=None, dims=None, need_transpose=False):
    img = cv2.resize(img[..., ::-1], (256, 256))[16:240, 16:240] / 255
    img = (img - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return img.transpose(2, 0, 1) if need_transpose else img


if __name__ == "__main__":
    opts, model_file = get_args()
    print("   Run TVM frotend compiler ")
    model = drp.read(model_file, opts["input_name"], opts["input_shape"])
    frames = []
    for path in sorted(pathlib.Path(opts["image_dir"]).glob("*")):
        image = pre_process_imagenet_pytorch(cv2.imread(str(path)), None, None, need_transpose=True)
        frames.append(np.expand_dims(image, 0))
        print("calib data", path)
    print("   Run TVM backend compiler with DRP-AI Translator")
    drp_config_runtime = {
        "target": "DrpAiQuant",
        "addr_map_start": 0x00,
        "toolchain_dir": opts["drp_compiler_dir"],
        "sdk_root": opts["toolchain_dir"],
        "quantization_tool": opts["quantization_tool"],
        "calibration_data": frames,
    }
    drp.build(model, PRODUCT, drp_config_runtime, opts)
    print("[TVM compile finished]")
