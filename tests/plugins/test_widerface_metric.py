"""WIDER FACE average precision against the official evaluator."""

from collections.abc import Iterator

import numpy as np
import pytest

from faceport.api import Scored
from faceport.errors import FaceportError
from faceport.ops.boxes import iou
from faceport.types import Faces
from faceport_widerface_metric.average_precision import (
    ImageFaces,
    areas,
    average_precision,
    drawn_curves,
    match_image,
    sample_curves,
    score_range,
    settings_ap,
    sort_into_bins,
    widerface_ap,
)
from faceport_widerface_metric.metric import WiderFaceAP, WiderFaceOptions
from faceport_widerface_metric.tables import ap_by_event, ap_by_height, ap_by_iou

BOX = [10.0, 10.0, 29.0, 29.0]  # 20 pixels wide, counted inclusively


def image(boxes, scores, truth, kept=None) -> ImageFaces:
    truth = np.reshape(truth, (-1, 4))
    kept = np.ones((len(truth), 1), bool) if kept is None else np.reshape(kept, (len(truth), -1))
    return ImageFaces(np.reshape(boxes, (-1, 4)), np.asarray(scores, float), truth, kept)


def straightforward_ap(images: list[ImageFaces], setting: int, thresholds: int = 1000) -> float:
    """Follow the official procedure threshold by threshold, with no shortcut."""
    scores = np.concatenate([np.asarray(i.scores, float) for i in images])
    low, high = min(1, scores.min()), max(0, scores.max())
    total = np.zeros((thresholds, 2))
    faces = sum(int(np.sum(np.asarray(i.kept)[:, setting])) for i in images)
    for boxes, score, truth, kept in images:
        if not len(truth) or not len(boxes):
            continue
        found, counts, matched = set(), [], []
        for row in iou(boxes, truth, inclusive=True):
            face = int(row.argmax())
            ignored = row[face] >= 0.5 and not kept[face, setting]
            if row[face] >= 0.5 and not ignored:
                found.add(face)
            counts.append(not ignored)
            matched.append(len(found))
        normalised = (np.asarray(score) - low) / (high - low)
        for t in range(thresholds):
            reached = np.flatnonzero(normalised >= 1 - (t + 1) / thresholds)
            if len(reached):
                total[t] += sum(counts[: reached[-1] + 1]), matched[reached[-1]]
    precision = [found / proposed if proposed else 0.0 for proposed, found in total]
    return average_precision(precision, total[:, 1] / faces)


def random_images(seed: int, ordered: bool = True) -> list[ImageFaces]:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(12):
        truth = np.concatenate([corner := rng.uniform(0, 80, (rng.integers(0, 6), 2)), corner + 20], axis=1)
        near = truth[rng.integers(0, len(truth), 12)] if len(truth) else np.zeros((0, 4))
        boxes = np.concatenate([near + rng.normal(0, 3, near.shape), rng.uniform(0, 100, (3, 4))])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        scores = rng.uniform(size=len(boxes))
        order = np.argsort(-scores) if ordered else slice(None)
        kept = rng.uniform(size=(len(truth), 3)) < (0.3, 0.7, 1.0)
        images.append(ImageFaces(boxes[order], scores[order], truth, kept))
    return images


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_straightforward_procedure(seed: int, ordered: bool):
    images = random_images(seed, ordered)
    expected = [straightforward_ap(images, setting) for setting in range(3)]
    assert widerface_ap(images) == pytest.approx(expected, abs=1e-12)


def test_boxes_count_pixels_inclusively():
    half = [10, 10, 19, 29]  # half of the pixels, but less than half of the area between the coordinates
    assert match_image([BOX], [0.9], [half], [[True]]).hits.all()


def test_second_detection_of_a_face_is_a_false_positive():
    match = match_image([BOX, BOX], [0.9, 0.8], [BOX], [[True]])
    assert match.proposals.ravel().tolist() == [True, True]
    assert match.hits.ravel().tolist() == [True, False]


