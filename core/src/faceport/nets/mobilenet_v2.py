"""MobileNetV2 (https://arxiv.org/abs/1801.04381) with the state-dict keys of the published checkpoints."""

from typing import cast

from torch import Tensor, nn

from faceport.nets.blocks import initialise

# expansion, channels, blocks, stride of the first block
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand, filter each channel, and project back without an activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *([_conv(in_channels, width, 1)] if expansion != 1 else []),
            _conv(width, width, 3, stride, groups=width),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        out = self.conv(x)
        return cast(Tensor, x + out if self.residual else out)


class MobileNetV2(nn.Module):
    """Extract the map at stride 32, `channels` deep.

    A model whose checkpoint has these keys at its root subclasses it, others keep it as a submodule.
    """

    channels = 1280

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, stride=2)]
        in_channels = 32
        for expansion, channels, blocks, stride in _STAGES:
            for i in range(blocks):
                layers.append(InvertedResidual(in_channels, channels, stride if i == 0 else 1, expansion))
                in_channels = channels
        self.features = nn.Sequential(*layers, _conv(in_channels, self.channels, 1))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, channels, H / 32, W / 32)."""
        return cast(Tensor, self.features(x))
