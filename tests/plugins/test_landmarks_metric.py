"""Landmark errors against the published evaluation."""

import cv2
import numpy as np
import pytest
from scipy.integrate import simpson as scipy_simpson

from faceport.api import Scored
from faceport.errors import FaceportError
from faceport.ops.landmarks import convert
from faceport.types import Faces
from faceport_landmarks.faces import pair_faces
from faceport_landmarks.metric import LandmarkOptions, Landmarks
from faceport_landmarks.nme import (
    area_under_curve,
    error_curve,
    failure_rate,
    grid,
    normalizers,
    point_errors,
    simpson,
)
from faceport_wflw.dataset import Wflw, WflwOptions


def faces(rng: np.random.Generator, count: int = 1, points: int = 68, **attributes) -> Faces:
    landmarks = (rng.uniform(0, 100, (count, points, 2)) + 200 * np.arange(count)[:, None, None]).astype(
        np.float32
    )
    boxes = np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)
    return Faces(boxes=boxes, landmarks=landmarks, attributes=attributes)


def moved(truth: Faces, by: float, order=slice(None)) -> Faces:
    return Faces(boxes=truth.boxes, landmarks=truth.landmarks + np.float32(by))[order]


@pytest.mark.parametrize("name", ["wflw98", "300w68"])
def test_published_evaluation(reference_dir, name: str):
    reference = np.load(reference_dir / "algorithms" / f"landmark_metrics_{name}.npz")
    truth = reference["ground_truth"]
    left, right = reference["norm_indices"]
    lengths = normalizers(truth, "inter_ocular")
    np.testing.assert_allclose(lengths, np.linalg.norm(truth[:, left] - truth[:, right], axis=1), rtol=1e-12)
    errors = point_errors(reference["prediction"], truth, lengths).mean(axis=1)
    np.testing.assert_allclose(errors, reference["nme_per_image"], atol=1e-9)
    assert errors.mean() == pytest.approx(float(reference["nme"]), abs=1e-9)
    assert failure_rate(errors) == pytest.approx(float(reference["fr"]), abs=1e-9)
    assert area_under_curve(errors) == pytest.approx(float(reference["auc"]), abs=1e-9)
    assert area_under_curve(errors, protocol="exact") == pytest.approx(float(reference["auc"]), abs=1e-4)


@pytest.mark.parametrize("name", ["wflw98", "300w68"])
def test_metric_gives_the_published_numbers(reference_dir, name: str):
    reference = np.load(reference_dir / "algorithms" / f"landmark_metrics_{name}.npz")
    pairs = zip(reference["prediction"], reference["ground_truth"], strict=True)
    items = [
        Scored(f"{i:04d}", Faces(landmarks=p[None]), Faces(landmarks=t[None]))
        for i, (p, t) in enumerate(pairs)
    ]
    result = Landmarks(LandmarkOptions(per_landmark=True, curve=True)).compute(items)
    expected = {key: float(reference[key]) for key in ("nme", "fr", "auc")}
    assert {key: result[key] for key in expected} == pytest.approx(expected, abs=1e-9)
    assert np.mean(result["per_landmark"]) == pytest.approx(expected["nme"], abs=1e-9)
    assert result["curve"]["share"][-1] == pytest.approx(1 - expected["fr"])


def test_grid_is_the_published_one():
    assert grid(0.1).tolist() == np.arange(0, 0.1 + 0.0001, 0.0001).tolist()
    for threshold in (0.05, 0.08, 0.2):
        assert grid(threshold)[-1] == pytest.approx(threshold, abs=1e-12)
    with pytest.raises(ValueError, match=r"steps of 0.0002, not 0.0501"):
        grid(0.0501)


def test_simpson_is_simpson():
    values = np.random.default_rng(0).uniform(size=1001)
    assert simpson(values, 0.25) == pytest.approx(scipy_simpson(values, dx=0.25), rel=1e-12)


