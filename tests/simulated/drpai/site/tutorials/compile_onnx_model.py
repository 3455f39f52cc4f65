"""The simulated script for V2L, V2M and V2MA."""

from drpai_preprocess import *  # noqa: F403, I001 - must be the first import
import os
import sys

import simulated_drp as drp
from arg_parser import get_args

PRODUCT = os.getenv("PRODUCT")
if PRODUCT is None:
    print("[Error] No environment variable")
    sys.exit(-1)

if __name__ == "__main__":
    opts, model_file = get_args()
    print("   Run TVM frotend compiler ")
    model = drp.read(model_file, opts["input_name"], opts["input_shape"])
    print("   Run TVM backend compiler with DRP-AI Translator")
    drp_config_runtime = {
        "target": "DrpAi",
        "addr_map_start": 0x0,
        "toolchain_dir": opts["drp_compiler_dir"],
        "sdk_root": opts["toolchain_dir"],
    }
    drp.build(model, PRODUCT, drp_config_runtime, opts)
    print("[TVM compile finished]")
    print(f"   Please check {opts['output_dir']} directory")
