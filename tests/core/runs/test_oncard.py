"""What was published of a model, beside what a run measured of it."""

from dataclasses import replace

import pytest

from faceport.runs.oncard import published_notes
from faceport.runs.record import Record, Samples
from faceport.runs.scoring import judged

OFFICIAL = "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"
TINY = "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5"
RUN = Record(
    status="done",
    config={
        "model": {"name": "retinaface_mobilenet", "size": "original", "confidence": 0.02, "nms": 0.4},
        "target": {"name": "onnxruntime", "precision": "fp32"},
        "dataset": {"name": "widerface", "split": "val", "subset": None},
    },
    samples=Samples(total=3226, predicted=3226),
    metrics={"widerface_ap": {"easy": 0.9069, "medium": 0.88158, "hard": 0.7383}},
    weights={"retinaface": {"source": "mine.pth", "sha256": OFFICIAL}},
)


def changed(**groups: object) -> Record:
    config = {name: {**RUN.config[name], **values} for name, values in groups.items() if name in RUN.config}
    return replace(RUN, config={**RUN.config, **groups, **config})


def test_the_published_number_stands_beside_the_measured_one():
    [note] = published_notes(RUN)
    assert note.startswith(
        "Published: widerface_ap.easy 0.9070 (here 0.9069), widerface_ap.medium 0.8816 (here"
    )
    assert note.endswith("https://github.com/biubug6/Pytorch_Retinaface. The protocol is the same")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (changed(model={"size": 640}), "model.size is 640, not original"),
        (changed(limit=50), "limit=50 is not all pictures"),
        (changed(part="1/4"), "part=1/4 is not all pictures"),
        (changed(dataset={"subset": "some.txt"}), "dataset.subset is some.txt, not null"),
        (changed(target={"precision": "int8"}), "target.precision is int8"),
        (changed(metric={"widerface_ap": {"iou": 0.3}}), "metric.widerface_ap.iou is 0.3, not 0.5"),
        (replace(RUN, samples=Samples(3226, 28, missing=3198)), "3198 of 3226 pictures were not read"),
        (
            replace(RUN, weights={"retinaface": {"source": "tiny", "sha256": TINY}}),
            "network 'retinaface' has weights that the card does not know",
        ),
    ],
)
def test_a_difference_of_options_is_the_reason_why_they_need_not_agree(record, reason):
    [note] = published_notes(record)
    assert note.endswith(f"They need not agree, for {reason}")


def test_another_protocol_and_random_weights_have_nothing_beside_them():
    assert not published_notes(changed(dataset={"name": "synthetic"}))
    assert not published_notes(changed(dataset={"split": "train"}))
    assert not published_notes(replace(RUN, weights={"retinaface": {"source": "random", "random": True}}))
    assert not published_notes(replace(RUN, metrics={"landmarks": {"nme": 0.1}}))


def test_percent_is_written_as_it_was_published():
    record = replace(
        RUN,
        config={
            "model": {"name": "pipnet_resnet18", "landmarks": 98, "top": "auto"},
            "dataset": {"name": "wflw", "split": "test"},
        },
        metrics={"landmarks": {"nme": 0.045712}},
    )
    [note] = published_notes(record)
    assert "landmarks.nme 4.57% (here 4.57%)" in note and "model.top is auto, not grow" in note


def test_the_record_keeps_it():
    assert judged(RUN, 0).notes == published_notes(RUN)