def test_exact_area_is_the_limit_of_sums():
    errors = np.random.default_rng(0).uniform(0, 0.2, 200)
    levels = np.linspace(0, 0.1, 2_000_001)
    assert area_under_curve(errors, protocol="exact") == pytest.approx(
        error_curve(errors, levels).mean(), abs=1e-5
    )


def test_faces_not_found_fail_but_have_no_error():
    rng = np.random.default_rng(0)
    truth = faces(rng)
    items = [Scored("a", moved(truth, 0.001), truth), Scored("b", Faces(), truth)]
    result = Landmarks(LandmarkOptions(norm="box_diagonal", per_face=True)).compute(items)
    assert (result["faces"], result["not_found"], result["fr"]) == (2, 1, 0.5)
    assert result["per_face"] == {"picture": ["a", "b"], "nme": [result["nme"], None]}
    assert result["nme"] < 0.001
    assert result["auc"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("norm", "length"),
    [
        ("none", 1),
        ("box_diagonal", 50),
        ("box_size", np.sqrt(1200)),
        ("inter_ocular", 10),
        ("inter_pupil", 6),
    ],
)
def test_norms(norm, length: float):
    landmarks = np.zeros((1, 98, 2))
    landmarks[0, 72, 0], landmarks[0, 97, 1] = 10, 6
    assert normalizers(landmarks, norm, [[0, 0, 30, 40]]) == pytest.approx(length)


def test_box_space_stretches_x_and_y():
    truth = Faces(boxes=np.array([[0, 0, 100, 50]], np.float32), landmarks=np.zeros((1, 5, 2), np.float32))
    found = Faces(landmarks=np.full((1, 5, 2), (3, 2), np.float32))
    metric = Landmarks(LandmarkOptions(norm="none", space="box"))
    assert metric.compute([Scored("a", found, truth)])["nme"] == pytest.approx(0.05)


def test_unlabelled_landmarks_do_not_count():
    truth = np.zeros((2, 5, 2), np.float32)
    truth[0, 0], truth[1] = np.nan, np.nan
    found = Faces(landmarks=np.full((2, 5, 2), (3, 4), np.float32))
    result = Landmarks(LandmarkOptions(norm="none", per_landmark=True)).compute(
        [Scored("a", found, Faces(landmarks=truth))]
    )
    assert (result["nme"], result["faces"]) == (5, 1)
    assert result["per_landmark"][1:] == [5, 5, 5, 5]
    assert result["per_landmark"][0] is None


def test_subsets():
    rng = np.random.default_rng(0)
    truth = faces(
        rng, 2, blur=np.array([1, 0]), pose=np.array([False, False]), level=np.array([2, 0]), yaw=np.ones(2)
    )
    found = Faces(landmarks=truth.landmarks + np.array([1, 2], np.float32)[:, None, None])
    result = Landmarks(LandmarkOptions(norm="none")).compute([Scored("a", found, truth)])
    assert result["subsets"].keys() == {"blur"}
    assert result["subsets"]["blur"]["nme"] == pytest.approx(np.sqrt(2), rel=1e-5)
    assert result["subsets"]["blur"]["faces"] == 1


def test_sets_are_read_as_one_that_they_share():
    rng = np.random.default_rng(0)
    truth98 = faces(rng, points=98)
    truth68 = Faces(landmarks=truth98.landmarks[:, :68])
    item = Scored("a", truth98, truth68)
    with pytest.raises(FaceportError, match=r"a: 98 landmarks were predicted, 68 are labelled"):
        Landmarks().compute([item])
    assert Landmarks(LandmarkOptions(points=68)).compute([Scored("a", truth98, truth98)])["nme"] == 0
    placed = Faces(boxes=truth98.boxes, landmarks=convert(truth98.landmarks, 68))  # by a model of 68
    unseen = Scored("b", Faces(), truth98)
    result = Landmarks().compute([Scored("a", placed, truth98), unseen])
    assert (result["nme"], result["faces"], result["not_found"]) == (0, 2, 1)


