"""What a trainer must know of PIPNet: its inputs, its targets and its losses, as they were published.

The cell that a landmark lies in scores 1, all others 0. Only at that cell the landmark and its neighbours are
placed, in sides of a cell from its corner; neighbours may lie far outside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faceport.api import Network
from faceport.ops.images import IMAGENET_MEAN, IMAGENET_STD, to_batch
from faceport.ops.landmarks import convert
from faceport_pipnet.decode import Floats, Ints

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class PipnetLesson:
    """Teach one PIPNet: landmarks are shares of the crop's sides."""

    network: Network
    size: int  # pixels of a crop's side
    scale: float  # of the boxes that crops show
    points: int  # of the set that the landmarks belong to
    subset: Sequence[int] | None
    mirror: Sequence[int]  # position of each landmark's mirror image
    nearest: Ints  # (k, n) neighbours of each landmark
    grid: int  # cells of a side

    weights: ClassVar[Mapping[str, float]] = {  # of the parts of the loss, as published
        "score": 10.0,
        "x": 1.0,
        "y": 1.0,
        "nb_x": 1.0,
        "nb_y": 1.0,
    }

    def read(self, landmarks: NDArray[Any]) -> NDArray[Any]:
        """Read labelled landmarks (n, k, 2) as those that the network places."""
        read = convert(landmarks, self.points)
        return read if self.subset is None else read[:, list(self.subset)]

    def inputs(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Normalise RGB crops: n x (size, size, 3) -> (n, 3, size, size)."""
        return to_batch(crops, IMAGENET_MEAN, IMAGENET_STD)

    def targets(self, landmarks: Floats) -> dict[str, NDArray[Any]]:
        """Say what the network should answer for landmarks (b, k, 2), 0..1 of the crop."""
        cells = np.clip(np.floor(landmarks * self.grid), 0, self.grid - 1).astype(np.int64)
        own = landmarks * self.grid - cells
        around = landmarks[:, self.nearest] * self.grid - cells[:, :, None]  # (b, k, n, 2)
        around = around.reshape(len(landmarks), -1, 2)
        return {
            "cell": cells[..., 1] * self.grid + cells[..., 0],
            "x": own[..., 0].astype(np.float32),
            "y": own[..., 1].astype(np.float32),
            "nb_x": around[..., 0].astype(np.float32),
            "nb_y": around[..., 1].astype(np.float32),
        }

    def losses(self, outputs: Any, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Measure each part of the loss for every row of the batch: (b,) each."""
        from faceport_pipnet.net_loss import map_losses

        return map_losses(outputs, targets)
