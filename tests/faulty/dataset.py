"""Datasets of three grey pictures, with something wrong."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceport.api import Dataset
from faceport.errors import MissingError
from faceport.types import Faces, Prediction, Sample


@dataclass(frozen=True)
class Options:
    count: int = 3


@dataclass(frozen=True)
class RootOptions:
    root: str = "."


def paint(index):
    return np.full((8, 8, 3), index, np.uint8)


class Good(Dataset):
    caught_by = ()
    Options = Options
    truth = frozenset({"boxes"})

    def __iter__(self):
        for index in range(3):
            yield self.sample(index)

    def sample(self, index):
        return Sample(f"{index}", lambda: paint(index), truth=self.label(index))

    def label(self, index):
        return Faces(boxes=np.array([[0, 0, 4, 4]], np.float32))

    def __len__(self):
        return 3


class CountsWrongly(Good):
    caught_by = ("test_there_are_samples",)

    def __len__(self):
        return 4


class RepeatsIds(Good):
    caught_by = ("test_ids_are_unique",)

    def sample(self, index):
        return Sample("same", lambda: paint(index), truth=self.label(index))


class DecodesEarly(Good):
    caught_by = ("test_pictures_are_decoded_late",)

    def sample(self, index):
        return Sample(f"{index}", paint(index), truth=self.label(index))


class GivesFloats(Good):
    caught_by = ("test_pictures_are_rgb",)

    def sample(self, index):
        return Sample(f"{index}", lambda: paint(index) / 255, truth=self.label(index))


class GivesViews(Good):
    caught_by = ("test_pictures_are_rgb",)

    def sample(self, index):
        return Sample(f"{index}", lambda: paint(index)[..., ::-1], truth=self.label(index))


class GivesOtherPixels(Good):
    caught_by = ("test_iterating_again_gives_the_same", "test_pictures_decode_in_threads")

    def sample(self, index):
        return Sample(
            f"{index}",
            lambda: np.random.default_rng().integers(0, 255, (8, 8, 3), dtype=np.uint8),
            truth=self.label(index),
        )


class GivesOtherTruth(Good):
    caught_by = ("test_iterating_again_gives_the_same",)

    def label(self, index):
        return Faces(boxes=np.random.default_rng().random((1, 4), np.float32))


class IteratesOnce(Good):
    caught_by = (
        "test_iterating_again_gives_the_same",
        "test_pictures_are_decoded_late",
        "test_pictures_decode_in_threads",
        "test_there_are_samples",
        "test_two_iterations_do_not_disturb_each_other",
    )

    def __init__(self, options=None):
        super().__init__(options)
        self.once = super().__iter__()

    def __iter__(self):
        return self.once


class LacksTruth(Good):
    caught_by = ("test_truth_is_as_declared",)
    truth = frozenset({"boxes", "landmarks"})


class HidesTruth(Good):
    caught_by = ("test_truth_is_as_declared",)
    truth = frozenset()


class GivesDoubles(Good):
    caught_by = ("test_truth_is_as_declared",)

    def label(self, index):
        return Faces(boxes=np.zeros((1, 4)))


class TellsTheModel(Good):
    caught_by = ("test_samples_tell_nothing_but_truth",)

    def sample(self, index):
        return Sample(f"{index}", lambda: paint(index), truth=self.label(index), faces=self.label(index))


class NamesTheTime(Good):
    caught_by = ("test_facts_are_plain_and_stable",)

    def facts(self):
        return {"random": np.random.default_rng().random()}


class RecommendsWhatCannotScore(Good):
    caught_by = ("test_truth_and_metrics_are_known_names",)
    metrics = ("faulty_Good",)
    truth = frozenset()

    def label(self, index):
        return None


class FailsInPythonsWords(Good):
    caught_by = ("test_missing_data_say_where_to_get_them",)
    Options = RootOptions

    def __iter__(self):
        list(Path(self.options.root).joinpath().stat())
        yield from super().__iter__()


class DoesNotSayWhere(Good):
    caught_by = ("test_missing_data_say_where_to_get_them",)
    Options = RootOptions

    def __iter__(self):
        self.look()
        yield from super().__iter__()

    def __len__(self):
        self.look()
        return super().__len__()

    def look(self):
        if not Path(self.options.root).is_dir():
            raise MissingError(f"{self.options.root} is not there, sorry")


class SaysWhere(DoesNotSayWhere):
    caught_by = ()

    def look(self):
        if not Path(self.options.root).is_dir():
            raise MissingError(f"no {self.options.root}: get it from https://example.com/data")


class LosesPredictions(Good):
    caught_by = ("test_official_predictions_come_back",)

    def write_predictions(self, predictions, out):
        out.write_text("\n".join(prediction.id for prediction in predictions))

    def read_predictions(self, path):
        for name in path.read_text().split():
            yield Prediction(name, Faces())
