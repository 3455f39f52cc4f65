"""The losses of PIPNet: scores of all cells by their squares, places by absolute errors at the true cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def map_losses(outputs: Any, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compare the five maps with what they should be: (b,) for each."""
    scores, x, y, nb_x, nb_y = outputs
    cell = targets["cell"]  # (b, k)
    wanted = torch.zeros_like(scores).flatten(2).scatter_(2, cell.unsqueeze(2), 1.0)
    found = {"score": (scores.flatten(2) - wanted).square().mean((1, 2))}
    around = cell.repeat_interleave(nb_x.shape[1] // x.shape[1], 1)
    for name, maps, at in (("x", x, cell), ("y", y, cell), ("nb_x", nb_x, around), ("nb_y", nb_y, around)):
        placed = maps.flatten(2).gather(2, at.unsqueeze(2)).squeeze(2)
        found[name] = (placed - targets[name]).abs().mean(1)
    return found
