"""The engine's seams: steps without an engine, observers, functions, samples from many callers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from faceport.engine.engine import Engine, map_samples
from faceport.engine.flow import Settings
from faceport.engine.steps import Answered, Asked, advance
from faceport.engine.timing import Stages, merge_stages
from faceport.errors import FaceportError, ImageError
from faceport.types import Call, Faces, Sample
from tests.core.toys import Doubling, TwoStages, blank, expected


def sessions(**options) -> dict[str, Doubling]:
    return {"first": Doubling(**options), "second": Doubling(**options)}


def sample(number: int) -> Sample:
    return Sample(str(number), blank)


def test_steps_are_advanced_without_an_engine():
    steps, session = TwoStages().predict(sample(3)), Doubling()
    step, asked = advance(steps), []
    while isinstance(step, Asked):
        asked.append([call.network for call in step.calls])
        step = advance(steps, step.answer([session.run(call.inputs) for call in step.calls]))
    assert isinstance(step, Answered)
    assert asked == [["first", "first"], ["second"]]
    assert step.value.scores.tolist() == expected(3)


def test_the_same_answers_give_the_same_steps():
    def walk() -> list[bytes]:
        steps, session, seen = TwoStages().predict(sample(4)), Doubling(), []
        step = advance(steps)
        while isinstance(step, Asked):
            seen += [call.inputs["x"].tobytes() for call in step.calls]
            step = advance(steps, step.answer([session.run(call.inputs) for call in step.calls]))
        return seen

    assert walk() == walk()


def test_what_is_no_call_is_refused():
    def predict():
        yield "first"

    with pytest.raises(FaceportError, match="must yield a Call or a list of Calls, not 'first'"):
        advance(predict())


def test_callers_share_batches():
    made = sessions(pause=0.002)
    engine = Engine(TwoStages(), made, Settings(batch_size=8, workers=2, in_flight=64))
    with ThreadPoolExecutor(16) as callers:
        futures = list(callers.map(engine.submit, map(sample, range(200))))
    answers = [future.result(timeout=30) for future in futures]
    engine.close()
    assert [answer.id for answer in answers] == [str(number) for number in range(200)]
    assert [answer.faces.scores.tolist() for answer in answers] == [expected(n) for n in range(200)]
    assert max(made["second"].batches) > 4, "rows of different callers run together"
    assert threading.active_count() < 10


def test_a_failing_sample_fails_alone():
    class Picky(TwoStages):
        def predict(self, sample):
            if sample.id == "7":
                raise ZeroDivisionError("seven")
            return (yield from super().predict(sample))

    def broken():
        raise ImageError("x.jpg: the file is empty (0 bytes)")

    engine = Engine(Picky(), sessions(), Settings(batch_size=4, workers=2))
    futures = [engine.submit(sample(number)) for number in range(12)]
    unread = engine.submit(Sample("x", broken))
    for number, future in enumerate(futures):
        if number == 7:
            with pytest.raises(FaceportError, match="Picky failed on sample '7': ZeroDivisionError: seven"):
                future.result(timeout=30)
        else:
            assert future.result(timeout=30).faces.scores.tolist() == expected(number)
    assert unread.result(timeout=30).error == "x.jpg: the file is empty (0 bytes)"
    engine.close()


def test_a_batch_that_fails_fails_those_in_it():
    class Failing(Doubling):
        def run(self, inputs):
            if (inputs["x"] == 3).any():
                raise RuntimeError("the device is gone")
            return super().run(inputs)

    engine = Engine(TwoStages(), {"first": Failing(), "second": Doubling()}, Settings(workers=2))
    futures = {number: engine.submit(sample(number)) for number in (1, 2, 3, 4)}
    with pytest.raises(FaceportError, match="'first' failed on a batch of 3: RuntimeError: the device"):
        futures[3].result(timeout=30)
    assert futures[4].result(timeout=30).faces.scores.tolist() == expected(4)
    engine.close()


def test_what_nobody_wants_any_more_is_not_begun():
    hold = threading.Event()

    def slow():
        hold.wait(30)
        return blank()

    engine = Engine(TwoStages(), sessions(), Settings(workers=1, in_flight=1))
    first = engine.submit(Sample("1", slow))
    second = engine.submit(sample(2))
    assert second.cancel()
    hold.set()
    assert first.result(timeout=30).id == "1"
    engine.close()
    with pytest.raises(FaceportError, match="closed"):
        engine_flow = Engine(TwoStages(), sessions())
        engine_flow.submit(sample(1)).result(timeout=30)
        flow = engine_flow._open
        engine_flow.close()
        flow.submit(sample(1))


def test_a_callback_may_submit_the_next():
    engine = Engine(TwoStages(), sessions(), Settings(workers=2))
    done = threading.Event()

    def again(future):
        engine.submit(sample(int(future.result().id) + 1)).add_done_callback(lambda _: done.set())

    engine.submit(sample(1)).add_done_callback(again)
    assert done.wait(30)
    engine.close()


def test_a_function_is_mapped_in_order_with_few_pictures_at_once():
    alive, most, lock = 0, 0, threading.Lock()

    def picture():
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return blank()

    def size(one: Sample) -> tuple[str, int]:
        nonlocal alive
        with lock:
            alive -= 1
        return one.id, one.image.size

    given = (Sample(str(number), picture) for number in range(100))
    outcomes = list(map_samples(size, given, Settings(workers=3, in_flight=5)))
    assert [outcome.value for outcome in outcomes] == [(str(number), 48) for number in range(100)]
    assert most <= 5


def test_a_function_that_fails_is_named():
    def write(one: Sample) -> None:
        raise OSError("disk gone")

    with pytest.raises(FaceportError, match=r"write failed on sample '0': OSError: disk gone"):
        list(map_samples(write, [sample(0)]))


class Wrong(Doubling):
    """Answer `first` wrongly in one way."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def run(self, inputs):
        return self.change(super().run(inputs)["y"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda y: {"z": y}, "there is no output 'y', only 'z'"),
        (lambda y: {"y": y[:-1]}, "output 'y' has shape"),
        (lambda y: {"y": y[..., None]}, "output 'y' has shape"),
        (lambda y: {"y": y.astype(np.float64)}, "holds float64, not float32"),
        (lambda y: {"y": y * np.float32("nan")}, "not finite"),
        (lambda y: {"y": np.where(np.arange(y.size).reshape(y.shape) == 1, np.inf, y)}, "not finite"),
    ],
)
def test_a_target_that_answers_wrongly_is_blamed(change, sentence):
    made = {"first": Wrong(change), "second": Doubling()}
    engine = Engine(TwoStages(), made)
    for drive in (lambda: list(engine.run([sample(3)])), lambda: engine.one(sample(3))):
        with pytest.raises(FaceportError, match="toy answers wrongly for network 'first'") as raised:
            drive()
        assert sentence in str(raised.value) and "not of the model" in str(raised.value)


def test_large_numbers_whose_sum_overflows_are_finite():
    made = {"first": Wrong(lambda y: {"y": np.full_like(y, 3e38)}), "second": Doubling()}
    calls = [Call("first", {"x": np.ones((2, 3), np.float32)})]

    class Once(TwoStages):
        def predict(self, sample):
            yield calls
            return Faces()

    assert Engine(Once(), made).one(sample(1)) is not None


def test_histograms_of_shards_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    durations = rng.exponential(0.01, 1000)
    whole, shards = Stages(), [Stages() for _ in range(4)]
    for number, seconds in enumerate(durations):
        for stages in (whole, shards[number % 4]):
            stages.add("decode", float(seconds), items=2)
    merged = merge_stages(shard.summary() for shard in shards)
    one, other = merged["decode"], whole.summary()["decode"]
    assert one.pop("total_s") == pytest.approx(other.pop("total_s"), abs=1e-5)
    assert one.pop("mean_ms") == pytest.approx(other.pop("mean_ms"), abs=1e-3)
    assert one == other
    assert one["p90_ms"] == pytest.approx(1e3 * np.quantile(durations, 0.9), rel=0.02)
