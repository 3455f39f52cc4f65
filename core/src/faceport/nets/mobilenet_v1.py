"""MobileNet v1 (https://arxiv.org/abs/1704.04861) at a quarter of its width, with leaky activations.

Keys are those of the face detectors that made this variant common: `stage1.0.0.weight`, ...
"""

from torch import Tensor, nn

from faceport.nets.blocks import conv_bn, conv_separable, initialise

LEAK = 0.1


class MobileNetV1Quarter(nn.Module):
    """Extract feature maps at strides 8, 16 and 32; an image side that no stride divides is rounded up."""

    channels = (64, 128, 256)  # of `features`

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            conv_bn(3, 8, stride=2, leak=LEAK),
            conv_separable(8, 16, leak=LEAK),
            conv_separable(16, 32, stride=2, leak=LEAK),
            conv_separable(32, 32, leak=LEAK),
            conv_separable(32, 64, stride=2, leak=LEAK),
            conv_separable(64, 64, leak=LEAK),
        )
        self.stage2 = nn.Sequential(
            conv_separable(64, 128, stride=2, leak=LEAK),
            *(conv_separable(128, 128, leak=LEAK) for _ in range(5)),
        )
        self.stage3 = nn.Sequential(
            conv_separable(128, 256, stride=2, leak=LEAK),
            conv_separable(256, 256, leak=LEAK),
        )
        initialise(self)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps of the three stages, `channels` deep."""
        c3 = self.stage1(x)
        c4 = self.stage2(c3)
        return c3, c4, self.stage3(c4)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map at stride 32."""
        return self.features(x)[-1]
