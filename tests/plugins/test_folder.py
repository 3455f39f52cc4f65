import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Model, Network, Steps
from faceport.data.pictures import write_picture
from faceport.data.videos import VideoWriter
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.errors import ConfigError, FaceportError, ImageError
from faceport.plugins.loading import create
from faceport.types import Faces, Sample
from faceport_folder.dataset import Folder, FolderOptions


class Brightness(Model):
    """Looks at pictures, needs no network."""

    @property
    def networks(self) -> Mapping[str, Network]:
        return {}

    def predict(self, sample: Sample) -> Steps:
        return Faces(scores=sample.image.mean(keepdims=True).reshape(1) / 255)
        yield


def flat(value: int) -> np.ndarray:
    return np.full((12, 16, 3), value, np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for index, name in enumerate(("b.png", "a/2.png", "a/1.PNG", "a/deep/er/x.bmp")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(root / name, flat(10 * index))
    (root / "notes.txt").write_text("not a picture")
    return root


def ids(path: Path | str, **options: int) -> list[str]:
    return [sample.id for sample in Folder(FolderOptions(str(path), **options))]


def test_nested_folder(photos: Path) -> None:
    dataset = create("dataset", "folder", path=str(photos))
    samples = list(dataset)
    assert [sample.id for sample in samples] == ["a/1.PNG", "a/2.png", "a/deep/er/x.bmp", "b.png"]
    assert [int(sample.image.mean()) for sample in samples] == [20, 10, 30, 0]
    assert all(sample.truth is None for sample in samples)
    assert len(dataset) == 4
    assert not dataset.truth


def test_one_picture_and_patterns(photos: Path) -> None:
    assert ids(photos / "b.png") == ["b.png"]
    assert ids(photos / "*" / "*.png") == ["a/2.png"]
    assert ids(photos / "**" / "*.[bp]*") == ["a/2.png", "a/deep/er/x.bmp", "b.png"]
    assert ids(photos / "**") == ["a/1.PNG", "a/2.png", "a/deep/er/x.bmp", "b.png"]


def test_relative_paths_and_home(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    monkeypatch.setenv("HOME", str(photos))
    assert ids("a/*.png") == ["2.png"]
    assert ids("*.png") == ["b.png"]
    assert ids("~/a") == ["1.PNG", "2.png", "deep/er/x.bmp"]


def test_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "[2020]").mkdir()
    write_picture(tmp_path / "[2020]" / "x.png", flat(0))
    assert ids(tmp_path / "[2020]") == ["x.png"]


def test_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path) as writer:
        for index in range(10):
            writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    dataset = Folder(FolderOptions(str(path), every=3))
    samples = list(dataset)
    assert [sample.id for sample in samples] == [f"clip.mp4#00000{index}" for index in (0, 3, 6, 9)]
    assert len(dataset) == 4
    np.testing.assert_allclose([sample.image.mean() for sample in samples], [0, 60, 120, 180], atol=5)
    assert dataset.facts()["frames"] == 10


def test_pictures_are_decoded_when_looked_at_and_a_broken_one_is_named(photos: Path) -> None:
    (photos / "a" / "zero.jpg").touch()
    (photos / "a" / "half.png").write_bytes((photos / "b.png").read_bytes()[:40])
    samples = {sample.id: sample for sample in Folder(FolderOptions(str(photos)))}
    assert len(samples) == 6
    for name, reason in (("a/zero.jpg", "empty"), ("a/half.png", "truncated")):
        with pytest.raises(ImageError, match=f"{name}: .*{reason}"):
            _ = samples[name].image
    assert samples["b.png"].image.shape == (12, 16, 3)


def test_a_run_names_what_it_cannot_read_and_goes_on_and_strict_stops(photos: Path) -> None:
    (photos / "a" / "zero.jpg").touch()
    (photos / "c.png").write_bytes((photos / "b.png").read_bytes()[:40])
    (photos / "d.png").write_text("<html>not found</html>")
    dataset = Folder(FolderOptions(str(photos)))
    predictions = list(Engine(Brightness(), {}).run(dataset))
    assert [prediction.id for prediction in predictions] == [sample.id for sample in dataset]
    broken = {prediction.id: prediction.error for prediction in predictions if prediction.error}
    assert list(broken) == ["a/zero.jpg", "c.png", "d.png"]
    for (name, error), reason in zip(broken.items(), ("empty", "truncated", "not a picture"), strict=True):
        assert name in error and reason in error
    with pytest.raises(FaceportError, match=r"a/zero\.jpg: .*empty.*strict"):
        list(Engine(Brightness(), {}, Settings(strict=True)).run(dataset))


def test_a_video_runs_through_many_workers_in_order(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with VideoWriter(path) as writer:
        for index in range(40):
            writer.write(np.full((48, 64, 3), 5 * index, np.uint8))
    dataset = Folder(FolderOptions(str(path)))
    predictions = list(Engine(Brightness(), {}, Settings(workers=6)).run(dataset))
    assert [prediction.id[-6:] for prediction in predictions] == [f"{index:06d}" for index in range(40)]
    means = [255 * float(prediction.faces.scores[0]) for prediction in predictions]
    np.testing.assert_allclose(means, 5 * np.arange(40), atol=5)


def test_what_is_missing_is_named_with_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    for path in ("gone", "gone/*.jpg", "notes.txt", "."):
        place = tmp_path / path
        with pytest.raises(FaceportError, match=r"folder.*picture.*pattern.*video.*\.jpg.*\.mp4") as caught:
            next(iter(Folder(FolderOptions(str(place)))))
        assert str(place) in str(caught.value)
        with pytest.raises(FaceportError, match="takes a folder"):
            len(Folder(FolderOptions(str(place))))


def test_path_must_be_given_and_every_must_make_sense(photos: Path) -> None:
    with pytest.raises(ConfigError, match=r"'path' must be given.*dataset\.path=PATH"):
        create("dataset", "folder")
    with pytest.raises(ConfigError, match="'every' must be 1 or more"):
        create("dataset", "folder", path=str(photos), every=0)


def test_facts_tell_one_set_of_pictures_from_another(photos: Path) -> None:
    before = Folder(FolderOptions(str(photos))).facts()
    assert before == Folder(FolderOptions(str(photos))).facts()
    write_picture(photos / "new.png", flat(0))
    after = Folder(FolderOptions(str(photos))).facts()
    assert after["pictures"] == before["pictures"] + 1
    assert after["names_sha256"] != before["names_sha256"]


def test_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        Path(os.fsdecode(name)).touch()
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    write_picture(os.fsdecode(name), flat(70))
    (sample,) = Folder(FolderOptions(str(tmp_path)))
    assert sample.id == "caf\\xe9.png"
    assert int(sample.image.mean()) == 70
