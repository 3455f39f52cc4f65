"""What changed over many pictures: faces lost and found, and how far those that are left have moved."""

from collections.abc import Sequence

import numpy as np

from faceport_agreement.compare import Picture, detection, scores
from faceport_agreement.shifts import both, measure, rank_flips


def differences(pictures: Sequence[Picture], threshold: float, drawn: bool = False) -> dict[str, float]:
    """Compute whatever both runs have; of pictures drawn with repetition, what repetition leaves sound."""
    faces = sum(len(picture.wanted) for picture in pictures)
    result: dict[str, float] = {}
    if not faces:
        return result
    if all(picture.wanted.boxes is not None for picture in pictures if len(picture.wanted)):
        right = [np.isin(np.arange(len(picture.found)), picture.pairs.found) for picture in pictures]
        confidence = np.concatenate([scores(picture.found) for picture in pictures])
        result |= detection(confidence, np.concatenate(right), faces, threshold)
    paired = [picture for picture in pictures if len(picture.pairs.found)]
    found = [picture.found[picture.pairs.found] for picture in paired]
    wanted = [picture.wanted[picture.pairs.reference] for picture in paired]
    result |= measure(found, wanted)
    embeddings = both("embeddings", found, wanted)
    if embeddings and not drawn:  # the nearest neighbour of a face that is drawn twice is itself
        result["rank_flips"] = rank_flips(*embeddings)
    return result
