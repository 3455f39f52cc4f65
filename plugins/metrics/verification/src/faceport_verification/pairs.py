"""Gather the embeddings of all pictures into pairs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceport.api import Scored
from faceport.errors import FaceportError
from faceport.ops.boxes import area
from faceport.types import Faces

Pair = tuple[int, int, bool]  # two positions, and whether they show the same person

MOST_PAIRS = 100_000  # of all with all, where the dataset names no pairs


@dataclass(frozen=True, eq=False)
class Pairs:
    """Hold n pairs of embeddings, in the order of the dataset's list."""

    first: NDArray[np.float32]  # (n, d)
    second: NDArray[np.float32]  # (n, d)
    same: NDArray[np.bool_]  # (n,)
    missing: int  # pairs left out, because no face was found in one of their pictures


def collect(items: Iterable[Scored]) -> Pairs:
    """Make the pairs that the truth names by number, or else pairs of all pictures with all."""
    # Sorted, so that shards give the same pairs in the same order.
    items = sorted(items, key=lambda item: item.id)
    named = bool(items) and all("pair" in item.truth.attributes for item in items)
    pairs, incomplete = _named_pairs(items) if named else _all_pairs(items)
    embeddings = [embedding(item.faces) for item in items]
    first, second, same = [], [], []
    for a, b, flag in pairs:
        one, other = embeddings[a], embeddings[b]
        if one is not None and other is not None:
            first.append(one)
            second.append(other)
            same.append(flag)
    if not same:
        raise FaceportError(f"none of the {len(pairs)} pairs has a face with an embedding in both pictures")
    missing = len(pairs) - len(same) + incomplete
    return Pairs(np.stack(first), np.stack(second), np.array(same, dtype=bool), missing)


def embedding(faces: Faces) -> NDArray[np.float32] | None:
    """Take the embedding of a picture's face, of the largest one where there are several."""
    if faces.embeddings is None or not len(faces):
        return None
    largest = 0 if faces.boxes is None else int(area(faces.boxes).argmax())
    chosen: NDArray[np.float32] = faces.embeddings[largest]
    if not np.isfinite(chosen).all() or not chosen.any():
        raise FaceportError("an embedding is zero, or not a finite number: it has no distance to others")
    return chosen


def _named_pairs(items: list[Scored]) -> tuple[list[Pair], int]:
    """Join the pictures that carry the number of the same pair; count the pairs that lack a picture."""
    members: dict[int, list[int]] = defaultdict(list)
    same: dict[int, bool] = {}
    for position, item in enumerate(items):
        attributes = item.truth.attributes
        for number, flag in zip(attributes["pair"].flat, attributes["same"].flat, strict=True):
            members[int(number)].append(position)
            same[int(number)] = bool(flag)
    # A picture that is not here at all leaves its pair incomplete.
    whole = {number: pair for number, pair in members.items() if len(pair) == 2}
    pairs = [(whole[number][0], whole[number][1], same[number]) for number in sorted(whole)]
    return pairs, len(members) - len(whole)


def _all_pairs(items: list[Scored]) -> tuple[list[Pair], int]:
    """Pair every picture with every other by the identity of its one face, in random order."""
    names = []
    for item in items:
        if item.truth.identities is None or len(item.truth) != 1:
            raise FaceportError(f"{item.id}: verification needs one face of known identity in each picture")
        names.append(item.truth.identities[0])
    count = len(items) * (len(items) - 1) // 2
    if count > MOST_PAIRS:
        raise FaceportError(
            f"{len(items)} pictures make {count:,} pairs, more than {MOST_PAIRS:,}: use fewer pictures, "
            "or a dataset that names its pairs (lfw, pairs)"
        )
    first, second = np.triu_indices(len(items), k=1)
    order = np.random.default_rng(0).permutation(count)  # folds are cut in order: each must hold both kinds
    pairs = zip(first[order].tolist(), second[order].tolist(), strict=True)
    return [(a, b, bool(names[a] == names[b])) for a, b in pairs], 0
