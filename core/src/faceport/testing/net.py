"""The smallest network that has what targets stumble over: a convolution, a branch, two outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from faceport.types import Array


class TinyNet(nn.Module):
    """Give a map of features, and scores of their means."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, hidden, 3, padding=1)
        self.head = nn.Linear(hidden, 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, 3, height, width) to (batch, hidden, height, width) and (batch, 2)."""
        features = self.convolution(image).relu()
        return features, self.head(features.mean(dim=(2, 3)))


def save_weights(weights: Mapping[str, Array], path: Path) -> None:
    """Write a checkpoint."""
    torch.save({name: torch.from_numpy(value) for name, value in weights.items()}, path)
