"""Every dataset: the same samples every time, decoded late, with the truth that it declares."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Dataset
from faceport.errors import MissingError
from faceport.plugins.index import Choice, installed
from faceport.plugins.loading import create, find_class
from faceport.testing.checks import check_faces, check_same, check_sentence
from faceport.testing.choices import small, small_options
from faceport.types import FIELDS, Faces, Image, Prediction, Sample

MOST = 200  # samples that are looked at, however many there are
DECODED = 4  # pictures that are decoded
PLACES = ("root", "path")  # options that say where the data lie


@pytest.fixture(scope="module")
def dataset(dataset_choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Make the dataset; skip where it has no data."""
    made: Dataset = small(dataset_choice, tmp_path_factory.mktemp(dataset_choice.name))
    try:
        next(iter(made))
    except MissingError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture(scope="module")
def samples(dataset: Dataset) -> list[Sample]:
    """Iterate once."""
    return list(islice(dataset, MOST))


def first_samples(dataset: Dataset) -> list[Sample]:
    """Begin another iteration."""
    found = list(islice(dataset, DECODED))
    assert found, "another iteration gives nothing"
    return found


def test_missing_data_say_where_to_get_them(dataset_choice: Choice, tmp_path: Path) -> None:
    options = small_options(dataset_choice, tmp_path)
    moved = {key: str(tmp_path / "nowhere") for key in PLACES if key in dataset_choice.options}
    if not moved:
        pytest.skip("this dataset needs no data")
    made = create("dataset", dataset_choice.name, **options | moved)
    for ask in (lambda: next(iter(made)), lambda: len(made)):
        with pytest.raises(MissingError) as caught:
            ask()
        text = str(caught.value)
        check_sentence(text)
        assert "nowhere" in text, f"the message does not say where it looked: {text}"
        assert "http" in text or "dataset." in text, f"the message does not say how to get the data: {text}"


def test_truth_and_metrics_are_known_names(dataset_choice: Choice) -> None:
    cls = find_class("dataset", dataset_choice.name)
    strange = sorted(cls.truth - {*FIELDS})
    assert not strange, f"truth names {strange}, which are no fields of Faces: use {[*FIELDS]}"
    for name in set(cls.metrics) & set(installed().choices("metric")):
        lacking = find_class("metric", name).truth - cls.truth
        assert not lacking, f"metric '{name}' needs the truth of {sorted(lacking)}, which this dataset lacks"


def test_there_are_samples(dataset: Dataset, samples: list[Sample]) -> None:
    assert samples, "it has no sample: give it a small sample by card.conformance (faceport.testing says how)"
    whole = len(samples) < MOST
    assert len(dataset) == len(samples) or (not whole and len(dataset) > MOST), (
        f"len() is {len(dataset)}, but {len(samples)} samples came: make __len__ count what __iter__ yields"
    )


def test_ids_are_unique(samples: list[Sample]) -> None:
    ids = [sample.id for sample in samples]
    assert all(isinstance(one, str) and one for one in ids), (
        "every Sample.id must be a text that is not empty"
    )
    twice = sorted({one for one in ids if ids.count(one) > 1})
    assert not twice, f"ids come twice: {twice[:3]}; add to Sample.id what tells its picture from others"


def test_iterating_again_gives_the_same(dataset: Dataset, samples: list[Sample]) -> None:
    again = list(islice(dataset, MOST))
    assert [sample.id for sample in again] == [sample.id for sample in samples], (
        "the order changes: sort what the system lists, and draw with a seed"
    )
    for one, other in zip(samples, again, strict=True):
        check_same(one.truth or Faces(), other.truth or Faces(), 0, one.id)
    for one, other in islice(zip(samples, again, strict=True), DECODED):
        assert np.array_equal(one.image, other.image), (
            f"{one.id} has other pixels the second time: draw with a seed that depends on the index"
        )


