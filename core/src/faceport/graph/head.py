"""The narrow beginning of a network: many pixels of few channels, where 8 bits gain little and lose much."""

from __future__ import annotations

import onnx

from faceport.graph.layers import attribute, channel_axis, constants


def narrow_head(model: onnx.ModelProto, channels: int) -> list[str]:
    """Name the nodes before the first layers that read and make more than so many channels.

    A network that has no such layer has no such beginning either: nothing would be left of it.
    """
    weights = constants(model)
    reached = {value.name for value in model.graph.input} | set(weights)
    head: list[str] = []
    wide = False
    for node in model.graph.node:
        if not all(name in reached for name in node.input if name):
            continue
        axis = channel_axis(node, weights)
        if axis is not None and _narrowest(node, weights[node.input[1]].shape, axis) > channels:
            wide = True
            continue
        head.append(node.name)
        reached.update(node.output)
    return head if wide else []


def _narrowest(node: onnx.NodeProto, shape: tuple[int, ...], axis: int) -> int:
    """Count the channels that a layer reads for one output, or makes, whichever are fewer."""
    return min(shape[axis], shape[1 - axis]) if attribute(node, "group", 1) == 1 else 0
