import os
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceport.data import pictures
from faceport.data.headers import picture_size, scans
from faceport.errors import ConfigError, FaceportError, ImageError


def scene(height: int = 60, width: int = 80) -> np.ndarray:
    # Smooth, so that JPEG keeps it; red grows to the right, blue downwards.
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, np.full_like(x, 90), y * 255 / height], axis=-1).astype(np.uint8)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("suffix", pictures.PICTURES)
def test_what_is_written_is_read_back_as_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    pictures.write_picture(path, scene())
    picture = pictures.decode(path)
    assert picture.shape == (60, 80, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture.astype(int), scene(), atol=6)
    np.testing.assert_array_equal(picture, pictures.decode(path.read_bytes()))


def test_decoding_agrees_with_imread(tmp_path: Path) -> None:
    path = tmp_path / "rotated.jpg"
    path.write_bytes(with_orientation(pictures.encode(scene()), 6))
    picture = pictures.decode(path)
    assert picture.shape == (80, 60, 3)  # EXIF 6: turned by a quarter
    np.testing.assert_array_equal(picture, cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.full((5, 7, channels), 128, np.uint8))
    np.testing.assert_array_equal(pictures.decode(path), np.full((5, 7, 3), 128))


def test_unicode_path(tmp_path: Path) -> None:
    path = tmp_path / "görüntü 写真 🙂.png"
    pictures.write_picture(path, scene())
    np.testing.assert_array_equal(pictures.decode(str(path)), scene())


@pytest.mark.parametrize("suffix", pictures.PICTURES)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_truncated_picture_is_named_and_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    data = pictures.encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), suffix)
    path = tmp_path / f"half{suffix}"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageError, match=f"half{suffix}: .*damaged or truncated"):
        pictures.decode(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>404</html>", "not a picture"),
        (b"\xff\xd8\xff", "damaged or truncated"),
    ],
)
def test_unreadable_picture_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"odd.jpg: .*{reason}"):
        pictures.decode(path)
    with pytest.raises(ImageError, match=f"from a zip: .*{reason}"):
        pictures.decode(content, name="from a zip")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_more_pixels_than_are_decoded_are_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ImageError, match=r"bomb\.png: it has 30000x30000 pixels, more than the 100 megapixels"
    ):
        pictures.decode(png(30_000, 30_000), name="bomb.png")
    monkeypatch.setenv("FACEPORT_MEGAPIXELS", "20000")
    with pytest.raises(ImageError, match=r"bomb\.png: OpenCV refuses it"):
        pictures.decode(png(100_000, 100_000), name="bomb.png")
    monkeypatch.setenv("FACEPORT_MEGAPIXELS", "0.001")
    with pytest.raises(ImageError, match=r"it has 80x60 pixels.*FACEPORT_MEGAPIXELS"):
        pictures.decode(pictures.encode(scene()))
    monkeypatch.setenv("FACEPORT_MEGAPIXELS", "many")
    with pytest.raises(ConfigError, match="FACEPORT_MEGAPIXELS=many"):
        pictures.decode(pictures.encode(scene()))


FORMATS = (".jpg", ".png", ".bmp", ".webp", ".tif", ".gif", ".jp2", ".avif", ".ppm", ".pfm", ".hdr", ".ras")


@pytest.mark.parametrize("suffix", FORMATS)
def test_headers_say_what_decoding_gives(suffix: str) -> None:
    picture = scene(64, 96).astype(np.float32) / 255 if suffix in (".pfm", ".hdr") else scene(64, 96)
    try:
        _, data = cv2.imencode(suffix, picture)
    except cv2.error as error:
        pytest.skip(f"this OpenCV does not write {suffix}: {error.err}")
    assert picture_size(data.tobytes()) == (96, 64)
    assert pictures.decode(data.tobytes()).shape == (64, 96, 3)
    for size in range(32, len(data), 7):
        with suppress(ValueError):
            assert picture_size(data.tobytes()[:size]) == (96, 64)


def test_a_size_that_is_hidden_behind_stray_bytes_is_found() -> None:
    jpeg = pictures.encode(scene())
    frame = jpeg.index(b"\xff\xc0")
    for stray in (b"x", b"\0" * 9, b"\xff" * 5, b"\xff\0"):
        assert picture_size(jpeg[:frame] + stray + jpeg[frame:]) == (80, 60)
    with pytest.raises(ImageError, match="damaged or truncated"):
        pictures.decode(jpeg[:frame] + jpeg[frame + 19 :])


def test_a_jpeg_that_goes_over_its_pixels_again_and_again_is_refused() -> None:
    _, data = cv2.imencode(".jpg", scene(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    jpeg = data.tobytes()
    assert 5 < scans(jpeg) < 20 and scans(pictures.encode(scene())) == 1
    pictures.decode(jpeg)
    last = jpeg.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="JPEG of 5"):
        pictures.decode(jpeg[:last] + jpeg[last:-2] * 500 + jpeg[-2:])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rgb_comes_as_if_channels_were_turned_round_afterwards(orientation: int) -> None:
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111]):
        _, data = cv2.imencode(".jpg", scene()[..., ::-1], options)
        jpeg = with_orientation(data.tobytes(), orientation)
        turned = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(pictures.decode(jpeg), turned)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are for POSIX")
def test_a_pipe_or_a_device_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(ImageError, match="pipe, a socket or a device"):
            pictures.decode(path)
    with pytest.raises(ImageError, match="NUL|null"):
        pictures.decode("a\0.jpg")


def test_missing_picture_and_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: .*No such file"):
        pictures.decode(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match=f"{tmp_path.name}: .*directory"):
        pictures.decode(tmp_path)


def test_pictures_are_found_below_nested_folders_in_order(tmp_path: Path) -> None:
    wanted = ["A.JPG", "a/1.png", "a/b/2.TIFF", "a/c.webp", "b.jpeg", "z.bmp"]
    for name in [*wanted, "notes.txt", "._A.JPG", ".cache/x.jpg", "a/movie.mp4"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(pictures.find_pictures(tmp_path)) == wanted


def test_linked_folders_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.jpg").touch()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    assert list(pictures.find_pictures(tmp_path / "root")) == ["linked/x.jpg"]


def test_what_faceport_wrote_is_passed_over_below_a_folder(tmp_path):
    for name in ("a.jpg", "out/a.jpg", "out/predictions.jsonl", "other/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(pictures.find_pictures(tmp_path)) == ["a.jpg", "other/b.jpg"]
    assert list(pictures.find_pictures(tmp_path / "out")) == ["a.jpg"]  # it was asked for


def test_formats_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"'\.gif'.*\.png"):
        pictures.write_picture(tmp_path / "x.gif", scene())


def test_folder_that_does_not_exist_is_named_when_writing(tmp_path: Path) -> None:
    with pytest.raises(FaceportError, match=r"x\.png: cannot be written: No such file"):
        pictures.write_picture(tmp_path / "gone" / "x.png", scene())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
def test_full_disk_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.symlink_to("/dev/full")
    with pytest.raises(FaceportError, match=r"x\.png: cannot be written: No space left"):
        pictures.write_picture(path, scene())


def test_opencv_without_libgl_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
    )
    program = (
        "from faceport.errors import FaceportError\n"
        "try:\n    import faceport.data.pictures\nexcept FaceportError as error:\n    print(error)"
    )
    source = str(Path(pictures.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), source])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "libGL.so.1" in done.stdout
    assert "apt-get install libgl1" in done.stdout
    assert "opencv-python-headless" in done.stdout
    assert done.stdout.count("\n") == 1
