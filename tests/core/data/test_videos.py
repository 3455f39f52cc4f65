from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from faceport.data import videos
from faceport.errors import FaceportError
from tests.core.data.test_pictures import scene


@pytest.fixture(params=[".mp4", ".avi"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"clip{request.param}"
    with videos.VideoWriter(path, fps=10) as writer:
        for index in range(20):  # brightness tells the frame
            writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
    return path


def test_video_frames_come_in_order_with_names(video: Path) -> None:
    samples = list(videos.read_video(video))
    assert [sample.id for sample in samples[::19]] == [f"{video.name}#000000", f"{video.name}#000019"]
    assert len(samples) == videos.probe_video(video).frames == 20
    assert videos.probe_video(video).fps == pytest.approx(10)


def test_video_frames_may_be_looked_at_in_any_thread_and_order(video: Path) -> None:
    samples = list(videos.read_video(video))
    with ThreadPoolExecutor(4) as pool:
        means = list(pool.map(lambda sample: sample.image.mean(), samples[::-1]))[::-1]
    np.testing.assert_allclose(means, 10 * np.arange(20), atol=5)


def test_every_nth_frame(video: Path) -> None:
    samples = list(videos.read_video(video, every=6))
    assert [sample.id[-6:] for sample in samples] == ["000000", "000006", "000012", "000018"]
    np.testing.assert_allclose([sample.image.mean() for sample in samples], [0, 60, 120, 180], atol=5)


def test_video_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "red.avi"
    with videos.VideoWriter(path) as writer:
        writer.write(np.full((48, 64, 3), (200, 30, 30), np.uint8))
    (sample,) = videos.read_video(path)
    np.testing.assert_allclose(sample.image.mean(axis=(0, 1)), (200, 30, 30), atol=12)


def test_video_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    with pytest.raises(FaceportError, match=r"bad\.mp4: there is no such video"):
        next(videos.read_video(path))
    path.write_bytes(b"no video at all")
    with pytest.raises(FaceportError, match=r"bad\.mp4: not a video.*15 bytes"):
        next(videos.read_video(path))


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with videos.VideoWriter(tmp_path / "clip.mp4") as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(FaceportError, match="one size"):
            writer.write(np.zeros((64, 48, 3), np.uint8))


def test_formats_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"'\.wmv'.*\.mp4"):
        videos.VideoWriter(tmp_path / "x.wmv")


def test_folder_that_does_not_exist_is_named_when_writing(tmp_path: Path) -> None:
    with (
        pytest.raises(FaceportError, match=r"x\.mp4: OpenCV cannot write"),
        videos.VideoWriter(tmp_path / "gone" / "x.mp4") as writer,
    ):
        writer.write(scene())
