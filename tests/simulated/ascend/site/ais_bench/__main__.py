"""The simulated command of ais_bench: every file an inference, a summary in JSON beside the outputs."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from ascend_om import Om, fault, hang, need_environment

parser = argparse.ArgumentParser(prog="ais_bench", allow_abbrev=False)
for name in ("--model", "--input", "--output", "--output_dirname"):
    parser.add_argument(name, required=True)
parser.add_argument("--outfmt", choices=["NPY", "BIN", "TXT"], default="BIN")
parser.add_argument("--device", type=int, default=0)
parser.add_argument("--auto_set_dymshape_mode", type=int, default=0)
parser.add_argument("--outputSize", default="")
options = parser.parse_args()
need_environment()
hang()
om = Om(options.model)
if fault().startswith("says "):
    raise RuntimeError(fault()[5:])
if fault() == "warns":
    print("[WARN] aclruntime version:0.0.1 is lower please update")
if fault() == "save":
    raise RuntimeError("save out files error array shape:(1, 4)")
out = Path(options.output, options.output_dirname)
out.mkdir(parents=True)
folders = [Path(place) for place in options.input.split(",")]
files = sorted(folders[0].iterdir())
spent = []
for number, file in enumerate(files):
    arrays = []
    for name, folder in zip(om.ranges, folders, strict=True):
        data = np.load(folder / file.name)
        if not om.static and not options.auto_set_dymshape_mode:
            raise RuntimeError("dynamic model: set the shape")
        if data.dtype != om.dtype() or (om.static and data.nbytes != om.size(name)):
            raise RuntimeError(f"arg0 tensorsize: {om.size(name)} filesize: {data.nbytes} not match")
        arrays.append(data if not om.static else data.reshape(om.shape(name)))
    before = time.perf_counter()
    outputs = om.run(arrays)
    spent.append(1000 * (time.perf_counter() - before))
    if not om.static:
        limits = [int(size) for size in options.outputSize.split(",")]
        if any(value.nbytes > limit for value, limit in zip(outputs, limits, strict=True)):
            raise RuntimeError("output buffer is too small")
    for place, value in enumerate(outputs):
        value = value.astype(np.float64) if fault() == "float64" and number == len(files) - 1 else value
        if options.outfmt == "NPY":
            np.save(out / f"{file.stem}_{place}.npy", value)
        else:
            value.tofile(out / f"{file.stem}_{place}.bin")
    if fault() == "killed":
        sys.exit(137)
mean = sum(spent) / len(spent)
summary = {"NPU_compute_time": {"mean": mean, "count": len(spent)}, "throughput": 1000 / mean}
Path(options.output, options.output_dirname + "_summary.json").write_text(json.dumps(summary))
print("[INFO] -----------------Performance Summary------------------")
print(f"[INFO] NPU_compute_time (ms): min = {min(spent)}, max = {max(spent)}, mean = {mean}")
