"""Verification against the published FaceNet evaluation and against definitions."""

import json

import numpy as np
import pytest

from faceport.api import Scored
from faceport.errors import FaceportError
from faceport.types import Faces
from faceport_verification.folds import best_threshold, distances, evaluate_folds, far_threshold, split
from faceport_verification.metric import Verification, VerificationOptions
from faceport_verification.roc import area, equal_error_rate, roc, tar_at_far


def straightforward_folds(first, second, same, far=1e-3):
    """Try every threshold on every fold, one after the other."""
    apart = np.sum((first - second) ** 2, axis=1)
    accuracies, vals = [], []
    for test in np.array_split(np.arange(len(same)), 10):
        train = np.setdiff1d(np.arange(len(same)), test)
        right = [np.sum((apart[train] < t) == same[train]) for t in np.arange(0, 4, 0.01)]
        threshold = np.arange(0, 4, 0.01)[np.argmax(right)]
        accuracies.append(np.mean((apart[test] < threshold) == same[test]))
        levels = np.arange(0, 4, 0.001)
        rates = np.array([np.sum((apart[train] < t) & ~same[train]) for t in levels]) / np.sum(~same[train])
        limit = np.interp(far, rates, levels) if rates.max() >= far else 0.0
        vals.append(np.mean(apart[test][same[test]] < limit))
    return accuracies, vals


def random_pairs(count: int = 203, size: int = 16, seed: int = 0):
    rng = np.random.default_rng(seed)
    same = rng.uniform(size=count) < 0.4
    first = rng.normal(size=(count, size))
    second = np.where(
        same[:, None], first + rng.normal(scale=0.8, size=(count, size)), rng.normal(size=(count, size))
    )
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (first, second))
    return first, second, same


@pytest.mark.parametrize("subtract_mean", [False, True])
@pytest.mark.parametrize(("metric", "distance"), [(0, "euclidean"), (1, "angle")])
def test_published_evaluation(reference_dir, metric: int, distance, subtract_mean: bool):
    reference = np.load(reference_dir / "algorithms" / "lfw_protocol_600pairs.npz")
    first, second = reference["embeddings"][::2], reference["embeddings"][1::2]
    folds = evaluate_folds(first, second, reference["issame"], distance=distance, subtract_mean=subtract_mean)
    key = f"m{metric}_s{int(subtract_mean)}"
    assert folds.accuracy.tolist() == reference[f"accuracy_{key}"].tolist()
    found = [folds.val.mean(), folds.val.std(), folds.far.mean()]
    assert found == pytest.approx(reference[f"val_{key}"].tolist(), abs=1e-6)


def test_equals_the_straightforward_procedure():
    first, second, same = random_pairs()
    accuracies, vals = straightforward_folds(first, second, same)
    folds = evaluate_folds(first, second, same)
    assert folds.accuracy.tolist() == accuracies
    assert folds.val.tolist() == vals
    assert folds.correct.mean() == pytest.approx(np.average(folds.accuracy, weights=[21] * 3 + [20] * 7))


def test_published_scores(real_dir):
    published = json.loads((real_dir / "reference_runs" / "lfw_mobilefacenet.json").read_text())
    apart = 1 - np.array(published["cosine_scores_first_1200_pairs"])
    same = np.tile(np.repeat([True, False], 300), 2)
    assert area(roc(apart, same)) == pytest.approx(published["auc_folds1-2"], abs=1e-9)
    for fold in published["folds1-2_raw_cosine"]:
        test = slice(0, 600) if fold["test_fold"] == 1 else slice(600, 1200)
        train = slice(600, 1200) if fold["test_fold"] == 1 else slice(0, 600)
        threshold = best_threshold(apart[train], same[train], "sphereface")
        assert 1 - threshold == pytest.approx(fold["threshold_from_other_fold"], abs=1e-3)
        assert np.mean((apart[test] < threshold) == same[test]) == pytest.approx(fold["accuracy"], abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"), [("euclidean", [0, 2, 4]), ("angle", [0, 0.5, 1]), ("cosine", [0, 1, 2])]
)
def test_distances(kind, expected):
    first, second = np.array([[1, 0]] * 3), np.array([[1, 0], [0, 1], [-1, 0]])
    np.testing.assert_allclose(distances(first, second, kind), expected, atol=1e-12)


def test_folds_take_what_does_not_divide():
    assert [part.stop - part.start for part in split(23, 10)] == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


def test_threshold_for_a_rate_that_is_never_reached():
    assert far_threshold(np.array([5.0, 6.0]), np.array([False, False]), 0.5) == 0.0


