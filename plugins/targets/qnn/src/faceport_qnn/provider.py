"""ONNX Runtime's QNN provider: registered once, asked in one manner, understood when it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import onnx

from faceport.errors import FaceportError
from faceport.targets.machine import silence
from faceport_qnn.options import QnnOptions

NAME = "QNNExecutionProvider"
STRICT = "session.disable_cpu_ep_fallback"
COMPILED = "EPContext"  # the operator that stands for a compiled part


@cache
def devices() -> tuple[Any, ...]:
    """Register the provider and list its devices: the NPU, or what stands in for it."""
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library(NAME, onnxruntime_qnn.get_library_path())
    return tuple(one for one in onnxruntime.get_ep_devices() if one.ep_name == NAME)


def open_session(
    model: str | bytes, options: QnnOptions, entries: Mapping[str, str], strict: bool = True
) -> Any:
    """Open a network on the NPU; strict: the NPU has all of it, or this is an error."""
    import onnxruntime
    import onnxruntime_qnn

    with silence():
        config = onnxruntime.SessionOptions()
        config.log_severity_level = 4
        for key, value in {STRICT: str(int(strict)), **entries}.items():
            config.add_session_config_entry(key, value)
        chip = options.known
        told = {
            "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
            "soc_model": str(chip.model),
            "htp_arch": str(chip.architecture),
            "offload_graph_io_quantization": "0",  # the NPU rounds its inputs by itself
            **({"enable_htp_fp16_precision": "1"} if options.precision == "fp16" else {}),
        }
        config.add_provider_for_devices(list(devices()), told)
        return onnxruntime.InferenceSession(model, config)


def compile_context(model: onnx.ModelProto, out: Path, options: QnnOptions) -> None:
    """Compile a network into one file; name the first node that the NPU has not."""
    entries = {
        "ep.context_enable": "1",
        "ep.context_file_path": str(out),
        "ep.context_embed_mode": "1",
    }
    content = model.SerializeToString()
    try:
        open_session(content, options, entries)
    except Exception as error:  # onnxruntime's own classes differ between versions
        out.unlink(missing_ok=True)
        raise FaceportError(_foreign(content, options, entries, out) or first_cause(error)) from error
    if not out.is_file():
        raise FaceportError("it gave no compiled network")


def _foreign(content: bytes, options: QnnOptions, entries: Mapping[str, str], out: Path) -> str:
    """Say which nodes are left when the NPU has taken what it knows; empty where that is not the reason."""
    try:
        open_session(content, options, entries, strict=False)
        nodes = [node for node in onnx.load(out).graph.node if node.op_type != COMPILED]
    except Exception:  # then it is not for want of operators: the first error counts
        return ""
    finally:
        out.unlink(missing_ok=True)
    if not nodes:
        return ""
    more = f" nor {len(nodes) - 1} others" if len(nodes) > 1 else ""
    return f"the NPU has no {nodes[0].op_type} as node '{nodes[0].name}' wants it{more}"


def first_cause(error: BaseException) -> str:
    """Find the error that was there first: ONNX Runtime tries again, and reports what came of that."""
    while error.__context__ is not None:
        error = error.__context__
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
