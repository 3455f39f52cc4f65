"""Every reader of files from outside, given some 20,000 damaged ones; FACEPORT_ATTACK=50 makes it a million.

What a damaged file says must be sound, or be refused in one sentence. A crash of native code ends the tests.
"""

from __future__ import annotations

import importlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from faceport.data import matlab
from faceport.data.archive import Archive, open_archive
from faceport.data.headers import picture_size
from faceport.data.pictures import decode
from faceport.data.predictions import read_predictions, to_json
from faceport.data.videos import VideoWriter, read_video
from faceport.errors import FaceportError
from faceport.places import LEDGER, Outputs
from faceport.testing.damage import attack, cases
from faceport.testing.drawn import draw_faces, draw_picture
from faceport.testing.test_attack import check_truth, reader
from faceport.types import FIELDS, Faces, Prediction
from faceport_aflw.dataset import load as load_aflw
from faceport_coco_keypoints.dataset import parse as parse_coco
from faceport_cofw.dataset import Cofw, CofwOptions
from faceport_lapa.dataset import parse as parse_lapa
from faceport_lfw.dataset import parse as parse_lfw
from faceport_pairs.dataset import identities
from faceport_pairs.dataset import parse as parse_pairs
from faceport_w300.dataset import parse as parse_pts
from faceport_wflw.dataset import parse as parse_wflw
from faceport_widerface_dataset.annotations import read_mat, read_subset, read_text
from faceport_widerface_dataset.predictions import parse as parse_official

Read = Callable[[bytes], object]
FILE = "annotations"


class Target(NamedTuple):
    """A reader: a whole file, how to read it, how many damaged ones it is given as a rule."""

    whole: bytes
    read: Read
    usual: int


def sample(plugin: str, name: str) -> bytes:
    package = Path(importlib.import_module(plugin).__file__).parent
    return (package / "sample" / name).read_bytes()


def truths(parse: Callable[[str, bytes], Any]) -> Read:
    def read(content: bytes) -> None:
        for faces in parse(FILE, content).values():
            check_truth(faces)

    return read


def landmarks(parse: Callable[[str, bytes], np.ndarray]) -> Read:
    def read(content: bytes) -> None:
        assert np.isfinite(parse(FILE, content)).all()

    return read


def official(content: bytes) -> None:
    rows = parse_official(content, FILE).astype(np.float32)
    assert np.isfinite(rows[:, :2] + rows[:, 2:4]).all()


# MATLAB: as it is, and damaged within what is packed, which the check sum of zlib protects from small damage


def packed(content: bytes) -> bytes:
    """Pack each variable of a MATLAB file, whatever it holds."""
    parts, at = [content[:128]], 128
    while at + 8 <= len(content):
        size = 8 + min(int.from_bytes(content[at + 4 : at + 8], "little"), len(content) - at - 8)
        data = zlib.compress(content[at : at + size], 1)
        parts.append(struct.pack("<II", 15, len(data)) + data)
        at += size
    return b"".join(parts)


def widerface(content: bytes) -> None:
    files = {"face.mat": content, "easy.mat": sample("faceport_widerface_dataset", EASY)}
    for faces in read_mat(files.__getitem__, "face.mat", {"easy": "easy.mat"}).values():
        check_truth(faces)


def levels(content: bytes) -> None:
    files = {"face.mat": sample("faceport_widerface_dataset", FACE), "easy.mat": content}
    for faces in read_mat(files.__getitem__, "face.mat", {"easy": "easy.mat"}).values():
        check_truth(faces)


FACE, EASY = "ground_truth/wider_face_val.mat", "ground_truth/wider_easy_val.mat"


def cofw(folder: Path) -> Read:
    path = folder / "COFW_test_color.mat"
    read = reader(path, lambda: Cofw(CofwOptions(root=str(folder))))

    def with_pictures(content: bytes) -> None:
        read(content)
        for one in Cofw(CofwOptions(root=str(folder))):
            picture(lambda one=one: one.image)

    return with_pictures


