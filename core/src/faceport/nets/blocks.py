"""Convolution blocks whose state-dict keys are plain positions: 0 the convolution, 1 its batch norm."""

from torch import nn


def initialise(module: nn.Module) -> None:
    """Fill the convolutions below a module so that a signal keeps its size on its way through (Kaiming).

    An untrained network in eval mode has nothing else for it: with torch's own filling some twenty layers
    turn every picture into the same answer, and whatever is tested with random weights tests nothing.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")


def activation(leak: float) -> nn.Module:
    """Build a leaky ReLU; for a leak of zero the plain one, an operator that every chip has."""
    return nn.LeakyReLU(leak, inplace=True) if leak else nn.ReLU(inplace=True)


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    leak: float | None = 0.0,
) -> nn.Sequential:
    """Build a padded convolution with batch norm and activation; a leak of None leaves the activation out."""
    layers = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers) if leak is None else nn.Sequential(*layers, activation(leak))


def conv_separable(in_channels: int, out_channels: int, stride: int = 1, leak: float = 0.0) -> nn.Sequential:
    """Build a depthwise 3x3 and a pointwise convolution, each with batch norm and activation, in one list."""
    depthwise = conv_bn(in_channels, in_channels, 3, stride, in_channels, leak)
    return nn.Sequential(*depthwise, *conv_bn(in_channels, out_channels, kernel=1, leak=leak))
