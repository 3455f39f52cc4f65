"""MobileFaceNet (https://arxiv.org/abs/1804.07573), with the keys of Xiaoccer/MobileFaceNet_Pytorch."""

from collections import OrderedDict
from typing import Any, cast

from torch import Tensor, nn

# Blocks that follow each other: channels, how much wider inside, how many, stride of the first.
STAGES = ((64, 2, 5, 2), (128, 4, 1, 2), (128, 2, 6, 1), (128, 4, 1, 2), (128, 2, 2, 1))


def convolved(inputs: int, outputs: int, size: int | tuple[int, int], **options: Any) -> list[nn.Module]:
    """Convolve and normalise."""
    return [nn.Conv2d(inputs, outputs, size, bias=False, **options), nn.BatchNorm2d(outputs)]


def unit(
    inputs: int, outputs: int, size: int | tuple[int, int], last: bool = False, **options: Any
) -> nn.Module:
    """Convolve and normalise, and let a PReLU follow but at the end of the network."""
    conv, bn = convolved(inputs, outputs, size, **options)
    layers: list[tuple[str, nn.Module]] = [("conv", conv), ("bn", bn)]
    return nn.Sequential(OrderedDict(layers if last else [*layers, ("prelu", nn.PReLU(outputs))]))


class Block(nn.Module):
    """Widen, convolve each channel, narrow; added to what came in where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, growth: int, stride: int) -> None:
        super().__init__()
        wide = inputs * growth
        self.added = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *convolved(inputs, wide, 1),
            nn.PReLU(wide),
            *convolved(wide, wide, 3, stride=stride, padding=1, groups=wide),
            nn.PReLU(wide),
            *convolved(wide, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        found = cast(Tensor, self.conv(x))
        return x + found if self.added else found


class Net(nn.Module):
    """Compute the embedding of aligned faces."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = unit(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = unit(64, 64, 3, padding=1, groups=64)
        blocks, inputs = [], 64
        for outputs, growth, count, stride in STAGES:
            for number in range(count):
                blocks.append(Block(inputs, outputs, growth, 1 if number else stride))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = unit(128, 512, 1)
        self.linear7 = unit(512, 512, (7, 6), last=True, groups=512)
        self.linear1 = unit(512, 128, 1, last=True)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (n, 3, 112, 96) -> (n, 128)."""
        x = self.blocks(self.dw_conv1(self.conv1(x)))
        return cast(Tensor, self.linear1(self.linear7(self.conv2(x))).flatten(1))