def test_two_iterations_do_not_disturb_each_other(dataset: Dataset, samples: list[Sample]) -> None:
    pairs = list(islice(zip(dataset, dataset, strict=True), DECODED))
    assert [(one.id, other.id) for one, other in pairs] == [(s.id, s.id) for s in samples[:DECODED]], (
        "two iterations share a state: let __iter__ begin anew each time, with nothing kept on self"
    )


def test_pictures_are_decoded_late(dataset: Dataset) -> None:
    for sample in first_samples(dataset):
        assert callable(sample.source), (
            f"{sample.id} is decoded before anybody looks at it: give Sample a function"
        )
        assert "image" not in vars(sample)


def test_pictures_are_rgb(samples: list[Sample]) -> None:
    for sample in samples[:DECODED]:
        image = sample.image
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, (
            f"{sample.id} is {image.dtype} of shape {image.shape}; make it uint8 (height, width, 3), RGB, "
            "e.g. by faceport.data.pictures.decode"
        )
        assert image.flags.c_contiguous and image.size, f"{sample.id}: use np.ascontiguousarray on the pixels"


def test_pictures_decode_in_threads(dataset: Dataset, samples: list[Sample]) -> None:
    def decode(sample: Sample) -> Image:
        return sample.image

    fresh = first_samples(dataset)
    with ThreadPoolExecutor(DECODED) as pool:
        for sample, image in zip(samples, pool.map(decode, fresh), strict=False):
            assert np.array_equal(sample.image, image), (
                f"{sample.id} decodes otherwise in a thread: share no file handle between samples"
            )


def test_what_is_drawn_ahead_is_the_same(dataset: Dataset, samples: list[Sample]) -> None:
    for sample in samples[:DECODED]:
        made = dataset.made(sample)
        assert made.id == sample.id
        assert np.array_equal(made.image, sample.image), f"{sample.id} is another picture when made() ahead"


def test_truth_is_as_declared(dataset: Dataset, samples: list[Sample]) -> None:
    for sample in samples:
        truth = sample.truth
        if not dataset.truth:
            assert truth is None or not truth.fields, (
                f"{sample.id}: declare its truth, {truth and sorted(truth.fields)}, in the class's `truth`"
            )
            continue
        assert truth is not None, f"{sample.id} has no truth: give Faces(), or declare none in `truth`"
        check_faces(truth)
        expected = dataset.truth if len(truth) else dataset.truth - {"attributes"}
        assert expected <= truth.fields, (
            f"{sample.id} lacks {sorted(expected - truth.fields)}: set them, or take them out of `truth`"
        )
        assert truth.fields <= dataset.truth, (
            f"{sample.id} has {sorted(truth.fields)}, declared is less: add to `truth` of the class"
        )


def test_samples_tell_nothing_but_truth(samples: list[Sample]) -> None:
    assert all(sample.faces is None for sample in samples), (
        "leave Sample.faces unset and use truth: the core decides what a model is told"
    )


def test_facts_are_plain_and_stable(dataset: Dataset) -> None:
    facts = json.dumps(dict(dataset.facts()), sort_keys=True, allow_nan=False)
    assert facts == json.dumps(dict(dataset.facts()), sort_keys=True)


def test_official_predictions_come_back(dataset: Dataset, samples: list[Sample], tmp_path: Path) -> None:
    if type(dataset).write_predictions is Dataset.write_predictions:
        pytest.skip("this dataset has no official format")
    written = [Prediction(sample.id, _predicted(sample.truth)) for sample in samples]
    dataset.write_predictions(iter(written), tmp_path / "official")
    read = {prediction.id: prediction.faces for prediction in dataset.read_predictions(tmp_path / "official")}
    assert {*read} == {prediction.id for prediction in written}
    for prediction in written:
        assert len(read[prediction.id]) == len(prediction.faces), prediction.id


def _predicted(truth: Faces | None) -> Faces:
    """Say that everything was found, with full certainty."""
    known = truth or Faces()
    return known.with_fields(scores=np.ones(len(known), np.float32)) if len(known) else Faces()
