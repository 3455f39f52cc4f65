"""The network of face-api.js for 68 landmarks: four blocks of separable convolutions, densely added up."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.blocks import initialise

CHANNELS = (32, 64, 128, 256)
LANDMARKS = 68


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Build a depthwise 3x3 and a pointwise convolution with nothing between them."""
    padding = 1 if stride == 1 else 0
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))


class DenseBlock(nn.Module):
    """Halve the map; then add to it, layer by layer, what is made of the sum so far."""

    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, outputs, 3, 2) if first else separable(inputs, outputs, stride=2)
        self.conv1 = separable(outputs, outputs)
        self.conv2 = separable(outputs, outputs)
        self.conv3 = separable(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, 2 h, 2 w) to (B, outputs, h, w)."""
        # TensorFlow pads an even map for a stride of two on the right and below only.
        total = F.relu(self.conv0(F.pad(x, (0, 1, 0, 1))))
        layer = total
        for conv in (self.conv1, self.conv2, self.conv3):
            total = total + conv(layer)
            layer = F.relu(total)
        return layer


class LandmarkNet(nn.Module):
    """Map crops of faces to the places of their landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.dense0 = DenseBlock(3, CHANNELS[0], first=True)
        self.dense1 = DenseBlock(CHANNELS[0], CHANNELS[1], first=False)
        self.dense2 = DenseBlock(CHANNELS[1], CHANNELS[2], first=False)
        self.dense3 = DenseBlock(CHANNELS[2], CHANNELS[3], first=False)
        self.pool = nn.AvgPool2d(7, 2)
        self.fc = nn.Linear(CHANNELS[3], 2 * LANDMARKS)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, 112, 112), (RGB - mean) / 255, to x, y in shares of the crop: (B, 136)."""
        x = self.dense3(self.dense2(self.dense1(self.dense0(x))))
        return cast(Tensor, self.fc(self.pool(x).flatten(1)))
