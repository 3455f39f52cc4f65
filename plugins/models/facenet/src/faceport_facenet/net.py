"""InceptionResnetV1 (https://arxiv.org/abs/1602.07261) with the state-dict keys of facenet-pytorch."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.blocks import initialise


class ConvNorm(nn.Module):
    """Convolve, normalise and clip below zero."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H', W')."""
        return F.relu(self.bn(self.conv(x)))


class InceptionBlock(nn.Module):
    """Add the projected, concatenated branches, scaled down, to the input."""

    def __init__(
        self, branches: list[nn.Module], width: int, channels: int, scale: float, relu: bool = True
    ) -> None:
        super().__init__()
        self.names = [f"branch{i}" for i in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.scale = scale
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, channels, H, W)."""
        branches = torch.cat([self.get_submodule(name)(x) for name in self.names], 1)
        x = x + self.scale * self.conv2d(branches)
        return F.relu(x) if self.relu else x


def block35(scale: float = 0.17) -> InceptionBlock:
    """Build the block of the 35x35 grid of the paper (17x17 for 160 pixels)."""
    branches: list[nn.Module] = [
        ConvNorm(256, 32, 1),
        nn.Sequential(ConvNorm(256, 32, 1), ConvNorm(32, 32, 3, padding=1)),
        nn.Sequential(ConvNorm(256, 32, 1), ConvNorm(32, 32, 3, padding=1), ConvNorm(32, 32, 3, padding=1)),
    ]
    return InceptionBlock(branches, 96, 256, scale)


def block17(scale: float = 0.10) -> InceptionBlock:
    """Build the block of the 17x17 grid of the paper (8x8 for 160 pixels)."""
    branches = [ConvNorm(896, 128, 1), _cross(896, 128, 7)]
    return InceptionBlock(branches, 256, 896, scale)


def block8(scale: float = 0.20, relu: bool = True) -> InceptionBlock:
    """Build the block of the 8x8 grid of the paper (3x3 for 160 pixels)."""
    branches = [ConvNorm(1792, 192, 1), _cross(1792, 192, 3)]
    return InceptionBlock(branches, 384, 1792, scale, relu)


def _cross(in_channels: int, width: int, kernel: int) -> nn.Sequential:
    """Build a 1xk and a kx1 convolution in place of one kxk."""
    return nn.Sequential(
        ConvNorm(in_channels, width, 1),
        ConvNorm(width, width, (1, kernel), padding=(0, kernel // 2)),
        ConvNorm(width, width, (kernel, 1), padding=(kernel // 2, 0)),
    )


class Reduction(nn.Module):
    """Halve the grid by strided branches beside a maximum."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.names = [f"branch{i}" for i in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C + C', H / 2, W / 2)."""
        branches = [self.get_submodule(name)(x) for name in self.names]
        return torch.cat([*branches, F.max_pool2d(x, 3, 2)], 1)


class InceptionResnetV1(nn.Module):
    """Embed 160-pixel faces, or classify them where `classes` asks for logits."""

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.conv2d_1a = ConvNorm(3, 32, 3, stride=2)
        self.conv2d_2a = ConvNorm(32, 32, 3)
        self.conv2d_2b = ConvNorm(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = ConvNorm(64, 80, 1)
        self.conv2d_4a = ConvNorm(80, 192, 3)
        self.conv2d_4b = ConvNorm(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = Reduction(
            [
                ConvNorm(256, 384, 3, stride=2),
                nn.Sequential(
                    ConvNorm(256, 192, 1), ConvNorm(192, 192, 3, padding=1), ConvNorm(192, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*(block17() for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 384, 3, stride=2)),
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, stride=2)),
                nn.Sequential(
                    ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, padding=1), ConvNorm(256, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*(block8() for _ in range(5)))
        self.block8 = block8(scale=1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=1e-3)
        self.logits = nn.Linear(512, classes) if classes else None
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, 160, 160), (RGB - 127.5) / 128, to unit vectors (B, 512) or logits (B, classes)."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(self.maxpool_3a(x))))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.avgpool_1a(self.block8(self.repeat_3(x))).flatten(1)
        x = self.last_bn(self.last_linear(x))
        return F.normalize(x) if self.logits is None else cast(Tensor, self.logits(x))
