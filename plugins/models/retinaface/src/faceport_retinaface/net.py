"""RetinaFace (https://arxiv.org/abs/1905.00641): a pyramid of three maps, context heads, two anchors a cell.

Module names are those of the published PyTorch checkpoints, so that their state dicts load as they are.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.blocks import conv_bn, initialise
from faceport.nets.mobilenet_v1 import MobileNetV1Quarter
from faceport.nets.resnet import ResNet, resnet50

ANCHORS_PER_CELL = 2
PIXEL_SCALE = 60.0  # spread of pixels minus their mean: they come unscaled
# An untrained network is to call few anchors faces (1.5 %, below the usual threshold): with half a face in
# each, a run with random weights would measure the suppression of ten thousand boxes.
CLASS_BIAS = (0.0, math.log(0.015 / 0.985))

# name -> (builder, depth of the pyramid)
BACKBONES: dict[str, tuple[Callable[[], ResNet | MobileNetV1Quarter], int]] = {
    "mobilenet0.25": (MobileNetV1Quarter, 64),
    "resnet50": (resnet50, 256),
}


def leak_for(out_channels: int) -> float:
    """Return the slope that the checkpoints were trained with: narrow layers leak, wide ones do not."""
    return 0.1 if out_channels <= 64 else 0.0


class Pyramid(nn.Module):
    """Merge three maps top-down to one depth (FPN)."""

    def __init__(self, in_channels: tuple[int, ...], out_channels: int) -> None:
        super().__init__()
        leak = leak_for(out_channels)
        self.output1 = conv_bn(in_channels[0], out_channels, kernel=1, leak=leak)
        self.output2 = conv_bn(in_channels[1], out_channels, kernel=1, leak=leak)
        self.output3 = conv_bn(in_channels[2], out_channels, kernel=1, leak=leak)
        self.merge1 = conv_bn(out_channels, out_channels, leak=leak)
        self.merge2 = conv_bn(out_channels, out_channels, leak=leak)

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps of the sizes of the inputs, all `out_channels` deep."""
        p5 = self.output3(c5)
        p4 = self.output2(c4)
        p4 = self.merge2(p4 + _resize_to(p5, p4))
        p3 = self.output1(c3)
        return self.merge1(p3 + _resize_to(p4, p3)), p4, p5


def _resize_to(x: Tensor, other: Tensor) -> Tensor:
    # To the size of the other map, not by a factor of two: sides are rounded up on the way down, so that a
    # doubled map can be one cell too large.
    return F.interpolate(x, size=other.shape[2:], mode="nearest")


class Context(nn.Module):
    """Look at 3x3, 5x5 and 7x7 neighbourhoods, the larger ones as chains of 3x3 convolutions (SSH)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter, leak = channels // 2, channels // 4, leak_for(channels)
        self.conv3X3 = conv_bn(channels, half, leak=None)
        self.conv5X5_1 = conv_bn(channels, quarter, leak=leak)
        self.conv5X5_2 = conv_bn(quarter, quarter, leak=None)
        self.conv7X7_2 = conv_bn(quarter, quarter, leak=leak)
        self.conv7x7_3 = conv_bn(quarter, quarter, leak=None)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        chain = self.conv5X5_1(x)
        wide = self.conv7x7_3(self.conv7X7_2(chain))
        return F.relu(torch.cat((self.conv3X3(x), self.conv5X5_2(chain), wide), dim=1))


class Head(nn.Module):
    """Predict as many numbers for each anchor of each cell as `bias`, their first values, has."""

    def __init__(self, channels: int, bias: Sequence[float]) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, ANCHORS_PER_CELL * len(bias), 1)
        nn.init.normal_(self.conv1x1.weight, std=0.01)
        self.conv1x1.bias = nn.Parameter(torch.tensor(bias).repeat(ANCHORS_PER_CELL))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, H * W * anchors * values), cells row by row."""
        values: Tensor = self.conv1x1(x)
        return values.permute(0, 2, 3, 1).flatten(1)


class RetinaFaceNet(nn.Module):
    """Map a batch of images to box offsets, probabilities and landmark offsets of every anchor.

    In: (B, 3, H, W) float32, BGR minus the mean colour, any H and W.
    Out: loc (B, P, 4), conf (B, P, 2: background and face, softmaxed), landms (B, P, 10), with
    P = 2 * sum(ceil(H / s) * ceil(W / s) for s in (8, 16, 32)).
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        build, channels = BACKBONES[backbone]
        self.body = build()
        self.fpn = Pyramid(self.body.channels[-3:], channels)
        self.ssh1 = Context(channels)
        self.ssh2 = Context(channels)
        self.ssh3 = Context(channels)
        self.ClassHead = nn.ModuleList(Head(channels, CLASS_BIAS) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(channels, [0.0] * 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(channels, [0.0] * 10) for _ in range(3))
        for part in (self.fpn, self.ssh1, self.ssh2, self.ssh3):
            initialise(part)
        stem = next(layer for layer in self.body.modules() if isinstance(layer, nn.Conv2d))
        with torch.no_grad():
            stem.weight /= PIXEL_SCALE

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (loc, conf, landms)."""
        p3, p4, p5 = self.fpn(*self.body.features(x)[-3:])
        maps = self.ssh1(p3), self.ssh2(p4), self.ssh3(p5)
        loc = _anchor_rows(self.BboxHead, maps, 4)
        conf = _anchor_rows(self.ClassHead, maps, 2)
        landms = _anchor_rows(self.LandmarkHead, maps, 10)
        return loc, conf.softmax(dim=-1), landms


def _anchor_rows(heads: nn.ModuleList, maps: tuple[Tensor, ...], values: int) -> Tensor:
    # Flattened, joined and shaped once at the end: a third of the shape arithmetic in the exported graph.
    flat = torch.cat([head(level) for head, level in zip(heads, maps, strict=True)], dim=1)
    return flat.reshape(flat.shape[0], -1, values)
