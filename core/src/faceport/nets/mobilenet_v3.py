"""MobileNetV3-Large (https://arxiv.org/abs/1905.02244) with the state-dict keys that PIPNet uses."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.blocks import initialise

# kernel, expanded width, channels, squeeze-and-excitation, hard swish, stride
_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


class SqueezeExcitation(nn.Module):
    """Weigh each channel by what the whole map says."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channels),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, channels, H, W)."""
        weight = cast(Tensor, self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        return x * weight[:, :, None, None]


class InvertedResidual(nn.Module):
    """Expand, filter each channel, weigh the channels, and project back without an activation."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        kernel: int,
        stride: int,
        excite: bool,
        swish: bool,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        depthwise = nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
        excitation = SqueezeExcitation(width, _round_to_8(width / 4)) if excite else nn.Identity()
        project = (nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        if in_channels == width:
            self.conv = nn.Sequential(
                depthwise, nn.BatchNorm2d(width), _activation(swish), excitation, *project
            )
        else:  # the checkpoints' order: weigh first, then activate
            self.conv = nn.Sequential(
                nn.Conv2d(in_channels, width, 1, bias=False),
                nn.BatchNorm2d(width),
                _activation(swish),
                depthwise,
                nn.BatchNorm2d(width),
                excitation,
                _activation(swish),
                *project,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        out = self.conv(x)
        return cast(Tensor, x + out if self.residual else out)


class MobileNetV3(nn.Module):
    """Extract the map at stride 32, `channels` deep.

    A model whose checkpoint has these keys at its root subclasses it, others keep it as a submodule.
    """

    channels = 960

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 16, 3, stride=2)]
        in_channels = 16
        for kernel, width, channels, excite, swish, stride in _BLOCKS:
            layers.append(InvertedResidual(in_channels, width, channels, kernel, stride, excite, swish))
            in_channels = channels
        self.features = nn.Sequential(*layers)
        self.conv = _conv(in_channels, self.channels, 1)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, channels, H / 32, W / 32)."""
        return cast(Tensor, self.conv(self.features(x)))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.Hardswish(inplace=True),
    )


def _activation(swish: bool) -> nn.Module:
    return nn.Hardswish(inplace=True) if swish else nn.ReLU(inplace=True)


def _round_to_8(width: float) -> int:
    """Round to a multiple of 8, up where rounding would lose more than a tenth."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
