"""Every metric: plain numbers for right answers, for wrong ones and for none, whatever the order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from faceport.api import Metric, Scored
from faceport.errors import FaceportError
from faceport.plugins.index import Choice
from faceport.testing.checks import check_sentence
from faceport.testing.choices import small
from faceport.testing.drawn import draw_faces
from faceport.types import FIELDS, Faces
from faceport.verbs.show.numbers import BETTER, Meaning, meaning

PICTURES = 24
SIZE = (96, 128)
REPEATED = 1e-9  # the same numbers, summed in another order
STAGE = {
    "count": 24,
    "items": 24,
    "total_s": 0.2,
    "mean_ms": 8.0,
    "p50_ms": 8.0,
    "p90_ms": 9.0,
    "p99_ms": None,  # of too few
}
RECORD = {  # what a metric may know of a run besides its predictions
    "timing": {
        "samples": PICTURES,
        "seconds": 0.25,
        "samples_per_second": 96.0,
        "stages": dict.fromkeys(("decode", "network:tiny", "service_time", "time_in_engine"), STAGE),
        "loaded": {
            "workers": 2,
            "in_flight": 4,
            "batch_size": 1,
            "streams": 1,
            "threads": None,
            "warm_up": 4,
        },
    },
    "parity": {
        "tiny": {
            "calls": 2,
            "inputs": "recorded",
            "outputs": {"scores": {"max_abs": 0.1, "max_rel": 0.1, "cosine": 1.0, "snr_db": 40.0}},
        },
        "unchecked": {"skipped": "torch is not installed"},
    },
}


@pytest.fixture(scope="module")
def metric(metric_choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Metric:
    """Make the metric."""
    made: Metric = small(metric_choice, tmp_path_factory.mktemp(metric_choice.name))
    return made


def right_answers(metric: Metric) -> list[Scored]:
    """Draw a truth that has everything, and say exactly that; identities come one to a picture."""
    items = []
    for index in range(PICTURES):
        count = 1 if "identities" in metric.truth else index % 4
        faces = draw_faces(*SIZE, count, FIELDS, seed=index)
        truth = faces.only({"boxes", "points", "landmarks", "identities", "attributes"})
        items.append(Scored(f"{index:03d}", faces.only(metric.needs | {"boxes", "scores"}), truth))
    return items


def compute(metric: Metric, items: Iterable[Scored]) -> dict[str, Any]:
    """Compute, from an iterator that can be read once and from a run, numbers that a record can hold."""
    text = json.dumps({**metric.compute(iter(items)), **metric.of_run(RECORD)}, allow_nan=False)
    result: dict[str, Any] = json.loads(text)
    return result


def compute_or_refuse(metric: Metric, items: Iterable[Scored]) -> None:
    """Compute, or be told in a sentence why not."""
    try:
        compute(metric, items)
    except FaceportError as error:
        check_sentence(str(error))


def numbers(value: Any, name: str = "") -> dict[str, float]:
    """List the numbers of a result, by the way to each."""
    if isinstance(value, Mapping):
        parts = [numbers(item, f"{name}.{key}") for key, item in value.items()]
    elif isinstance(value, list):
        parts = [numbers(item, f"{name}[{index}]") for index, item in enumerate(value)]
    elif isinstance(value, int | float):
        return {name: float(value)}
    else:
        return {}
    return {key: number for part in parts for key, number in part.items()}


def test_needs_and_truth_are_fields(metric: Metric) -> None:
    strange = sorted((metric.needs | metric.truth) - {*FIELDS})
    assert not strange, f"needs or truth name {strange}, which are no fields of Faces: use {[*FIELDS]}"


def test_right_answers_give_numbers(metric: Metric) -> None:
    assert numbers(compute(metric, right_answers(metric))), (
        "the result has no number: compute() must give some int or float by name"
    )


def test_what_a_budget_watches_is_among_the_numbers(metric: Metric) -> None:
    found = compute(metric, right_answers(metric))
    assert not metric.watched or any(isinstance(found.get(name), float) for name in metric.watched), (
        f"`watched` names {[*metric.watched]}, of which compute() gives no float: it gives {sorted(found)}"
    )


def test_the_card_says_what_numbers_mean(metric_choice: Choice, metric: Metric) -> None:
    """`card.numbers` holds patterns: `{nme: {better: lower, unit: px, column: true}}`."""
    for pattern, about in (metric_choice.card.get("numbers") or {}).items():
        where = f"{metric_choice.path}: card.numbers: '{pattern}'"
        assert isinstance(about, Mapping), f"{where} must hold a mapping, e.g. {{better: lower}}"
        unknown = {*about} - {"better", "unit", "column"}
        assert not unknown, f"{where} has {sorted(unknown)}; it may have better, unit, column"
        assert Meaning(**about).better in ("", *BETTER), f"{where}: better is {' or '.join(BETTER)}"
    found = compute(metric, right_answers(metric))
    if metric_choice.card.get("numbers"):
        explained = [name for name in found if meaning(metric_choice.name, name).better]
        assert explained, f"{metric_choice.path}: no pattern of card.numbers fits any of {sorted(found)}"


def test_intervals_belong_to_numbers(metric: Metric) -> None:
    found = compute(metric, right_answers(metric))
    for name, (low, high) in (found.get("interval") or {}).items():
        assert name in found, f"there is an interval of '{name}', which is no number of the metric"
        assert low is None or low <= high, f"the interval of '{name}' runs from {low} to {high}"


def test_order_does_not_matter(metric: Metric) -> None:
    items = right_answers(metric)
    wanted = numbers(compute(metric, items))
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(items))
        found = numbers(compute(metric, [items[index] for index in order]))
        assert found == pytest.approx(wanted, rel=REPEATED, abs=REPEATED), (
            "another order gives other numbers: sort by id or score, and break ties by what is in the items"
        )


def test_items_are_left_as_they_are(metric: Metric) -> None:
    items = right_answers(metric)
    compute(metric, items)
    for item, fresh in zip(items, right_answers(metric), strict=True):
        for name in sorted((item.faces.fields | item.truth.fields) - {"attributes"}):
            for now, before in ((item.faces, fresh.faces), (item.truth, fresh.truth)):
                assert np.array_equal(getattr(now, name), getattr(before, name)), (
                    f"compute() changed {name} of its items: copy before you write"
                )


def test_some_faces_not_found(metric: Metric) -> None:
    items = [
        Scored(item.id, Faces() if index % 3 == 0 else item.faces, item.truth)
        for index, item in enumerate(right_answers(metric))
    ]
    assert numbers(compute(metric, items)), "no number where some faces were not found: count them as missed"


def test_no_face_found(metric: Metric) -> None:
    compute_or_refuse(metric, [Scored(item.id, Faces(), item.truth) for item in right_answers(metric)])


def test_no_face_there(metric: Metric) -> None:
    empty = [Scored(item.id, item.faces[:0], item.truth[:0]) for item in right_answers(metric)]
    compute_or_refuse(metric, empty)


def test_no_pictures(metric: Metric) -> None:
    compute_or_refuse(metric, [])
