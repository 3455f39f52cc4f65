"""The simulated script of CPU mode: the real TVM, by faceport's plugin."""

import simulated_drp as drp
from arg_parser import get_args

if __name__ == "__main__":
    opts, model_file = get_args()
    drp.build_for_cpu(model_file, opts)
    print("[TVM compile finished]")
    print(f"   Please check {opts['output_dir']} directory")