# Predictions


def predictions() -> bytes:
    known = draw_faces(60, 80, 2, FIELDS)
    full = known.with_fields(identities=np.array(["Ann", "Bo"]), landmarks=known.landmarks[:, :3])
    lines = [full, Faces(), draw_faces(60, 80, 1, ["boxes", "scores"]), draw_faces(60, 80, 1, ["identities"])]
    return b"".join(to_json(Prediction(f"a/{i}.jpg", faces)) for i, faces in enumerate(lines))


def read_lines(path: Path) -> Read:
    def read(content: bytes) -> None:
        path.write_bytes(content)
        ids = set()
        for prediction in read_predictions(path):
            check_truth(prediction.faces.with_fields(scores=None))  # some networks score beyond 0..1
            assert isinstance(prediction.id, str) and prediction.id not in ids
            ids.add(prediction.id)
            to_json(prediction)

    return read


def ledger(folder: Path) -> Read:
    """Whatever a ledger says: what it has no true hash of is not written over."""
    (folder / "mine.txt").write_bytes(b"mine")

    def read(content: bytes) -> None:
        (folder / LEDGER).write_bytes(content)
        with pytest.raises(FaceportError):
            Outputs(folder).write("mine.txt", b"theirs")
        assert (folder / "mine.txt").read_bytes() == b"mine"

    return read


# Archives and pictures


def archives(path: Path) -> Read:
    def read(content: bytes) -> None:
        path.write_bytes(content)
        archive: Archive = open_archive(path)
        names = [*archive.names()]
        archive.state(names)
        for name in names:
            with suppress(OSError):
                archive.read(name)

    return read


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            archive.writestr(f"a/{kind}.txt", b"text " * 20, kind)
    return file.getvalue()


