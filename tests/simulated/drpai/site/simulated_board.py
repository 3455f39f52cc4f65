"""What the simulated board computes: simulated_board.py MODEL DEVICE PLACE DRIVER INPUT OUT."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


def fault():
    return os.environ.get("DRPAI_SIMULATED_FAULT", "")


def refuse_place(about, place, driver):
    """Refuse what Renesas' driver refuses: another product's network, or one at another place."""
    from simulated_drp import ADDRESSES

    product, base = Path(driver).read_text().split()
    right = about["product"] == product
    if about["release"] == 1:
        right = right and about["place"] == ADDRESSES[product]
    else:
        right = right and about["place"] == 0 and place >= int(base)
    if not right or fault() == "assign":
        print("Error no is : 22")
        print("[ERROR] DRPAI_ASSIGN failed")
        sys.exit(1)


def compute(model, about, values):
    """Run a network on the accelerator."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(model / "deploy.params"), settings, providers=["CPUExecutionProvider"]
    )
    given = values.reshape(about["shape"]).astype(np.float16).astype(np.float32)
    outputs = session.run(None, {session.get_inputs()[0].name: given})
    outputs = [value.astype(np.float16) for value in outputs]
    return outputs[::-1] if fault() == "reversed" else outputs


def compute_by_tvm(model, about, values):
    """Run a network on the cores, by the TVM of faceport's plugin."""
    from faceport.api import Artifact, Network
    from faceport.types import TensorSpec
    from faceport_tvm.options import LIBRARY
    from faceport_tvm.session import TvmSession

    library = model / LIBRARY
    if not library.exists():
        library.symlink_to("deploy.so")
    specs = tuple(TensorSpec(name, ("batch",)) for name in about["names"])
    network = Network(
        "network", (TensorSpec(about["input"], ("batch", *about["shape"][1:])),), specs, batch=1
    )
    made_for = json.loads((model / "deploy.params").read_text())
    session = TvmSession(Artifact(model.resolve(), network, {}), "llvm", 1, made_for)
    found = session.run({about["input"]: values.reshape(about["shape"])})
    return [found[name] for name in about["names"]]


def main(model, device, place, driver, given, out):
    model = Path(model)
    if fault() == "hang":
        time.sleep(600)
    about = json.loads((model / "deploy.json").read_text())
    values = np.fromfile(given, np.float32)
    if device == "cpu":
        outputs = compute_by_tvm(model, about, values)
    else:
        refuse_place(about, int(place), driver)
        outputs = compute(model, about, values)
    for number, value in enumerate(outputs):
        value.tofile(f"{out}{number}")


if __name__ == "__main__":
    main(*sys.argv[1:])
