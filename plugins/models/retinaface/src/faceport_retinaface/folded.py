"""A checkpoint that exists as an ONNX export alone: its batch norms went into the convolutions before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EPSILON = 1e-5  # of a batch norm: what keeps it from dividing by zero
EXPORTED = re.compile(r"onnx::Conv_(\d+)")  # how the exporter calls tensors that it made itself
HEADS = {
    "class_head.class_head.": "ClassHead.",
    "bbox_head.bbox_head.": "BboxHead.",
    "landmark_head.landmark_head.": "LandmarkHead.",
}

# The convolutions before a batch norm in the order of their numbers: that of the first run through them.
BODY = [
    "body.stage1.0.0",
    *(
        f"body.{stage}.{block}.{layer}"
        for stage, blocks in (("stage1", range(1, 6)), ("stage2", range(6)), ("stage3", range(2)))
        for block in blocks
        for layer in (0, 3)
    ),
]
PYRAMID = [f"fpn.{name}.0" for name in ("output1", "output2", "output3", "merge2", "merge1")]
CONTEXT = [
    f"ssh{level}.{name}.0"
    for level in (1, 2, 3)
    for name in ("conv3X3", "conv5X5_1", "conv5X5_2", "conv7X7_2", "conv7x7_3")
]
CONVOLUTIONS = [*BODY, *PYRAMID, *CONTEXT]


def unfolded(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give tensors of such an export our names, and each convolution a batch norm that only adds its bias.

    Any other state dict is left as it is.
    """
    numbered = {
        int(found[1]): tensor for name, tensor in state.items() if (found := EXPORTED.fullmatch(name))
    }
    tensors = [tensor for _, tensor in sorted(numbered.items())]
    if len(tensors) != 2 * len(CONVOLUTIONS):
        return state
    ours: dict[str, Any] = {}
    for name, weight, bias in zip(CONVOLUTIONS, tensors[::2], tensors[1::2], strict=True):
        layer, _, position = name.rpartition(".")
        norm = f"{layer}.{int(position) + 1}"
        nothing = 0 * bias
        ours |= {f"{name}.weight": weight, f"{norm}.bias": bias, f"{norm}.weight": nothing + 1}
        ours |= {f"{norm}.running_mean": nothing, f"{norm}.running_var": nothing + (1 - EPSILON)}
    for name, tensor in state.items():
        for theirs, head in HEADS.items():
            if name.startswith(theirs):
                level, _, kind = name.removeprefix(theirs).partition(".")
                ours[f"{head}{level}.conv1x1.{kind}"] = tensor
    return ours
