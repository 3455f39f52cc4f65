"""An exported network held against the module that it came from, down to the node where they part."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from faceport.api import Network
from faceport.errors import FaceportError
from faceport.graph.taps import float_tensors, tap
from faceport.networks.modules import activations, load_module, run_module
from faceport.networks.parity import compare, compare_calls, worst
from faceport.networks.reference import onnx_runner
from faceport.types import Tensors

TOLERANCE = 1e-3  # largest error of an export, relative to the spread of the output


def check_export(network: Network, path: Path, calls: Sequence[Tensors]) -> dict[str, Any]:
    """Compare an exported network with its torch module; name the first node that differs."""
    module, run = load_module(network), onnx_runner(network, path)
    try:
        answers = [run(inputs) for inputs in calls]
        report = compare_calls([run_module(network, module, inputs) for inputs in calls], answers)
    except ValueError as error:
        raise FaceportError(f"network '{network.name}' was exported wrongly: {error}") from error
    output, error_ = worst(report)
    if not error_ <= TOLERANCE:
        where = diverging_node(network, module, path, calls[0])
        raise FaceportError(
            f"network '{network.name}' was exported wrongly: output '{output}' is off by {error_:.2g} of its "
            f"spread. {where}"
        )
    return {"calls": len(calls), "outputs": report}


def diverging_node(network: Network, module: Any, path: Path, inputs: Tensors) -> str:
    """Say up to which node an ONNX file computes what its torch module computes."""
    graph = onnx.load(path)
    makers = float_tensors(graph)
    with tempfile.TemporaryDirectory() as folder:
        tapped = Path(folder) / "tapped.onnx"
        onnx.save(tap(graph, makers), tapped)
        values = onnx_runner(network, tapped)(inputs)
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in makers:
        by_shape[values[name].shape].append(name)
    right = {
        name
        for activation in activations(network, module, inputs)
        for name in by_shape[activation.shape]
        if compare(activation, values[name])["max_rel"] <= TOLERANCE
    }
    for node in reversed(graph.graph.node):  # what leads to a right tensor is right too
        if right.intersection(node.output):
            right.update(node.input)
    live = {value.name for value in graph.graph.input}  # weights that pass through a node say nothing
    for node in graph.graph.node:
        if live.isdisjoint(node.input):
            continue
        live.update(node.output)
        if any(output in makers and output not in right for output in node.output):
            return f"The first node that differs is '{node.name}' ({node.op_type})."
    return "Every node agrees with a torch module: the outputs are mixed up."
