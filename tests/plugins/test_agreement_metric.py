"""Agreement with a reference run."""

import numpy as np
import pytest

from faceport.api import Scored
from faceport.data.predictions import FILE, PredictionFile
from faceport.errors import FaceportError, MissingError
from faceport.types import Faces, Prediction
from faceport_agreement.compare import average_precision, pair
from faceport_agreement.metric import Agreement, AgreementOptions
from faceport_agreement.shifts import of_boxes, of_points, rank_flips


def faces(seed: int = 0, count: int = 4) -> Faces:
    rng = np.random.default_rng(seed)
    corner = 100 * np.arange(count)[:, None] + rng.uniform(0, 20, (count, 2))
    landmarks = corner[:, None] + rng.uniform(0, 40, (count, 5, 2))
    return Faces(
        boxes=np.concatenate([corner, corner + 40], axis=1).astype(np.float32),
        scores=rng.uniform(0.6, 1, count).astype(np.float32),
        landmarks=landmarks.astype(np.float32),
        embeddings=rng.normal(size=(count, 8)).astype(np.float32),
    )


def moved(truth: Faces, by: float) -> Faces:
    return truth.with_fields(boxes=truth.boxes + np.float32(by), landmarks=truth.landmarks + np.float32(by))


def agree(*items: tuple[Faces, Faces], **options) -> dict:
    scored = [Scored(str(i), found, reference) for i, (found, reference) in enumerate(items)]
    return dict(Agreement(AgreementOptions(**options)).compute(scored))


def test_nothing_changed():
    result = agree((faces(0), faces(0)), (faces(1), faces(1)))
    assert (result["pictures"], result["faces"], result["paired"]) == (2, 8, 8)
    assert (result["precision"], result["recall"], result["ap"], result["box_iou_min"]) == (1, 1, 1, 1)
    assert (result["landmark_px_max"], result["score_shift_max"], result["rank_flips"]) == (0, 0, 0)
    assert result["cosine_min"] == pytest.approx(1)


def test_what_moved_is_measured():
    result = agree((moved(faces(), 3), faces()))
    assert result["landmark_px"] == pytest.approx(3 * np.sqrt(2), rel=1e-5)
    assert result["box_iou"] == pytest.approx(37**2 / (2 * 40**2 - 37**2), rel=1e-4)
    assert result["landmark_share"] < result["landmark_px"] / 10


def test_order_of_faces_does_not_matter():
    shuffled = moved(faces(), 1)[np.array([2, 0, 3, 1])]
    assert agree((shuffled, faces())) == pytest.approx(agree((moved(faces(), 1), faces())))


def test_lost_and_invented_faces():
    reference = faces(count=4)
    found = reference[:3].with_fields(
        boxes=np.concatenate([reference.boxes[:2], [[900, 900, 940, 940]]]).astype(np.float32)
    )
    result = agree((found, reference))
    assert (result["precision"], result["recall"], result["paired"]) == (pytest.approx(2 / 3), 0.5, 2)
    assert agree((Faces(), reference))["recall"] == 0


def test_faces_below_the_threshold_do_not_count():
    reference = faces().with_fields(scores=np.array([0.9, 0.9, 0.1, 0.1], np.float32))
    result = agree((faces(), reference))
    assert (result["faces"], result["recall"], result["precision"]) == (2, 1, 0.5)


def test_pairs_are_one_to_one():
    one = faces(count=1)
    twice = Faces(boxes=np.repeat(one.boxes, 2, axis=0), scores=np.array([0.5, 0.9], np.float32))
    assert [positions.tolist() for positions in pair(twice, one)] == [[1], [0]]


def test_without_boxes_the_order_pairs():
    reference = faces().only({"landmarks"})
    result = agree((Faces(landmarks=reference.landmarks + np.float32(1)), reference))
    assert result["landmark_px"] == pytest.approx(np.sqrt(2), rel=1e-4)
    assert "precision" not in result
    assert "box_iou" not in result


def test_average_precision_by_hand():
    right = np.array([True, False, True])
    assert average_precision(np.array([0.9, 0.8, 0.7]), right, 2) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_rank_flips_by_hand():
    reference = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    found = reference.copy()
    found[1] = [0.2, 1]
    assert rank_flips(reference, reference) == 0
    assert rank_flips(found, reference) == 0.5  # 1 and 3 are nearest to each other now


def test_boxes_and_points_without_size():
    nothing = np.zeros((1, 4))
    assert of_boxes(nothing, nothing)["box_iou"] == 1
    assert of_points(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)))["point_share"] == 0


def test_reference_is_another_run(tmp_path):
    with PredictionFile(tmp_path / FILE) as file:
        file.write(Prediction("0", faces()))
    result = agree((moved(faces(), 1), Faces()), reference=str(tmp_path))
    assert result["landmark_px"] == pytest.approx(np.sqrt(2), rel=1e-3)
    with pytest.raises(FaceportError, match="no prediction for 1"):
        agree((faces(), Faces()), (faces(), Faces()), reference=str(tmp_path))
    with pytest.raises(MissingError, match="give the folder of a run"):
        agree((faces(), Faces()), reference=str(tmp_path / "nothing"))


def test_noise_of_the_networks():
    def outputs(*ratios: float) -> dict:
        return {"outputs": {str(i): {"snr_db": ratio} for i, ratio in enumerate(ratios)}}

    metric = Agreement()
    parity = {"pnet": outputs(60, 50.5), "rnet": outputs(41), "onet": {"skipped": "torch is not installed"}}
    found = metric.of_run({"parity": parity})
    assert found == {"snr_db": 41, "networks": {"pnet": 50.5, "rnet": 41}}
    assert metric.of_run({}) == metric.of_run({"parity": {"onet": {"skipped": "no torch"}}}) == {}


def test_who_gives_the_reference():
    assert Agreement().against_reference
    assert not Agreement(AgreementOptions(reference="runs/x")).against_reference


def test_intervals_hold_the_numbers():
    rng = np.random.default_rng(0)
    items = [(moved(faces(i), by), faces(i)) for i, by in enumerate(rng.uniform(0, 4, 30))]
    items += [(Faces(), Faces())] * 3  # pictures without a face
    result = agree(*items, bootstrap=60)
    for name in ("landmark_px", "box_iou", "cosine"):
        low, high = result["interval"][name]
        assert low <= result[name] <= high, name
    assert result["interval"]["landmark_px"][0] < result["landmark_px"] < result["interval"]["landmark_px"][1]
    assert "rank_flips" in result and "rank_flips" not in result["interval"]


def test_a_draw_without_faces_says_nothing():
    result = agree((faces(), faces()), (Faces(), Faces()), bootstrap=50)
    assert result["interval"]["recall"] == [1, 1]


def test_reference_without_faces_is_refused():
    with pytest.raises(FaceportError, match=r"no face.*at least the score 0.5"):
        agree((faces(), Faces()))
