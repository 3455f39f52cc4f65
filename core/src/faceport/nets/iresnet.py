"""Improved ResNet (https://arxiv.org/abs/1801.07698) with the keys of jahongir7174/PIPNet."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolve, normalise and activate."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, prelu: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.PReLU(out_channels) if prelu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return cast(Tensor, self.relu(self.norm(self.conv(x))))


class Residual(nn.Module):
    """Run a normalisation and two 3x3 convolutions beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = (
            nn.MaxPool2d(1, stride)
            if in_channels == out_channels
            else ConvNorm(in_channels, out_channels, 1, stride)
        )
        self.conv2 = nn.Sequential(
            nn.BatchNorm2d(in_channels),  # cannot be folded: the convolution behind it pads with zeros
            ConvNorm(in_channels, out_channels, 3, 1, prelu=True),
            ConvNorm(out_channels, out_channels, 3, stride),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return cast(Tensor, self.conv1(x) + self.conv2(x))


class IResNet(nn.Module):
    """Extract the map at stride 32, `channels` deep, from four stages of `depths` blocks.

    A model whose checkpoint has these keys at its root subclasses it, others keep it as a submodule.
    """

    channels = 512

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.p1 = nn.Sequential(ConvNorm(3, 64, 3, 2, prelu=True))
        self.p2 = _stage(64, 64, depths[0])
        self.p3 = _stage(64, 128, depths[1])
        self.p4 = _stage(128, 256, depths[2])
        self.p5 = _stage(256, 512, depths[3])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, channels, H / 32, W / 32)."""
        return cast(Tensor, self.p5(self.p4(self.p3(self.p2(self.p1(x))))))


def _stage(in_channels: int, out_channels: int, depth: int) -> nn.Sequential:
    first = Residual(in_channels, out_channels, stride=2)
    return nn.Sequential(first, *(Residual(out_channels, out_channels, stride=1) for _ in range(depth - 1)))
