"""dlib's ResNet for faces (https://github.com/davisking/dlib-models), scales folded into its convolutions."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from faceport.nets.blocks import initialise

LENGTH = 128  # of an embedding


class Residual(nn.Module):
    """Add two convolutions to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, channels, h, w)."""
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Down(nn.Module):
    """Add two convolutions, of which the first halves the map, to means of what came in."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.more = outputs - inputs  # channels
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h // 2, w // 2)."""
        pooled = F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.more))
        found = self.conv2(F.relu(self.conv1(x)))
        # Of an even map the convolution, which is not padded, leaves one row and one column less.
        missing = x.shape[-1] // 2 - (x.shape[-1] - 1) // 2
        return F.relu(pooled + F.pad(found, (0, missing, 0, missing)))


class RecognitionNet(nn.Module):
    """Map aligned faces to vectors whose distance says how alike they are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv32_down = nn.Conv2d(3, 32, 7, stride=2)
        self.conv32_1, self.conv32_2, self.conv32_3 = (Residual(32) for _ in range(3))
        self.conv64_down = Down(32, 64)
        self.conv64_1, self.conv64_2, self.conv64_3 = (Residual(64) for _ in range(3))
        self.conv128_down = Down(64, 128)
        self.conv128_1, self.conv128_2 = (Residual(128) for _ in range(2))
        self.conv256_down = Down(128, 256)
        self.conv256_1, self.conv256_2 = (Residual(256) for _ in range(2))
        self.conv256_down_out = Down(256, 256)
        self.fc = nn.Linear(256, LENGTH, bias=False)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, 150, 150), (RGB - mean) / 256, to (B, 128)."""
        x = F.max_pool2d(F.relu(self.conv32_down(x)), 3, 2)
        x = self.conv32_3(self.conv32_2(self.conv32_1(x)))
        x = self.conv64_3(self.conv64_2(self.conv64_1(self.conv64_down(x))))
        x = self.conv128_2(self.conv128_1(self.conv128_down(x)))
        x = self.conv256_down_out(self.conv256_2(self.conv256_1(self.conv256_down(x))))
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))
