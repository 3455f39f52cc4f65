"""PIPNet (https://arxiv.org/abs/2003.03771): five 1x1 heads on the map of a backbone, with the official keys."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from faceport.nets.iresnet import IResNet
from faceport.nets.mobilenet_v2 import MobileNetV2
from faceport.nets.mobilenet_v3 import MobileNetV3
from faceport.nets.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional as F

Maps = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]

HALVINGS = {32: 0, 64: 1, 128: 2}  # stride -> how often the map of the backbone, at stride 32, is halved


class PipHeads(nn.Module):
    """Score the cells of a grid; place each landmark, and those around it, relative to each cell."""

    head_names: ClassVar = ("cls_layer", "x_layer", "y_layer", "nb_x_layer", "nb_y_layer")

    def add_heads(self, channels: int, landmarks: int, neighbours: int, stride: int) -> None:
        """Add the heads, behind a strided convolution for each halving of the map."""
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

    def run_heads(self, x: Tensor) -> Maps:
        """Map (B, C, H, W) to scores, x, y (B, L, h, w) and neighbours' x, y (B, L * N, h, w)."""
        for conv, norm in self.halvings:
            x = F.relu(self.get_submodule(norm)(self.get_submodule(conv)(x)))
        scores, dx, dy, neighbour_dx, neighbour_dy = (self.get_submodule(name)(x) for name in self.head_names)
        return scores, dx, dy, neighbour_dx, neighbour_dy


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

    def forward(self, x: Tensor) -> Maps:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(x))


class PipMobileNetV2(MobileNetV2, PipHeads):
    """Put the heads on MobileNetV2."""

    def __init__(self, landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__()
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Maps:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(x))


class PipMobileNetV3(MobileNetV3, PipHeads):
    """Put the heads on MobileNetV3-Large."""

    def __init__(self, landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__()
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Maps:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(x))


class PipIResNet(IResNet, PipHeads):
    """Put the heads, under the names of jahongir7174/PIPNet, on an improved ResNet."""

    head_names: ClassVar = ("score", "offset_x", "offset_y", "neighbor_x", "neighbor_y")

    def __init__(self, depths: Sequence[int], landmarks: int, neighbours: int, stride: int) -> None:
        super().__init__(depths)
        self.add_heads(self.channels, landmarks, neighbours, stride)

    def forward(self, x: Tensor) -> Maps:  # type: ignore[override]
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to the five maps."""
        return self.run_heads(super().forward(x))


BACKBONES: dict[str, Callable[[int, int, int], PipHeads]] = {  # (landmarks, neighbours, stride)
    "resnet18": partial(PipResNet, BasicBlock, (2, 2, 2, 2)),
    "resnet50": partial(PipResNet, Bottleneck, (3, 4, 6, 3)),
    "resnet101": partial(PipResNet, Bottleneck, (3, 4, 23, 3)),
    "mobilenet_v2": PipMobileNetV2,
    "mobilenet_v3": PipMobileNetV3,
    "ir18": partial(PipIResNet, (2, 2, 2, 2)),
    "ir50": partial(PipIResNet, (3, 4, 14, 3)),
    "ir100": partial(PipIResNet, (3, 13, 30, 3)),
}