def test_pairs_in_order_when_told_and_by_overlap_when_detected():
    truth = faces(np.random.default_rng(0), 3)
    far_off = Faces(boxes=truth.boxes, landmarks=truth.landmarks[::-1])
    assert pair_faces(far_off, truth).tolist() == [0, 1, 2]
    assert pair_faces(moved(truth, 1, [2, 0, 1]), truth).tolist() == [1, 2, 0]
    assert pair_faces(moved(truth, 1, [2]), truth).tolist() == [-1, -1, 0]
    assert pair_faces(Faces(), truth).tolist() == [-1, -1, -1]


def test_order_of_shards_does_not_matter():
    rng = np.random.default_rng(0)
    items = [Scored(str(i), moved(truth, rng.normal()), truth) for i in range(50) if (truth := faces(rng, 2))]
    metric = Landmarks(LandmarkOptions(bootstrap=20))
    assert metric.compute(items) == metric.compute(items[::-1])


def test_interval_holds_the_number():
    rng = np.random.default_rng(0)
    items = [Scored(str(i), moved(truth, rng.normal()), truth) for i in range(100) if (truth := faces(rng))]
    result = Landmarks(LandmarkOptions(norm="box_diagonal", bootstrap=200)).compute(items)
    low, high = result["interval"]["nme"]
    assert low < result["nme"] < high


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_not_finite_is_refused(broken: float):
    truth = faces(np.random.default_rng(0))
    found = moved(truth, 0)
    found.landmarks[0, 3, 0] = broken
    with pytest.raises(FaceportError, match="not a finite number"):
        Landmarks().compute([Scored("a", found, truth)])


def test_faces_without_a_length_are_refused():
    truth = Faces(landmarks=np.ones((1, 68, 2), np.float32))
    with pytest.raises(FaceportError, match="no length to divide"):
        Landmarks().compute([Scored("a", truth, truth)])
    with pytest.raises(FaceportError, match="no face of this dataset"):
        Landmarks().compute([Scored("a", truth, Faces())])


def pfld_input(image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut out the square that PFLD's published evaluation cuts out of WFLW: planes, corner, side."""
    low, high = box[:2].astype(int), box[2:].astype(int)
    size = high - low + 1
    side = int(size.max() * 1.2)
    corner = (low + size / 2).astype(int) - side // 2
    padded = np.pad(image, ((side, side), (side, side), (0, 0)))
    x, y = corner + side
    crop = cv2.resize(padded[y : y + side, x : x + side], (112, 112))
    return (crop[..., ::-1].transpose(2, 0, 1)[None] / 255).astype(np.float32), corner, side


def test_real_network_on_real_faces(real_dir):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = real_dir / "weights" / "pfld_wflw98" / "PFLD_GhostOne_112_1_opt_sim.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    folder = real_dir / "wflw"
    dataset = Wflw(WflwOptions(root=str(folder), list=str(folder / "list_98pt_test_subset.txt")))
    published: dict[str, list[float]] = {}
    for row in (
        (real_dir / "reference_runs" / "wflw_subset_nme_pfld_ghostone.tsv").read_text().splitlines()[1:]
    ):
        picture, _, error = row.split("\t")
        published.setdefault(picture, []).append(float(error))
    items = []
    for sample in dataset:
        landmarks = []
        for box in sample.truth.boxes:  # what the labelled landmarks span
            planes, corner, side = pfld_input(sample.image, box)
            landmarks.append(session.run(None, {"input": planes})[0].reshape(98, 2) * side + corner)
        found = Faces(landmarks=np.array(landmarks, np.float32), boxes=sample.truth.boxes)
        items.append(Scored(sample.id, found, sample.truth))
    table = Landmarks(LandmarkOptions(per_face=True)).compute(items)["per_face"]
    expected = [error for picture in sorted(published) for error in published[picture]]
    assert table["picture"] == [picture for picture in sorted(published) for _ in published[picture]]
    assert table["nme"] == pytest.approx(expected, abs=1e-4)
    assert np.mean(table["nme"]) == pytest.approx(np.mean(expected), abs=1e-5)
