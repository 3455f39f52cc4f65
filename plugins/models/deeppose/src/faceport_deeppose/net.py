"""DeepPose (https://arxiv.org/abs/1312.4659) on ResNet-50, with the state-dict keys of mmpose 0.x."""

from typing import cast

from torch import Tensor, nn

from faceport.nets.resnet import resnet50


class RegressionHead(nn.Module):
    """Read the coordinates of all landmarks from one vector."""

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.landmarks = landmarks
        self.fc = nn.Linear(channels, landmarks * 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels) to (B, landmarks, 2)."""
        return cast(Tensor, self.fc(x)).reshape(-1, self.landmarks, 2)


class DeepPoseNet(nn.Module):
    """Regress landmarks, 0..1 of the crop, from the mean of the last map of a ResNet-50."""

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.backbone = resnet50()
        self.keypoint_head = RegressionHead(self.backbone.channels[-1], landmarks)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, 256, 256), RGB normalised as for ImageNet, to (B, landmarks, 2)."""
        return cast(Tensor, self.keypoint_head(self.backbone(x).mean((2, 3))))