def tarred(mode: str, form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:
        for name in ("a/1.txt", "a/" + "long" * 40 + ".txt", "é.txt"):
            info = tarfile.TarInfo(name)
            info.size = 100
            archive.addfile(info, io.BytesIO(b"text " * 20))
    return file.getvalue()


def picture(look: Callable[[], np.ndarray]) -> None:
    try:
        pixels = look()
    except FaceportError:
        return
    assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8


def pixels(content: bytes) -> None:
    image = decode(content)
    size = picture_size(content)
    assert image.ndim == 3 and image.dtype == np.uint8
    height, width = image.shape[:2]
    assert size is not None and height * width <= size[0] * size[1], "more was decoded than was allowed"


def encoded(suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, draw_picture(24, 40))
    assert done
    return data.tobytes()


def video(folder: Path) -> tuple[bytes, Read]:
    path = folder / "clip.mp4"
    with VideoWriter(path) as writer:
        for i in range(6):
            writer.write(draw_picture(48, 64, i))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        for one in read_video(path):
            picture(lambda one=one: one.image)

    return path.read_bytes(), read


def targets(folder: Path) -> dict[str, Target]:
    wflw = sample("faceport_wflw", "list_98pt_rect_attr_test.txt")
    text = b"0--A/a.jpg\n2\n1 2 3 4 0 1 0 1 2 1\n5 6 7 8 2 0 1 0 0 0\n0--A/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
    subset = read_text(FILE, text)
    face, easy = (sample("faceport_widerface_dataset", name) for name in (FACE, EASY))
    aflw = sample("faceport_aflw", "AFLWinfo_release.mat")
    return {
        "wflw": Target(wflw, truths(parse_wflw), 1500),
        "300w": Target(sample("faceport_w300", "ibug/one.pts"), landmarks(parse_pts), 1200),
        "lapa": Target(sample("faceport_lapa", "test/landmarks/one.txt"), landmarks(parse_lapa), 1200),
        "lfw": Target(sample("faceport_lfw", "pairs.txt"), lambda content: parse_lfw(FILE, content), 1500),
        "pairs": Target(
            sample("faceport_pairs", "pairs.csv"),
            lambda content: identities(parse_pairs(FILE, content), FILE),
            1500,
        ),
        "coco": Target(sample("faceport_coco_keypoints", "annotations.json"), truths(parse_coco), 1500),
        "widerface list": Target(text, truths(read_text), 1500),
        "widerface subset": Target(
            b"0--A/a.jpg\n0--A/b.jpg\n", lambda content: read_subset(FILE, content, subset), 800
        ),
        "widerface official": Target(b"a\n2\n1 2 3 4 0.5\n5 6 7 8 0.25\n", official, 1500),
        "widerface mat": Target(face, widerface, 800),
        "widerface mat, packed": Target(face, lambda content: widerface(packed(content)), 800),
        "widerface levels": Target(easy, levels, 600),
        "aflw": Target(aflw, lambda content: load_aflw(FILE, content), 600),
        "aflw, packed": Target(aflw, lambda content: load_aflw(FILE, packed(content)), 600),
        "cofw": Target(sample("faceport_cofw", "COFW_test_color.mat"), cofw(folder), 300),
        "predictions": Target(predictions(), read_lines(folder / "predictions.jsonl"), 2000),
        "ledger": Target(f"{'0' * 64}  mine.txt\n".encode() * 3, ledger(folder), 300),
        "zip": Target(zipped(), archives(folder / "files.zip"), 600),
        "tar": Target(tarred("w", tarfile.GNU_FORMAT), archives(folder / "files.tar"), 600),
        "tar.gz": Target(tarred("w:gz", tarfile.PAX_FORMAT), archives(folder / "files.tgz"), 300),
        "pax": Target(tarred("w", tarfile.PAX_FORMAT), archives(folder / "pax.tar"), 300),
        **{
            suffix: Target(encoded(suffix), pixels, 300)
            for suffix in (".jpg", ".png", ".bmp", ".webp", ".tif")
        },
        ".gif": Target(encoded(".gif"), pixels, 100),
        "video": Target(*video(folder), 100),
    }


NAMES = [
    *(
        "wflw",
        "300w",
        "lapa",
        "lfw",
        "pairs",
        "coco",
        "widerface list",
        "widerface subset",
        "widerface official",
    ),
    *(
        "widerface mat",
        "widerface mat, packed",
        "widerface levels",
        "aflw",
        "aflw, packed",
        "cofw",
        "predictions",
    ),
    *("ledger", "zip", "tar", "tar.gz", "pax", ".jpg", ".png", ".bmp", ".webp", ".tif", ".gif", "video"),
]


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    target = targets(tmp_path)[name]
    outcome = attack(target.read, target.whole, cases(target.usual))
    assert not outcome.faults, str(outcome)
    assert outcome.refused or name == "ledger", "nothing was refused: was anything damaged?"


def test_every_reader_is_attacked(tmp_path: Path) -> None:
    assert [*targets(tmp_path)] == NAMES
    assert sum(target.usual for target in targets(tmp_path).values()) >= 20_000


def test_a_reader_that_fails_is_found() -> None:
    outcome = attack(int, b"12345", 200)
    assert any("ValueError" in what for what in outcome.faults.values())

    def rude(content: bytes) -> None:
        if content != b"12345":
            raise FaceportError(f"no number at all: {content.decode('latin-1')}\x1b[31m")

    assert any("terminal" in what for what in attack(rude, b"12345", 20).faults.values())


def test_what_is_whole_is_read_as_scipy_reads_it() -> None:
    scipy_io = pytest.importorskip("scipy.io")
    for plugin, name in (("faceport_widerface_dataset", FACE), ("faceport_aflw", "AFLWinfo_release.mat")):
        content = sample(plugin, name)
        for file in (content, packed(content)):
            known = {k: v for k, v in scipy_io.loadmat(io.BytesIO(file)).items() if k[0] != "_"}
            found = matlab.read_matlab(name, file, [*known])
            assert known.keys() == found.keys()
            for key, value in known.items():
                assert same(value, found[key]), key


def same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype == object:
        return one.shape == other.shape and all(map(same, one.ravel(), other.ravel()))
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
