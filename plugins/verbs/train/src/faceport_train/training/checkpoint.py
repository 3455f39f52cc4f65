"""States to go on from, and weights for others: whole files or none."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from faceport.errors import MissingError
from faceport.files import write_atomically


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state; after a power cut there is the old one or the new one."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getvalue(), durable=True)


def read_state(path: Path) -> dict[str, Any]:
    """Read a state without running code."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise MissingError(
            f"{path} is no state of a training: {str(error).splitlines()[0]}. Begin anew with fresh=true"
        ) from error
    return state


def write_weights(path: Path, module: nn.Module, facts: Mapping[str, str], half: bool = False) -> None:
    """Write weights as .safetensors, as `model.weights=` takes them."""
    state = {
        name: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in module.state_dict().items()
    }
    write_atomically(path, save(state, dict(facts)), durable=True)
