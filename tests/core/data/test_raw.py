"""Frames of cameras: the bytes that OpenCV documents, and sentences for what is none."""

import cv2
import numpy as np
import pytest

from faceport.data.raw import Raw, read_raw
from faceport.errors import ConfigError, FaceportError, ImageError
from faceport.plugins.loading import create

SIDE = (48, 32)  # width, height


def yuyv_of(rgb: np.ndarray) -> bytes:
    """Pack RGB as a camera does: Y U Y V, limited range, one U and V for two pixels."""
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    packed = np.empty((*rgb.shape[:2], 2))
    packed[..., 0] = luma
    packed[:, 0::2, 1], packed[:, 1::2, 1] = ((one[:, 0::2] + one[:, 1::2]) / 2 for one in (u, v))
    return np.clip(np.rint(packed), 0, 255).astype(np.uint8).tobytes()


def smooth(seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(64, 192, (4, 6, 3), np.uint8)
    return cv2.resize(small, SIDE, interpolation=cv2.INTER_LINEAR)


def test_yuyv_is_read_as_cameras_write_it():
    picture = smooth()
    found = read_raw("yuyv:48x32").rgb(yuyv_of(picture))
    assert np.abs(found.astype(int) - picture).mean() < 3  # one colour for two pixels


def test_nv12_is_read_as_cameras_write_it():
    grey = np.full((32, 48), 126, np.uint8)
    found = Raw("nv12", *SIDE).rgb(grey.tobytes() + np.full((16, 48), 128, np.uint8).tobytes())
    assert found.shape == (32, 48, 3) and (np.abs(found.astype(int) - 128) <= 1).all()


@pytest.mark.parametrize("text", ["yuyv", "yuyv:47x32", "yuyv:0x32", "rgb:48x32", "nv12:48x99999"])
def test_what_is_no_format_is_refused(text):
    with pytest.raises(ConfigError, match="yuyv or nv12"):
        read_raw(text)


def test_a_folder_of_frames_is_a_dataset(tmp_path):
    pictures = [smooth(seed) for seed in range(3)]
    frames = [yuyv_of(picture) for picture in pictures]
    (tmp_path / "one.yuy2").write_bytes(frames[0])
    (tmp_path / "two.raw").write_bytes(frames[1] + frames[2])
    (tmp_path / "photo.png").write_bytes(b"no frame")
    dataset = create("dataset", "folder", path=str(tmp_path), raw="yuyv:48x32")
    samples = list(dataset)
    assert [sample.id for sample in samples] == ["one.yuy2", "two.raw#000000", "two.raw#000001"]
    assert len(dataset) == 3 and dataset.facts()["raw"] == "yuyv:48x32"
    for sample, picture in zip(samples, pictures, strict=True):
        assert np.abs(sample.image.astype(int) - picture).mean() < 3
    (tmp_path / "two.raw").write_bytes(frames[1][:-1])
    with pytest.raises(ImageError, match="no whole frames of yuyv, 48x32, which have 3072 each"):
        list(dataset)
    alone = create("dataset", "folder", path=str(tmp_path / "one.yuy2"), raw="yuyv:48x32")
    assert [sample.id for sample in alone] == ["one.yuy2"]
    with pytest.raises(FaceportError, match=r"dataset.raw=yuyv:640x480: .yuyv"):
        list(create("dataset", "folder", path=str(tmp_path / "one.yuy2")))
