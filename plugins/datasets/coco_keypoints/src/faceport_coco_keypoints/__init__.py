"""COCO-style keypoints as a faceport dataset."""

from collections.abc import Mapping

from faceport.api import Dataset
from faceport.hooks import hookimpl


@hookimpl
def datasets() -> Mapping[str, type[Dataset]]:
    """Answer with the dataset class."""
    from faceport_coco_keypoints.dataset import CocoKeypoints

    return {"coco_keypoints": CocoKeypoints}
