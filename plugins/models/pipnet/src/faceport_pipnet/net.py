"""PIPNet (https://arxiv.org/abs/2003.03771): five 1x1 heads on the map of a backbone, with the official keys.

A folded network also holds what is otherwise done before and after it: it takes crops as they are, uint8 RGB
rows of pixels, and gives landmarks. Its state dict is the same.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.iresnet import IResNet
from faceport.nets.mobilenet_v1 import MobileNetV1Quarter
from faceport.nets.mobilenet_v2 import MobileNetV2
from faceport.nets.mobilenet_v3 import MobileNetV3
from faceport.nets.resnet import BasicBlock, Bottleneck, ResNet
from faceport.ops.images import IMAGENET_MEAN, IMAGENET_STD

Maps = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
Out = Maps | Tensor  # landmarks (B, L, 2), 0..1 of the crop, from a folded network

HALVINGS = {32: 0, 64: 1, 128: 2}  # stride -> how often the map of the backbone, at stride 32, is halved


class Normalise(nn.Module):
    """Turn uint8 RGB rows of pixels into normalised planes."""

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (B, H, W, 3) to (B, 3, H, W)."""
        return (crops.permute(0, 3, 1, 2).float() - self.get_buffer("mean")) / self.get_buffer("std")


class Decode(nn.Module):
    """Do what `faceport_pipnet.decode.decode` does, as part of the graph."""

    def __init__(self, table: NDArray[np.integer]) -> None:
        super().__init__()
        self.register_buffer("table", torch.from_numpy(table.astype(np.int64)), persistent=False)

    def forward(self, scores: Tensor, x: Tensor, y: Tensor, nb_x: Tensor, nb_y: Tensor) -> Tensor:
        """Map the five maps to landmarks (B, L, 2), 0..1 of the crop."""
        height, width = scores.shape[2:]
        best = scores.flatten(2).argmax(2, keepdim=True)  # (B, L, 1)
        cells = torch.cat((best, best.repeat_interleave(nb_x.shape[1] // x.shape[1], 1)), 1)
        across = torch.cat((x, nb_x), 1).flatten(2).gather(2, cells) + cells % width
        down = torch.cat((y, nb_y), 1).flatten(2).gather(2, cells) + cells // width
        positions = torch.cat((across / width, down / height), 2)  # (B, L + L * N, 2)
        return positions[:, self.get_buffer("table")].mean(2)


class PipHeads(nn.Module):
    """Score the cells of a grid; place each landmark, and those around it, relative to each cell."""

    head_names: ClassVar = ("cls_layer", "x_layer", "y_layer", "nb_x_layer", "nb_y_layer")

    def add_heads(self, channels: int, landmarks: int, neighbours: int, stride: int) -> None:
        """Add the heads, behind a strided convolution for each halving of the map."""
        self.enter: nn.Module = nn.Identity()
        self.leave: nn.Module | None = None
        self.halvings = [(f"layer{i}", f"bn{i}") for i in range(5, 5 + HALVINGS[stride])]
        for conv, norm in self.halvings:
            self.add_module(conv, nn.Conv2d(channels, 512, 3, 2, 1))
            self.add_module(norm, nn.BatchNorm2d(512))
            channels = 512
        counts = (landmarks,) * 3 + (landmarks * neighbours,) * 2
        for name, count in zip(self.head_names, counts, strict=True):
            head = nn.Conv2d(channels, count, 1)
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
            self.add_module(name, head)

    def fold(self, table: NDArray[np.integer]) -> None:
        """Take normalisation and decoding into the network; `table` says whose votes are averaged."""
        self.enter, self.leave = Normalise(), Decode(table)

    def run_heads(self, x: Tensor) -> Out:
        """Map (B, C, H, W) to three maps (B, L, h, w) and two (B, L * N, h, w), or to landmarks."""
        for conv, norm in self.halvings:
            x = F.relu(self.get_submodule(norm)(self.get_submodule(conv)(x)))
        scores, dx, dy, nb_dx, nb_dy = (self.get_submodule(name)(x) for name in self.head_names)
        maps = (scores, dx, dy, nb_dx, nb_dy)
        return maps if self.leave is None else cast(Tensor, self.leave(*maps))


class PipResNet(ResNet, PipHeads):
    """Put the heads on a ResNet."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        landmarks: int,
        neighbours: int,
        stride: int,
    ) -> None:
        super().__init__(block, depths)
        self.add_heads(self.channels[-1], landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Out:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(self.enter(x)))


class PipMobileNetV2(MobileNetV2, PipHeads):
    """Put the heads on MobileNetV2."""

    def __init__(self, landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__()
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Out:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(self.enter(x)))


class PipMobileNetV3(MobileNetV3, PipHeads):
    """Put the heads on MobileNetV3-Large."""

    def __init__(self, landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__()
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Out:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(self.enter(x)))


class PipSlim(MobileNetV1Quarter, PipHeads):
    """Put the heads on a quarter of MobileNet v1."""

    def __init__(self, landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__()
        self.add_heads(self.channels[-1], landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Out:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(self.enter(x)))


class PipIResNet(IResNet, PipHeads):
    """Put the heads, under the names of jahongir7174/PIPNet, on an improved ResNet."""

    head_names: ClassVar = ("score", "offset_x", "offset_y", "neighbor_x", "neighbor_y")

    def __init__(self, depths: Sequence[int], landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__(depths)
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Out:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(self.enter(x)))


BACKBONES: dict[str, Callable[[int, int, int], PipHeads]] = {  # (landmarks, neighbours, stride)
    "resnet18": partial(PipResNet, BasicBlock, (2, 2, 2, 2)),
    "resnet50": partial(PipResNet, Bottleneck, (3, 4, 6, 3)),
    "resnet101": partial(PipResNet, Bottleneck, (3, 4, 23, 3)),
    "mobilenet_v2": PipMobileNetV2,
    "mobilenet_v3": PipMobileNetV3,
    "slim": PipSlim,
    "ir18": partial(PipIResNet, (2, 2, 2, 2)),
    "ir50": partial(PipIResNet, (3, 4, 14, 3)),
    "ir100": partial(PipIResNet, (3, 13, 30, 3)),
}