def test_ignored_face_absorbs_detections():
    other = np.add(BOX, 100)
    assert widerface_ap([image([BOX, other], [0.9, 0.8], [BOX, other], [[False], [True]])]) == [1.0]


def test_picture_without_faces_adds_no_false_positive_but_sets_the_score_range():
    one = image([BOX, np.add(BOX, 50)], [0.5, 0.4], [BOX])
    empty = image([BOX], [1.0], [])
    assert widerface_ap([one, empty]) == [1.0]
    assert match_image(*empty).proposals.sum() == 0


def test_faces_of_a_picture_without_detections_lower_recall():
    assert widerface_ap([image([BOX], [0.9], [BOX]), image([], [], [BOX])]) == [0.5]


def test_a_level_without_faces_is_not_a_number():
    assert np.isnan(widerface_ap([image([BOX], [0.9], [BOX], [[False]])])).all()


def test_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        match_image([BOX], [np.nan], [BOX], [[True]])


def test_tables():
    images = {"a/1": image([BOX], [0.9], [BOX]), "b/1": image([np.add(BOX, 50)], [0.8], [BOX])}
    matches = {name: match_image(*faces) for name, faces in images.items()}
    assert ap_by_event(matches) == {"a": [1.0], "b": [0.0]}
    shifted = [image([np.add(BOX, [0, 0, 10, 0])], [0.9], [BOX])]  # overlap 2/3
    assert ap_by_iou(shifted, [0.3, 0.9]) == {0.3: [1.0], 0.9: [0.0]}
    small = [image([BOX], [0.9], [BOX, [10, 50, 30, 150]])]
    assert ap_by_height(small, [10, 50, 200]) == {"10-50": 1.0, "50-200": 0.0}


def test_metric_sorts_names_and_explains():
    truth = Faces(boxes=np.array([BOX], np.float32), attributes={"easy": np.array([True])})
    found = Faces(boxes=np.array([np.add(BOX, 50), BOX], np.float32), scores=np.array([0.5, 0.9], np.float32))
    item = Scored("a/1.jpg", found, truth)
    metric = WiderFaceAP(
        WiderFaceOptions(levels=["easy", "all"], events=True, ious=[0.5], heights=[10, 50], curves=True)
    )
    result = metric.compute([item])
    assert (result["easy"], result["all"]) == (1.0, 1.0)
    assert result["events"] == {"a": {"easy": 1.0, "all": 1.0}}
    assert result["heights"] == {"10-50": 1.0}
    assert len(result["curves"]["easy"]["recall"]) == 1000
    as_it_stands = WiderFaceAP(WiderFaceOptions(levels=["easy"], sort=False)).compute([item])
    assert as_it_stands["easy"] == 0.5
    with pytest.raises(FaceportError, match=r"which faces are medium, hard.*eval_tools"):
        WiderFaceAP().compute([item])


def test_a_draw_is_the_set_of_its_pictures():
    images = random_images(0)
    binned = sort_into_bins([match_image(*one) for one in images])
    assert areas(sample_curves(binned, np.arange(len(images)))) == areas(sample_curves(binned))
    drawn = np.random.default_rng(0).integers(0, len(images), len(images))
    whole = score_range([match_image(*one) for one in images])  # scores stay those of the whole set
    expected = settings_ap([match_image(*images[i]) for i in drawn], scores=whole)
    assert areas(sample_curves(binned, drawn)) == pytest.approx(expected, abs=1e-12)


def test_curves_of_many_drawings_are_those_of_each():
    images = random_images(3)
    binned = sort_into_bins([match_image(*one) for one in images])
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(images), len(images)) for _ in range(7)]
    times = np.array([np.bincount(positions, minlength=len(images)) for positions in drawn])
    for found, positions in zip(drawn_curves(binned, times), drawn, strict=True):
        wanted = sample_curves(binned, positions)
        np.testing.assert_array_equal(found.precision, wanted.precision)
        np.testing.assert_array_equal(found.recall, wanted.recall)


