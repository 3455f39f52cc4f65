"""Networks as the other edits want them: constants apart, and every node with a name of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import version_converter

from faceport.errors import ConfigError, FaceportError, suggest


def load(path: Path, opset: int = 0) -> onnx.ModelProto:
    """Read a network, in at least this version of ONNX's operators, and bring it into order."""
    model = onnx.load(path)
    _order(model)
    version = next((used.version for used in model.opset_import if used.domain in ("", "ai.onnx")), opset)
    if version >= opset:
        return model
    names = {node.output[0]: node.name for node in model.graph.node}
    outputs = list(model.graph.output)
    shown = {output.name for output in outputs}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
    try:
        model = version_converter.convert_version(model, opset)
    except (RuntimeError, ValueError) as error:
        reason = str(error).rpartition("failed: ")[2].strip()  # its first half is a line of C++
        raise FaceportError(
            f"{path}: written in version {version} of ONNX's operators, cannot be rewritten in {opset} "
            f"({reason}): export it again, in a newer version"
        ) from error
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    for node in model.graph.node:
        node.name = names.get(node.output[0], "")  # replaced operators have lost theirs
    _order(model)
    return model


def _order(model: onnx.ModelProto) -> None:
    lift_constants(model)
    name_nodes(model)


def lift_constants(model: onnx.ModelProto) -> None:
    """Turn Constant nodes into initializers, so that bounds, scales and slopes are found in one place."""
    nodes = []
    for node in model.graph.node:
        value = {attribute.name: attribute for attribute in node.attribute}.get("value")
        if node.op_type == "Constant" and value is not None:
            value.t.name = node.output[0]
            model.graph.initializer.append(value.t)
        else:
            nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def name_nodes(model: onnx.ModelProto) -> None:
    """Name the nodes that have no name, or one that another has too, after what they compute."""
    names: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in names:
            node.name = f"{node.op_type}:{node.output[0]}"
        names.add(node.name)


def excluded(model: onnx.ModelProto, network: str, entries: Iterable[str]) -> list[str]:
    """Pick the nodes of one network from an exclude list of NODE and NETWORK:NODE; refuse unknown ones."""
    known = {node.name for node in model.graph.node}
    picked = []
    for entry in entries:
        owner, colon, rest = entry.partition(":")
        if entry not in known and colon and owner != network:
            continue  # another network of the model has it
        name = entry if entry in known or not colon else rest
        if name not in known:
            near = suggest(name, known).partition("Available:")[0]  # all names would fill the screen
            raise ConfigError(f"target.exclude: network '{network}' has no node '{name}'. {near}".rstrip())
        picked.append(name)
    return picked
