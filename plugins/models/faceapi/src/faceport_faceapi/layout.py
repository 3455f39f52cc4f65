"""State dicts of TensorFlow.js as ours: other names, channels first, scales folded into convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OUT_IN_FIRST = (3, 2, 0, 1)  # (height, width, in, out) -> (out, in, height, width)
CHANNEL_FIRST = (2, 3, 0, 1)  # (height, width, channels, 1) -> (channels, 1, height, width)


def from_tensorflow(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Translate the tensors of one of face-api's manifests; any other state dict is left as it is."""
    if not {"fc", "fc/weights"} & set(state):
        return state
    ours: dict[str, Any] = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition("/")
        key = layer.replace("/", ".")
        separable = f"{layer}/pointwise_filter" in state
        if kind == "bias":
            ours[f"{key}.1.bias" if separable else f"{key}.bias"] = tensor
        elif tensor.dim() == 2:  # (in, out)
            ours["fc.weight"] = tensor.t()
        elif kind == "depthwise_filter":
            ours[f"{key}.0.weight"] = tensor.permute(CHANNEL_FIRST)
        elif tensor.dim() == 4:
            ours[f"{key}.1.weight" if separable else f"{key}.weight"] = tensor.permute(OUT_IN_FIRST)
    return _with_scales(ours, state)


def _with_scales(ours: Mapping[str, Any], state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fold what the recogniser multiplies and adds behind each convolution into that convolution."""
    folded = dict(ours)
    for name in state:
        if not name.endswith("/scale/weights"):
            continue
        layer = name.removesuffix("/scale/weights")
        key = layer.replace("/", ".")
        scale, shift = state[name], state[f"{layer}/scale/biases"]
        folded[f"{key}.weight"] = folded.pop(f"{key}.conv.weight") * scale.reshape(-1, 1, 1, 1)
        folded[f"{key}.bias"] = folded.pop(f"{key}.conv.bias") * scale + shift
    return folded
