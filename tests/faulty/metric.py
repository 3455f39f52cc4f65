"""Metrics that compare boxes, and do something wrong."""

import numpy as np

from faceport.api import Metric

HARD = ("test_no_face_found", "test_no_face_there", "test_no_pictures")


class Good(Metric):
    caught_by = ()
    needs = frozenset({"boxes"})
    truth = frozenset({"boxes"})

    def compute(self, items):
        errors = []
        for item in items:
            if item.faces.boxes is not None and len(item.faces) == len(item.truth):
                errors += np.abs(item.faces.boxes - item.truth.boxes).ravel().tolist()
        return {"error": float(np.mean(errors)) if errors else None, "boxes": len(errors) // 4}


class AnswersNaN(Good):
    caught_by = HARD

    def compute(self, items):
        found = super().compute(items)
        return found | {"error": float("nan") if found["error"] is None else found["error"]}


class AnswersWithArrays(Good):
    caught_by = ("test_right_answers_give_numbers",)
    and_more = True

    def compute(self, items):
        return {"boxes": np.float32(super().compute(items)["boxes"])}


class ReadsTwice(Good):
    caught_by = ("test_right_answers_give_numbers", "test_some_faces_not_found")

    def compute(self, items):
        list(items)
        found = super().compute(items)
        return {} if found["error"] is None else found


class DependsOnTheOrder(Good):
    caught_by = ("test_order_does_not_matter",)

    def compute(self, items):
        items = list(items)
        return super().compute(items) | {"first": int(items[0].id) if items else None}


class MovesBoxes(Good):
    caught_by = ("test_items_are_left_as_they_are",)

    def compute(self, items):
        items = list(items)
        found = super().compute(items)
        for item in items:
            if item.truth.boxes is not None:
                item.truth.boxes[:] = 0
        return found


class FailsInPythonsWords(Good):
    caught_by = ("test_no_face_found", "test_no_pictures")

    def compute(self, items):
        items = list(items)
        np.concatenate([item.faces.boxes for item in items if item.faces.boxes is not None])
        return super().compute(items)


class NeedsWhatIsNoField(Good):
    caught_by = ("test_needs_and_truth_are_fields",)
    truth = frozenset({"boxes", "shoes"})