def test_curves_of_many_drawings_are_counted_in_portions(monkeypatch):
    binned = sort_into_bins([match_image(*one) for one in random_images(3)])
    times = np.random.default_rng(0).integers(0, 3, (4, len(binned.faces)))
    whole = [areas(one) for one in drawn_curves(binned, times)]
    monkeypatch.setattr("faceport_widerface_metric.average_precision.IMAGES", 3)
    assert [areas(one) for one in drawn_curves(binned, times)] == whole


def test_interval_holds_the_number():
    items = [
        Scored(
            f"a/{i:02d}",
            Faces(boxes=one.boxes.astype(np.float32), scores=one.scores.astype(np.float32)),
            Faces(boxes=one.truth.astype(np.float32)),
        )
        for i, one in enumerate(random_images(1))
    ]
    metric = WiderFaceAP(WiderFaceOptions(levels=["all"], bootstrap=100))
    result = metric.compute(items)
    low, high = result["interval"]["all"]
    assert low < result["all"] < high
    assert metric.compute(items[::-1]) == result


def test_metric_counts_faces_where_nothing_was_found():
    truth = Faces(boxes=np.array([BOX], np.float32))
    metric = WiderFaceAP(WiderFaceOptions(levels=["all"]))
    found = Faces(boxes=truth.boxes, scores=np.ones(1, np.float32))
    assert metric.compute([Scored("a", found, truth), Scored("b", Faces(), truth)])["all"] == 0.5


def official_images(real_dir, boxes: np.ndarray, counts: np.ndarray) -> Iterator[ImageFaces]:
    from faceport_widerface_dataset.dataset import WiderFace, WiderFaceOptions

    dataset = WiderFace(WiderFaceOptions(root=str(real_dir / "wider")))
    ends = np.cumsum(counts)
    for faces, end, count in zip(dataset.labels.values(), ends, counts, strict=True):
        rows = boxes[end - count : end].astype(np.float64)
        kept = np.column_stack([faces.attributes[level] for level in ("easy", "medium", "hard")])
        corners = np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        yield ImageFaces(corners, rows[:, 4], faces.boxes, kept)


def test_official_evaluator(reference_dir, real_dir):
    reference = np.load(reference_dir / "algorithms" / "widerface_ap.npz")
    images = list(official_images(real_dir, reference["boxes_xywhs"], reference["counts"]))
    expected = [float(reference[f"ap_{level}"]) for level in ("easy", "medium", "hard")]
    assert widerface_ap(images) == pytest.approx(expected, abs=1e-9)
    events = settings_ap([match_image(*image) for image in images])
    assert events == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("truncated", [False, True])
def test_official_evaluator_on_the_subset(reference_dir, real_dir, truncated: bool):
    from faceport_widerface_dataset.dataset import WiderFace, WiderFaceOptions

    reference = np.load(reference_dir / "algorithms" / "retinaface_mnet_wider_subset.npz")
    root = real_dir / "wider"
    dataset = WiderFace(WiderFaceOptions(root=str(root), subset=str(root / "subset_list.txt")))
    ends = np.cumsum(reference["counts"])
    items = []
    for sample, end, count, name in zip(dataset, ends, reference["counts"], reference["names"], strict=True):
        assert sample.id == name
        rows = reference["detections"][end - count : end].astype(np.float32)
        xy, size = rows[:, :2], rows[:, 2:4] - rows[:, :2]
        if truncated:  # the official script writes whole x, y, w, h
            xy, size = np.trunc(xy), np.trunc(size)
        boxes = np.concatenate([xy, xy + size], axis=1)
        items.append(Scored(sample.id, Faces(boxes=boxes, scores=rows[:, 4]), sample.truth))
    result = WiderFaceAP().compute(items)
    expected = reference["ap_integer_boxes" if truncated else "ap"]
    assert [result[level] for level in ("easy", "medium", "hard")] == pytest.approx(
        expected.tolist(), abs=1e-6
    )
