"""Torch modules to ONNX, with the free dimensions that the network declares."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from faceport.api import Network
from faceport.errors import FaceportError
from faceport.networks.modules import load_module

OPSET = 17


def export_onnx(network: Network, path: Path) -> None:
    """Trace the module and write it as one ONNX file."""
    module = load_module(network)
    inputs = tuple(torch.from_numpy(tensor) for tensor in network.example_inputs().values())
    specs = (*network.inputs, *network.outputs)
    free = {spec.name: {i: n for i, n in enumerate(spec.shape) if isinstance(n, str)} for spec in specs}
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of every shape that it reads
            torch.onnx.export(
                module,
                inputs,
                str(path),
                input_names=[spec.name for spec in network.inputs],
                output_names=[spec.name for spec in network.outputs],
                dynamic_axes=free,
                opset_version=OPSET,
                dynamo=False,  # the other exporter takes minutes and fixes sizes that should stay free
            )
    except OSError:
        raise
    except Exception as error:
        raise FaceportError(
            f"network '{network.name}' cannot be exported to ONNX: {str(error).splitlines()[0]}"
        ) from error
    _tidy(network, path)


def _tidy(network: Network, path: Path) -> None:
    """Write the declared shapes into the file (the tracer gives up on some), and check it."""
    graph = onnx.load(path)
    _share_weights(graph.graph)
    declared = {spec.name: spec.shape for spec in network.outputs}
    for output in graph.graph.output:
        for dimension, size in zip(output.type.tensor_type.shape.dim, declared[output.name], strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
    onnx.checker.check_model(graph, full_check=True)
    graph.producer_name = "faceport"
    onnx.save(graph, path)


def _share_weights(graph: onnx.GraphProto) -> None:
    """Let nodes share a weight directly: quantisers do not look through the Identity of the tracer."""
    weights = {tensor.name for tensor in graph.initializer}
    copies = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Identity" and node.input[0] in weights
    }
    originals = [node for node in graph.node if node.output[0] not in copies]
    for node in originals:
        for index, name in enumerate(node.input):
            node.input[index] = copies.get(name, name)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in originals]
    del graph.node[:]
    graph.node.extend(nodes)
