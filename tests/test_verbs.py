"""Export, predict, score from the command line, and runs that must give the official numbers."""

import json
import re

import cv2
import numpy as np
import pytest

from tests.cli import SMALL, faceport

WEIGHTS = "weights/retinaface/RetinaFace_mobilenet025.pth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("verbs")


def test_an_export_can_be_checked_by_its_golden_vectors(folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    faceport("export", *SMALL[:3], "out=onnx", folder=folder)
    about = json.loads((folder / "onnx" / "retinaface.json").read_text())
    assert about["preprocessing"]["mean"] == [104.0, 117.0, 123.0]
    session = onnxruntime.InferenceSession(folder / "onnx" / about["file"])
    golden = folder / "onnx" / about["golden"]["folder"]
    assert len(about["golden"]["vectors"]) == 2
    for vector in about["golden"]["vectors"]:
        with np.load(golden / vector["file"]) as tensors:
            inputs = {
                name.removeprefix("input."): tensors[name] for name in tensors if name.startswith("input.")
            }
            outputs = session.run(None, inputs)
            for value, name in zip(outputs, ("loc", "conf", "landms"), strict=True):
                assert np.abs(value - tensors[f"output.{name}"]).max() < 1e-4
        picture = cv2.imread(str(golden / vector["picture"]))  # BGR, as the network wants it
        scale = 160 / max(picture.shape[:2])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        planes = cv2.resize(picture, size).astype(np.float32) - np.float32(about["preprocessing"]["mean"])
        ours = planes.transpose(2, 0, 1)
        theirs = inputs["image"][0][:, : ours.shape[1], : ours.shape[2]]
        assert np.abs(ours - theirs).max() <= 1.0


def test_predict_writes_pictures_and_a_video(folder):
    pictures = folder / "in" / "nested"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "nested/b.png"):
        cv2.imwrite(str(folder / "in" / name), rng.integers(0, 255, (90, 120, 3), np.uint8))
    (folder / "in" / "empty.jpg").write_bytes(b"")
    writer = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (120, 90))
    for _ in range(5):
        writer.write(rng.integers(0, 255, (90, 120, 3), np.uint8))
    writer.release()
    said = faceport("predict", "in", "clip.mp4", *SMALL[:3], "out=seen", folder=folder)
    assert "empty.jpg: the file is empty (0 bytes)" in said
    assert cv2.imread(str(folder / "seen" / "a.jpg")).shape == (90, 120, 3)
    assert cv2.imread(str(folder / "seen" / "nested" / "b.png")).shape == (90, 120, 3)
    assert cv2.VideoCapture(str(folder / "seen" / "clip.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    lines = [json.loads(line) for line in (folder / "seen" / "predictions.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [
        "a.jpg", "empty.jpg", "nested/b.png", *(f"clip.mp4#{index:06d}" for index in range(5))
    ]  # fmt: skip


def test_predict_takes_every_nth_and_says_what_it_found_and_how_fast(folder):
    pictures = folder / "some"
    pictures.mkdir()
    for number in range(5):
        cv2.imwrite(str(pictures / f"{number}.png"), np.full((90, 120, 3), 40 * number, np.uint8))
    writer = cv2.VideoWriter(str(folder / "long.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (120, 90))
    for _ in range(7):
        writer.write(np.zeros((90, 120, 3), np.uint8))
    writer.release()

    def ids(*words):
        said = faceport("predict", "some", "long.mp4", *SMALL[:3], *words, "out=few", folder=folder)
        lines = (folder / "few" / "predictions.jsonl").read_text().splitlines()
        assert re.search(rf"(?m)^\d+ faces? in {len(lines)} pictures?, [\d.]+ per second: few$", said), said
        return [json.loads(line)["id"] for line in lines]

    frames = [f"long.mp4#{index:06d}" for index in range(0, 7, 2)]
    assert ids("stride=2") == ["0.png", "2.png", "4.png", *frames]
    copy = cv2.VideoCapture(str(folder / "few" / "long.mp4"))
    assert (copy.get(cv2.CAP_PROP_FRAME_COUNT), copy.get(cv2.CAP_PROP_FPS)) == (4, 5), "it lasts as long"
    assert ids("stride=2", "limit=5") == ["0.png", "2.png", "4.png", *frames[:2]]
    assert ids("limit=2") == ["0.png", "1.png"]
    said = faceport("predict", "some", *SMALL[:3], "stride=0", folder=folder, code=1)
    assert "stride is 0, it must be at least 1" in said


def wider(real_dir):
    return [
        "dataset=widerface",
        f"dataset.root={real_dir / 'wider'}",
        f"dataset.subset={real_dir / 'wider' / 'subset_list.txt'}",
    ]


@pytest.mark.parametrize("target", ["onnxruntime", "torch"])
def test_the_official_numbers_come_out(folder, real_dir, reference_dir, target):
    words = ["run", "model=retinaface_mobilenet", f"model.weights={real_dir / WEIGHTS}", f"target={target}"]
    faceport(
        *words, *wider(real_dir), f"out={target}", f"record={target}.json", "official=true", folder=folder
    )
    record = json.loads((folder / f"{target}.json").read_text())
    found = [record["metrics"]["widerface_ap"][level] for level in ("easy", "medium", "hard")]
    with np.load(reference_dir / "algorithms" / "retinaface_mnet_wider_subset.npz") as reference:
        assert found == pytest.approx(reference["ap"].tolist(), abs=1e-3)
    assert record["settled"]["model"]["anchors"] == [[16, 32], [64, 128], [256, 512]]
    official = next((folder / target).glob("*/official"))
    faceport("score", *wider(real_dir), f"predictions={official}", "record=again.json", folder=folder)
    again = json.loads((folder / "again.json").read_text())["metrics"]["widerface_ap"]
    assert [again[level] for level in ("easy", "medium", "hard")] == pytest.approx(found, abs=2e-3)


@pytest.mark.parametrize("photo", ["biubug6_test", "multiface", "pipnet_2"])
def test_photo_detections_agree_with_the_official_code(folder, real_dir, reference_dir, photo):
    source = real_dir / "photos" / f"{photo}.jpg"
    weights = f"model.weights={real_dir / WEIGHTS}"
    faceport("predict", str(source), "model=retinaface_mobilenet", weights, f"out={photo}", folder=folder)
    line = json.loads((folder / photo / "predictions.jsonl").read_text())
    with np.load(reference_dir / "algorithms" / f"retinaface_mnet_real_{photo}.npz") as reference:
        wanted = reference["detections"]
    found = np.hstack(
        [line["boxes"], np.array(line["scores"])[:, None], np.reshape(line["points"], (-1, 10))]
    )
    assert found.shape == wanted.shape
    assert np.abs(np.delete(found - wanted, 4, axis=1)).max() < 0.5
    assert np.abs(found[:, 4] - wanted[:, 4]).max() < 1e-3


def test_the_whole_validation_set_is_scored_as_published(folder, real_dir):
    zipped = real_dir / "wider" / "preds" / "retinaface_mobilenet025_originsize.zip"
    words = [
        "dataset=widerface",
        f"dataset.root={real_dir / 'wider'}",
        "metric=widerface_ap",
        "record=all.json",
    ]
    faceport("score", *words, f"predictions={zipped}", folder=folder)
    found = json.loads((folder / "all.json").read_text())["metrics"]["widerface_ap"]
    wanted = {"easy": 0.9069584, "medium": 0.8815791, "hard": 0.7382863}
    for level, value in wanted.items():
        assert found[level] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("file", "anchors", "noted"),
    [
        ("other_anchors/mobilenet0.25_Final.pth", [[10, 20], [32, 64], [128, 256]], False),
        ("unknown", [[16, 32], [64, 128], [256, 512]], True),
    ],
)
def test_anchors_belong_to_the_weights(folder, real_dir, file, anchors, noted):
    if file == "unknown":
        import torch

        state = torch.load(real_dir / WEIGHTS, map_location="cpu", weights_only=True)
        source = folder / "unknown.pth"
        torch.save({"state_dict": state}, source)  # the same weights, another hash
    else:
        source = real_dir / "weights" / "retinaface" / file
    words = ["model=retinaface_mobilenet", f"model.weights={source}", "dataset=synthetic", "dataset.count=2"]
    said = faceport("run", *words, "record=anchors.json", folder=folder)
    record = json.loads((folder / "anchors.json").read_text())
    assert record["settled"]["model"]["anchors"] == anchors
    assert any("unknown" in note and "anchors" in note for note in record["notes"]) is noted
    assert ("anchors are taken to be" in said) is noted
