import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

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
        pytest.raises(FaceportError, match=r"x\.mp4: cannot be written: No such file"),
        videos.VideoWriter(tmp_path / "gone" / "x.mp4") as writer,
    ):
        writer.write(scene())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_an_interrupted_video_keeps_what_it_has(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    with pytest.raises(KeyboardInterrupt), videos.VideoWriter(path) as writer:
        for index in range(5):
            writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
        raise KeyboardInterrupt
    assert len(list(videos.read_video(path))) == 5
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_video_that_does_not_fit_on_the_disk_is_noticed_and_removed(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("resource")  # a limit for files acts on encoders as a full disk does
    program = f"""
import resource, signal
import numpy as np
from faceport.data.videos import VideoWriter
from faceport.errors import FaceportError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0)
try:
    with VideoWriter("clip{suffix}") as writer:
        for _ in range(40):
            writer.write(noise.integers(0, 256, (120, 160, 3), dtype=np.uint8))
except FaceportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"clip{suffix}: the video cannot be written whole" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_ends_the_work_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos.shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    monkeypatch.setattr(Path, "stat", lambda self, **_: SimpleNamespace(st_size=100, st_mode=0o100644))
    written = 0
    with pytest.raises(FaceportError, match="is the disk that holds it full"):
        with videos.VideoWriter(tmp_path / "clip.mp4") as writer:
            for _ in range(1000):
                writer.write(np.zeros((48, 64, 3), np.uint8))
                written += 1
    assert written < 200


def test_frames_of_too_many_pixels_are_refused(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEPORT_MEGAPIXELS", "0.001")
    with pytest.raises(FaceportError, match="64x48 pixels.*FACEPORT_MEGAPIXELS"):
        next(videos.read_video(video))
