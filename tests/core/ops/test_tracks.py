"""Numbers that stay with faces: while they move, cross, go and come back."""

import numpy as np

from faceport.ops.tracks import Tracker, best_pairs

ANNA, BERT = np.eye(2, 8, dtype=np.float32)


def at(*left):
    return np.float32([[x, 10, x + 20, 40] for x in left])


def test_pairs_are_the_best_first():
    affinity = np.array([[0.9, 0.8], [0.85, 0.1], [0.7, 0.6]])
    assert best_pairs(affinity, 0.5) == [(0, 0), (2, 1)]
    assert best_pairs(np.zeros((0, 3)), 0.5) == [] and best_pairs(affinity, 0.95) == []


def test_a_face_that_moves_keeps_its_number_in_whatever_order_it_is_found():
    tracker = Tracker()
    assert tracker.follow(at(0, 100)).tolist() == [1, 2]
    for step in range(1, 30):
        boxes = at(3 * step, 100 + 3 * step)
        turned = step % 2 == 1
        assert tracker.follow(boxes[::-1] if turned else boxes).tolist() == ([2, 1] if turned else [1, 2])
    assert tracker.follow(np.zeros((0, 4), np.float32)).tolist() == []
    assert tracker.follow(at(500)).tolist() == [3]


def test_a_face_that_was_missed_for_a_moment_keeps_its_number_and_not_for_ever():
    nobody = np.zeros((0, 4), np.float32)
    for away, number in ((3, 1), (4, 2)):
        tracker = Tracker(patience=4)
        tracker.follow(at(0))
        for _ in range(away):
            tracker.follow(nobody)
        assert tracker.follow(at(4)).tolist() == [number]


def test_embeddings_tell_faces_apart_that_cross_and_know_who_comes_back():
    tracker = Tracker()
    both = np.stack([ANNA, BERT])
    assert tracker.follow(at(0, 40), both).tolist() == [1, 2]
    assert tracker.follow(at(12, 28), both).tolist() == [1, 2]
    # Each overlaps where the other was more than where it was itself.
    assert tracker.follow(at(22, 18), both).tolist() == [1, 2]
    assert tracker.follow(at(300), BERT[None]).tolist() == [2]
    assert tracker.follow(at(600), np.float32([[0, 0, 1, 0, 0, 0, 0, 0]])).tolist() == [3]
    for _ in range(100):
        tracker.follow(np.zeros((0, 4), np.float32), np.zeros((0, 8), np.float32))
    assert tracker.follow(at(900), (ANNA + 0.1 * BERT)[None]).tolist() == [1]