def test_curve_by_definition():
    _, _, same = random_pairs()
    apart = np.round(np.random.default_rng(1).uniform(size=len(same)) + 0.3 * ~same, 1)  # with many ties
    curve = roc(apart, same)
    for far, tar, threshold in zip(*curve[:3], strict=True):
        assert (far, tar) == (np.mean(apart[~same] <= threshold), np.mean(apart[same] <= threshold))
    gaps = apart[same][:, None] - apart[~same]
    assert area(curve) == pytest.approx(np.mean((gaps < 0) + (gaps == 0) / 2))
    rate = equal_error_rate(curve)
    assert np.interp(rate, curve.far, curve.tar) == pytest.approx(1 - rate)


@pytest.mark.parametrize(("same", "rate"), [([1, 1, 0, 0], 0.0), ([0, 0, 1, 1], 1.0), ([1, 0, 1, 0], 0.5)])
def test_equal_error_rate_of_extremes(same, rate: float):
    assert equal_error_rate(roc([1, 2, 3, 4], same)) == rate


def test_rate_of_accepts_says_when_negatives_are_too_few():
    curve = roc(np.arange(20) / 20, np.arange(20) < 10)
    assert tar_at_far(curve, 0.1) == 1.0
    assert tar_at_far(curve, 0.01) is None
    mixed = roc([0.1, 0.2, 0.3, 0.4], [False, True, True, False])
    assert tar_at_far(mixed, 0.5) == 1.0


def test_curve_needs_both_kinds():
    with pytest.raises(ValueError, match="2 same and 0 different"):
        roc([1, 2], [True, True])


def items_of(first, second, same) -> list[Scored]:
    items = []
    for number, (a, b, flag) in enumerate(zip(first, second, same, strict=True)):
        for side, vector in enumerate((a, b)):
            truth = Faces(attributes={"pair": np.array([[number]]), "same": np.array([[flag]])})
            items.append(Scored(f"{side}/{number:04d}", Faces(embeddings=vector[None]), truth))
    return items


def test_metric_joins_pairs_in_any_order():
    first, second, same = random_pairs()
    items = items_of(first, second, same)
    metric = Verification(VerificationOptions(per_fold=True, curve=True, scores=True))
    result = metric.compute(items)
    assert result == metric.compute(items[::-1])
    folds = evaluate_folds(first, second, same)
    assert result["folds"]["accuracy"] == folds.accuracy.tolist()
    assert result["distances"] == distances(first, second).tolist()
    assert (result["pairs"], result["missing_pairs"]) == (203, 0)
    assert result["tar_at_far"]["1e-06"] is None


def test_metric_counts_pairs_it_cannot_judge():
    items = items_of(*random_pairs())
    items[0] = Scored(items[0].id, Faces(), items[0].truth)
    result = Verification().compute(items[:-1])
    assert (result["pairs"], result["missing_pairs"]) == (201, 2)


def test_metric_takes_the_largest_face():
    items = items_of(*random_pairs())
    for position, item in enumerate(items):
        noise = np.random.default_rng(position).normal(size=item.faces.embeddings.shape)
        both = np.concatenate([noise, item.faces.embeddings])
        boxes = np.array([[0, 0, 5, 5], [0, 0, 50, 50]], np.float32)
        items[position] = Scored(item.id, Faces(boxes=boxes, embeddings=both), item.truth)
    expected = Verification().compute(items_of(*random_pairs()))
    assert Verification().compute(items) == expected


def test_identities_make_all_pairs():
    rng = np.random.default_rng(0)
    items = []
    for i in range(12):
        vector = np.eye(4)[i % 4] + rng.normal(scale=0.01, size=4)
        truth = Faces(identities=np.array([f"person {i % 4}"]))
        items.append(Scored(f"{i:02d}", Faces(embeddings=vector[None]), truth))
    result = Verification(VerificationOptions(bootstrap=10)).compute(items)
    assert (result["pairs"], result["accuracy"], result["auc"], result["eer"]) == (66, 1.0, 1.0, 0.0)
    assert result["interval"]["accuracy"] == [1.0, 1.0]


def test_interval_of_few_pairs():
    vectors = np.array([[1, 0], [1, 0.1], [0, 1]])
    items = items_of(vectors, vectors[::-1], [False, True, False])
    assert (
        Verification(VerificationOptions(folds=3, bootstrap=50)).compute(items)["interval"]["auc"] is not None
    )


def test_what_cannot_be_compared():
    items = items_of(*random_pairs())
    items[3] = Scored(items[3].id, Faces(embeddings=np.zeros((1, 16))), items[3].truth)
    with pytest.raises(FaceportError, match="no distance to others"):
        Verification().compute(items)
    with pytest.raises(FaceportError, match="one face of known identity"):
        Verification().compute([Scored("a", Faces(), Faces())])
    with pytest.raises(FaceportError, match="5 same and 0 different"):
        Verification().compute(items_of(*[np.eye(5)] * 2, [True] * 5))
