"""The simulated msame: INFO, WARN and ERROR on standard output, and 0 on several failures."""

import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from ascend_om import Om, fault, hang, need_environment

KNOWN = {"model", "input", "output", "outfmt", "device", "loop", "debug", "dymShape", "outputSize"}


def end(text, code=1):
    print(f"[ERROR] {text}")
    sys.exit(code)


def main():
    need_environment()
    words = sys.argv[1:]
    if len(words) % 2:
        end("invalid argument")
    options = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        if not name.startswith("--") or name[2:] not in KNOWN:
            end(f"unrecognized argument: {name}")
        options[name[2:]] = value
    print("[INFO] acl init success")
    hang()
    try:
        om = Om(options["model"])
    except RuntimeError as error:
        end(str(error))
    if fault().startswith("says "):
        end(fault()[5:], 0)
    print("[INFO] open device 0 success")
    folders = [Path(one) for one in options["input"].split(",")]
    names = sorted(path.name for path in folders[0].glob("*.bin")) if folders[0].is_dir() else []
    if not names or fault() == "missing input":
        end("input path is invalid", 0)  # msame says so and ends with 0
    shapes = {}
    if not om.static:
        if "dymShape" not in options or "outputSize" not in options:
            end("dynamic model needs --dymShape and --outputSize")
        for part in options["dymShape"].split(";"):
            name, _, sizes = part.partition(":")
            shapes[name] = [int(size) for size in sizes.split(",")]
    out = Path(options["output"]) / datetime.now().strftime("%Y%m%d_%H%M%S")
    out.mkdir(parents=True)
    print(out)
    for number, name in enumerate(names):
        arrays = []
        for key, folder in zip(om.ranges, folders, strict=True):
            shape = shapes.get(key) or om.shape(key)
            data = np.fromfile(folder / name, om.dtype())
            if data.nbytes != (folder / name).stat().st_size or data.size != int(np.prod(shape)):
                end(
                    f"arg0 tensorsize: {int(np.prod(shape)) * data.itemsize} filesize: "
                    f"{(folder / name).stat().st_size} not match",
                    0,
                )
            arrays.append(data.reshape(shape))
        if fault() == "skips" and number == 0:
            print(f"[ERROR] {name} failed")  # a failing file is skipped, and the end is success
            continue
        before = time.perf_counter()
        outputs = om.run(arrays)
        if not om.static:
            limits = [int(size) for size in options["outputSize"].split(",")]
            if any(value.nbytes > limit for value, limit in zip(outputs, limits, strict=True)):
                end("output buffer is too small")
        print(f"Inference time: {1000 * (time.perf_counter() - before):.2f}ms")
        for place, value in enumerate(outputs):
            value = value.astype(np.float64) if fault() == "float64" and number == len(names) - 1 else value
            value.tofile(out / f"{Path(name).stem}_output_{place}.bin")
        if fault() == "killed":
            sys.exit(137)
    print("Inference average time : 1.25 ms")
    print("Inference average time without first time: 1.20 ms")
    print("[INFO] pid: 1 Execute sample success")


main()
