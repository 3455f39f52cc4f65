"""ResNet (https://arxiv.org/abs/1512.03385) with the state-dict keys of the published checkpoints.

The stride of a bottleneck sits in its 3x3 convolution ("v1.5"), as the public ImageNet checkpoints have it.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

BRANCH = 0.5  # of what an untrained block adds to its input: in equal parts, sixteen blocks explode


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Build the projection of a shortcut, None where the shortcut is the identity."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Run two 3x3 convolutions beside a shortcut (ResNet 18 and 34)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        nn.init.constant_(self.bn2.weight, BRANCH)
        self.downsample = _projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return cast(Tensor, self.relu(x + shortcut))


class Bottleneck(nn.Module):
    """Run 1x1, 3x3 and 1x1 convolutions beside a shortcut (ResNet 50 and deeper)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        nn.init.constant_(self.bn3.weight, BRANCH)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, 4 * width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return cast(Tensor, self.relu(x + shortcut))


class ResNet(nn.Module):
    """Extract feature maps at strides 4, 8, 16 and 32; classify where `num_classes` asks for an `fc`.

    A model whose checkpoint has these keys at its root subclasses it, others keep it as a submodule.
    """

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: Sequence[int], num_classes: int = 0
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(block, 64, 64, depths[0], stride=1)
        self.layer2 = _stage(block, 64 * block.expansion, 128, depths[1], stride=2)
        self.layer3 = _stage(block, 128 * block.expansion, 256, depths[2], stride=2)
        self.layer4 = _stage(block, 256 * block.expansion, 512, depths[3], stride=2)
        self.channels = tuple(width * block.expansion for width in (64, 128, 256, 512))  # of `features`
        self.fc = nn.Linear(self.channels[-1], num_classes) if num_classes else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the maps of the four stages, at strides 4, 8, 16 and 32, `channels` deep."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits where there is an `fc`, the map at stride 32 otherwise."""
        last = self.features(x)[-1]
        if self.fc is None:
            return last
        return cast(Tensor, self.fc(F.adaptive_avg_pool2d(last, 1).flatten(1)))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], in_channels: int, width: int, depth: int, stride: int
) -> nn.Sequential:
    first = block(in_channels, width, stride)
    rest = [block(width * block.expansion, width) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


def resnet18(num_classes: int = 0) -> ResNet:
    """Build ResNet-18, without a classifier by default."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes)


def resnet50(num_classes: int = 0) -> ResNet:
    """Build ResNet-50, without a classifier by default."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes)


def resnet101(num_classes: int = 0) -> ResNet:
    """Build ResNet-101, without a classifier by default."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes)
