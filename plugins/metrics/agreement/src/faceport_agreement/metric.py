"""What did this chip and this precision change? No label is needed to answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from faceport.api import Metric, Scored
from faceport.bounds import Rounds, Share
from faceport.data.predictions import FILE, read_predictions
from faceport.errors import FaceportError, MissingError
from faceport.files import expand
from faceport.ops.bootstrap import bootstrap
from faceport.ops.plain import plain
from faceport.types import Faces
from faceport_agreement.compare import compared
from faceport_agreement.differences import differences

VERSION = 1  # of the protocol: raised when the same predictions and options give another number


@dataclass(frozen=True)
class AgreementOptions:
    """Options of the metric."""

    reference: str | None = None  # folder or predictions.jsonl of another run; None: what the core puts in
    iou: Share = 0.5  # least overlap of two boxes of one face
    threshold: Share = 0.5  # least score of a face that counts
    bootstrap: Rounds = 0  # rounds


class Agreement(Metric):
    """Compare predictions with those of the fp32 reference, or of another run, on the same pictures."""

    Options = AgreementOptions
    options: AgreementOptions
    watched = ("ap", "box_iou", "point_share", "landmark_share", "cosine")  # shares, whichever there are

    @property
    def against_reference(self) -> bool:
        """Have the core run the fp32 reference, where no run is named."""
        return self.options.reference is None

    def compute(self, items: Iterable[Scored]) -> Mapping[str, Any]:
        """Give what changed in boxes, scores, landmarks and embeddings, whichever both runs have."""
        options = self.options
        # Sorted, so that shards give the same sums to the last bit whatever the order they are read in.
        both = sorted(beside(items, options.reference), key=lambda three: three[0])
        pictures = [compared(found, wanted, options.iou, options.threshold) for _, found, wanted in both]
        counts: dict[str, Any] = {
            "protocol": f"{options.reference or 'fp32 reference'} v{VERSION}, IoU {options.iou:g}",
            "pictures": len(pictures),
            "faces": sum(len(picture.wanted) for picture in pictures),
            "paired": sum(len(picture.pairs.found) for picture in pictures),
        }
        if not counts["faces"]:
            raise FaceportError(
                "metric agreement: the reference has no face in these pictures of at least the score "
                f"{options.threshold} (metric.agreement.threshold)"
            )
        result = counts | differences(pictures, options.threshold)
        if options.bootstrap:
            result["interval"] = bootstrap(
                lambda drawn: differences([pictures[i] for i in drawn], options.threshold, drawn=True),
                len(pictures),
                options.bootstrap,
            )
        return dict(plain(result))

    def of_run(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the least signal-to-noise ratio of each network's outputs, in dB, and the least of all."""
        checked = {name: parity.get("outputs") for name, parity in record.get("parity", {}).items()}
        networks = {
            name: float(min(output["snr_db"] for output in outputs.values()))
            for name, outputs in checked.items()
            if outputs
        }
        return {"snr_db": min(networks.values()), "networks": networks} if networks else {}


def beside(items: Iterable[Scored], reference: str | None) -> Iterator[tuple[str, Faces, Faces]]:
    """Put the faces of the reference beside those that were found."""
    if reference is None:
        yield from ((item.id, item.faces, item.truth) for item in items)
        return
    path = expand(reference)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise MissingError(f"there is no {path} (metric.agreement.reference): give the folder of a run")
    known = {prediction.id: prediction.faces for prediction in read_predictions(path)}
    for item in items:
        if item.id not in known:
            raise FaceportError(f"{path} has no prediction for {item.id}: it must be of the same pictures")
        yield item.id, item.faces, known[item.id]
