"""Predictions by replay: what came is used, what is missing is asked for, and faults are named."""

from dataclasses import replace

import numpy as np
import pytest

from faceport.api import Away, Model, Network
from faceport.engine.ledger import replay
from faceport.errors import FaceportError, ImageError, WaitingError
from faceport.types import Call, Faces, Sample, TensorSpec

SPEC = TensorSpec("x", ("batch", 2))


class TwoSteps(Model):
    """Ask twice: for the mean colours, then for what came of them and for their negatives."""

    networks = {name: Network(name, (SPEC,), (SPEC,)) for name in ("first", "second")}

    def predict(self, sample):
        means = np.float32([[sample.image.mean(), sample.image.max()]])
        first = yield Call("first", {"x": means})
        pair = yield [Call("second", {"x": sign * first["x"]}) for sign in (1, -1)]
        return Faces(boxes=np.concatenate([part["x"] for part in pair], axis=1))


class Box(Away):
    """Keep calls and answers in memory."""

    facts = {"runtime": "box"}

    def __init__(self):
        self.asked, self.answers = {}, {}

    def answer(self, call, inputs):
        if call not in self.answers:
            self.asked[call] = inputs
        return self.answers.get(call)

    def dispatch(self):
        return "Come back later." if self.asked else ""

    def reply(self, double=lambda x: 2 * x):
        self.answers |= {call: {"x": double(inputs["x"])} for call, inputs in self.asked.items()}
        self.asked = {}


def samples(count):
    return [Sample(str(n), np.full((2, 3, 3), n, np.uint8)) for n in range(count)]


@pytest.fixture
def boxes():
    return {"first": Box(), "second": Box()}


def waits(boxes, *words, **options):
    found = []
    with pytest.raises(WaitingError) as caught:
        found += replay(TwoSteps(), boxes, *words, **options)
    return found, str(caught.value)


def test_each_stage_takes_a_trip(boxes):
    assert waits(boxes, samples(2)) == (
        [],
        "2 pictures wait for answers from another machine. Come back later.",
    )
    assert [*boxes["first"].asked] == ["00000000-00-000", "00000001-00-000"] and not boxes["second"].asked
    boxes["first"].reply()
    assert waits(boxes, samples(2))[0] == []
    assert [*boxes["second"].asked] == [f"0000000{n}-01-00{slot}" for n in (0, 1) for slot in (0, 1)]
    boxes["second"].reply()
    found = list(replay(TwoSteps(), boxes, samples(2)))
    assert [prediction.faces.boxes.tolist() for prediction in found] == [[[0] * 4], [[4, 4, -4, -4]]]


def test_nothing_is_given_after_what_waits(boxes):
    for _ in range(2):
        waits(boxes, samples(3))
        for box in boxes.values():
            box.reply()
    missing = boxes["second"].answers.pop("00000001-01-001")
    found, said = waits(boxes, samples(3))
    assert [prediction.id for prediction in found] == ["0"] and said.startswith("1 picture waits ")
    boxes["second"].answers["00000001-01-001"] = missing
    found = list(replay(TwoSteps(), boxes, samples(3)[1:], first=1))
    assert [prediction.id for prediction in found] == ["1", "2"]


def unreadable():
    raise ImageError("a.jpg: the file is empty")


def test_an_unreadable_picture_is_counted_or_stops_the_run(boxes):
    broken = replace(samples(1)[0], source=unreadable)
    [prediction] = replay(TwoSteps(), boxes, [broken])
    assert prediction.error == "a.jpg: the file is empty"
    with pytest.raises(FaceportError, match="strict=true stops at it"):
        list(replay(TwoSteps(), boxes, [broken], strict=True))


@pytest.mark.parametrize(
    ("double", "reason"),
    [
        (lambda x: np.full_like(x, np.nan), "not finite"),
        (lambda x: x[:, :1], "has shape"),
        (lambda x: x.astype(np.float64), "holds float64"),
    ],
)
def test_answers_are_held_to_the_network(double, reason, boxes):
    waits(boxes, samples(1))
    boxes["first"].reply(double)
    with pytest.raises(FaceportError, match=f"box answers wrongly for network 'first'.*{reason}"):
        list(replay(TwoSteps(), boxes, samples(1)))


def test_a_model_that_raises_is_named(boxes, monkeypatch):
    def predict(self, sample):
        yield from ()
        return {}["shares"]

    monkeypatch.setattr(TwoSteps, "predict", predict)
    with pytest.raises(FaceportError, match="TwoSteps failed on sample '0': KeyError: 'shares'"):
        list(replay(TwoSteps(), boxes, samples(1)))
