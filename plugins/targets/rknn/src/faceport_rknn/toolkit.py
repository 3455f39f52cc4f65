"""What runs in the Python that has rknn-toolkit2: one network in one process, nothing of faceport.

The toolkit answers 0 or raises a ValueError whose text is a traceback, and prints lines that begin with E
where all is well: what it raises and the files that it makes are all that counts.
"""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NETWORK = "network.onnx"
STAGES = ("network.model", "network.data", "network.quantization.cfg")  # between the halves of quantising
_opened: list[Any] = []


def answer(
    call: str, options: dict[str, Any], tensors: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do one of the things below."""
    if call == "version":
        return {"version": toolkit_version()}, {}
    try:
        os.chdir(options["folder"])
        if call == "build":
            return build(options), {}
        if call == "open":
            _opened.append(ready(options))
            _done(_opened[0].init_runtime(), "the simulator cannot start")
            return {}, {}
        return {}, run(options, tensors)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(re.sub(r"^\w*Error: ", "", lines[-1]) if lines else type(error).__name__) from error


def toolkit_version() -> str:
    """Read the toolkit's version without loading it; empty where it is not installed."""
    try:
        return version("rknn-toolkit2")
    except PackageNotFoundError:
        return ""


def build(options: dict[str, Any]) -> dict[str, Any]:
    """Compile network.onnx for a chip; say which of the tensors that were to stay in float there are."""
    kept = prepare(options) if options["precision"] == "int8" else []
    toolkit = ready(options)
    _done(toolkit.export_rknn(options["compiled"]), "nothing was exported")
    toolkit.release()
    return {"kept": kept}


def prepare(options: dict[str, Any]) -> list[str]:
    """Find the ranges, and note beside them what stays in float."""
    toolkit = loaded(options)
    _done(toolkit.hybrid_quantization_step1(dataset=options["dataset"]), "no ranges were found")
    toolkit.release()
    config = Path(STAGES[2])
    text = config.read_text()
    known = {name.strip("'\"") for name in re.findall(r"^ {4}(\S.*):$", text, re.MULTILINE)}
    kept = [name for name in options["floats"] if name in known]
    if kept:
        lines = "".join(f"    {json.dumps(name)}: float16\n" for name in kept)
        text, done = re.subn(r"^custom_quantize_layers: *\{\}\n", f"custom_quantize_layers:\n{lines}", text)
        if not done:
            raise ValueError("the toolkit writes its quantization.cfg otherwise than version 2.5.0 does")
        config.write_text(text)
    return kept


def ready(options: dict[str, Any]) -> Any:
    """Give the network as the toolkit has it when it is built."""
    if options["precision"] == "int8":
        from rknn.api import RKNN

        toolkit = RKNN(verbose=False)
        names = dict(zip(("model_input", "data_input", "model_quantization_cfg"), STAGES, strict=True))
        _done(toolkit.hybrid_quantization_step2(**names), "it cannot be quantised")
        return toolkit
    toolkit = loaded(options)
    _done(toolkit.build(do_quantization=False), "it cannot be built")
    return toolkit


def loaded(options: dict[str, Any]) -> Any:
    """Read network.onnx for a chip."""
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    folded = {}
    if options["mean"]:
        folded = {"mean_values": [options["mean"]], "std_values": [options["deviation"]]}
    ranges = {"quantized_algorithm": options["range"]} if options["precision"] == "int8" else {}
    _done(toolkit.config(target_platform=options["chip"], **folded, **ranges), "the configuration is refused")
    _done(toolkit.load_onnx(model=NETWORK), "the network cannot be read")
    return toolkit


def run(options: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    """Run the opened network once."""
    inputs = list(tensors.values())
    layout = "nhwc" if options["mean"] else "nchw"
    formats = [layout] * len(inputs) if all(value.ndim == 4 for value in inputs) else None
    outputs = _opened[0].inference(inputs=inputs, data_format=formats)
    if outputs is None:
        raise ValueError("the simulator gave no answer")
    return dict(zip(options["outputs"], outputs, strict=True))


def _done(code: int, otherwise: str) -> None:
    if code:
        raise ValueError(f"{otherwise} (code {code})")
