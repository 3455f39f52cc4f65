import threading
import weakref

import numpy as np
import pytest

from faceport.api import Model
from faceport.engine.batching import ROWS
from faceport.engine.engine import Engine
from faceport.engine.flow import OFFLINE_WINDOW, Load, Settings
from faceport.engine.timing import IN_ENGINE, SERVICE, Stages
from faceport.engine.watch import Watch
from faceport.errors import FaceportError, ImageError
from faceport.types import Call, Faces, Sample
from tests.core.toys import Doubling, TwoStages, blank, expected


def samples(count):
    return (Sample(str(index), blank) for index in range(count))


def engine(batch_size=1, workers=2, **sessions):
    made = {"first": Doubling(), "second": Doubling(), **sessions}
    return Engine(TwoStages(), made, Settings(batch_size=batch_size, workers=workers)), made


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("streams", [1, 2])
def test_every_prediction_comes_once_in_order_and_right(batch_size, workers, streams):
    driven, _ = engine(batch_size, workers, first=Doubling(streams, pause=1e-4))
    predictions = list(driven.run(samples(60)))
    assert [p.id for p in predictions] == [str(i) for i in range(60)]
    assert [p.faces.scores.tolist() for p in predictions] == [expected(i) for i in range(60)]


def test_rows_of_many_samples_share_batches():
    driven, sessions = engine(batch_size=8, workers=1)
    list(driven.run(samples(100)))
    assert max(sessions["second"].batches) == 2 * (1 + 2 + 3 + 4), "the rows of eight samples that have any"
    assert np.mean(sessions["second"].batches) > 12
    assert sum(sessions["second"].batches) == sum(i % 5 for i in range(100))


class Crowd(TwoStages):
    """Ask for as many rows at once as the sample's number says, in two calls of one shape."""

    def predict(self, sample):
        rows = np.arange(int(sample.id), dtype=np.float32)[:, None]
        one, other = yield [Call("first", {"x": rows}), Call("first", {"x": rows[:1]})]
        return Faces(scores=np.append(one["y"], other["y"]))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_rows_of_one_sample_run_together_whatever_the_batch_size(batch_size):
    session = Doubling()
    driven = Engine(Crowd(), {"first": session}, Settings(batch_size=batch_size, workers=1))
    [prediction] = driven.run([Sample("100", blank)])
    assert session.batches == [101]
    assert prediction.faces.scores.tolist() == [2 * i + 1 for i in range(100)] + [1]


def test_a_crowd_is_cut_into_runs_of_bounded_size():
    session = Doubling(streams=2)
    driven = Engine(Crowd(), {"first": session}, Settings(workers=2))
    for prediction in driven.run(Sample(str(count), blank) for count in (1000, 1, 300)):
        count = int(prediction.id)
        assert prediction.faces.scores.tolist() == [2 * i + 1 for i in range(count)] + [1]
    assert max(session.batches) == ROWS
    assert sum(session.batches) == 1001 + 2 + 301
    more = Engine(Crowd(), {"first": session}, Settings(batch_size=2 * ROWS))
    session.batches.clear()
    more.one(Sample("1000", blank))
    assert session.batches == [256, 256, 256, 232, 1], "more, where more samples may share a run"


def test_one_sample_gives_what_many_give():
    driven, _ = engine(batch_size=2)
    assert driven.one(Sample("14", blank)).scores.tolist() == expected(14)


def test_an_offline_session_gets_all_pending_calls_at_once():
    driven, sessions = engine(batch_size=2, first=Doubling(window=1000))
    list(driven.run(samples(40)))
    # two groups, one for each shape of input, not one of 32 small ones
    assert len(sessions["first"].groups) <= 4
    assert sum(sessions["first"].groups) == 2 * 16


def test_few_pictures_are_in_memory_at_once():
    alive, most, lock = [0], [0], threading.Lock()

    class Picture(np.ndarray):
        pass

    def count(change):
        with lock:
            alive[0] += change
            most[0] = max(most[0], alive[0])

    def decode():
        picture = np.zeros((4, 4, 3), np.uint8).view(Picture)
        count(1)
        weakref.finalize(picture, count, -1)
        return picture

    driven, _ = engine(batch_size=4, workers=3)
    for prediction in driven.run(Sample(str(i), decode) for i in range(400)):
        assert prediction.faces is not None
    assert 0 < most[0] <= 3 + 4 * 2 + 1


def test_a_slow_consumer_stops_the_workers():
    started = []

    def source():
        for index in range(1000):
            started.append(index)
            yield Sample(str(index), blank)

    driven, _ = engine(batch_size=1, workers=2)
    results = driven.run(source())
    for _ in range(3):
        next(results)
    threading.Event().wait(0.1)
    assert len(started) < 30
    results.close()
    assert threading.active_count() < 10


def test_unreadable_pictures_are_named_and_the_run_goes_on():
    def broken():
        raise ImageError("x.jpg: the file is empty (0 bytes)")

    mixed = [Sample("1", blank), Sample("2", broken), Sample("3", blank)]
    driven, _ = engine()
    predictions = list(driven.run(mixed))
    assert [p.error for p in predictions] == ["", "x.jpg: the file is empty (0 bytes)", ""]
    strict = Engine(driven.model, driven.sessions, Settings(strict=True))
    with pytest.raises(FaceportError, match=r"x\.jpg.*strict=true"):
        list(strict.run(mixed))


class Misbehaving(TwoStages):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def predict(self, sample):
        return self.step()


def yields(value):
    yield value
    return Faces()


def returns(value):
    yield Call("first", {"x": np.ones((1, 1), np.float32)})
    return value


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (lambda: yields("first"), "must yield a Call"),
        (lambda: yields([]), "must yield a Call"),
        (lambda: yields(Call("fist", {"x": np.ones((1, 1))})), "Did you mean first"),
        (lambda: yields(Call("first", {"x": np.ones((0, 1))})), "at least one"),
        (lambda: returns(None), "must return Faces, not NoneType"),
    ],
)
def test_a_model_that_breaks_the_rules_is_told_which(step, sentence):
    driven, sessions = engine()
    broken = Engine(Misbehaving(step), sessions, driven.settings)
    with pytest.raises(FaceportError, match=sentence):
        list(broken.run(samples(1)))
    with pytest.raises(FaceportError, match=sentence):
        broken.one(Sample("1", blank))


def test_an_exception_in_a_model_names_the_sample():
    class Clumsy(Model):
        networks = {}

        def predict(self, sample):
            raise ZeroDivisionError("division by zero")
            yield

    with pytest.raises(FaceportError, match="Clumsy failed on sample '0': ZeroDivisionError"):
        list(Engine(Clumsy(), {}).run(samples(1)))


def test_an_exception_in_the_dataset_ends_the_run():
    def source():
        yield Sample("1", blank)
        raise FaceportError("line 7 of list.txt is broken")

    driven, _ = engine()
    with pytest.raises(FaceportError, match="line 7"):
        list(driven.run(source()))


def test_calls_are_recorded_and_stages_timed():
    class Calls(Watch):
        def call(self, network, inputs):
            recorded.append((network, len(inputs["x"])))

    recorded = []
    timed = Stages()
    driven, _ = engine()
    list(Engine(driven.model, driven.sessions, driven.settings, [Calls(), timed]).run(samples(5)))
    assert sorted(recorded) == sorted(
        [("first", n) for n in (1, 2, 3, 4)]
        + [("first", 3 * n) for n in (1, 2, 3, 4)]
        + [("second", n) for n in (1, 2, 3, 4)]
    )
    stages = timed.summary()
    assert stages["decode"]["count"] == stages["preprocess"]["count"] == 5
    assert stages["network:second"]["items"] == 10
    parts = sum(stages[name]["total_s"] for name in ("decode", "preprocess", "postprocess"))
    assert stages[SERVICE]["count"] == stages[IN_ENGINE]["count"] == 5
    assert stages[SERVICE]["total_s"] >= parts
    assert stages[IN_ENGINE]["total_s"] >= parts


def test_waiting_for_other_pictures_is_time_in_the_engine_and_no_service():
    driven, _ = engine(first=Doubling(pause=1e-3), second=Doubling(pause=1e-3))
    timed = Stages()
    settings = Settings(workers=3, in_flight=12)  # of one stream for each network
    list(Engine(driven.model, driven.sessions, settings, [timed]).run(samples(20)))
    stages = timed.summary()
    parts = sum(stages[name]["total_s"] for name in stages if name not in (SERVICE, IN_ENGINE))
    assert stages[SERVICE]["total_s"] == pytest.approx(parts, rel=1e-3), "a batch of one is one sample's"
    assert stages[IN_ENGINE]["total_s"] > stages[SERVICE]["total_s"]


def test_a_batch_serves_each_of_its_pictures():
    driven, _ = engine(first=Doubling(pause=1e-3), second=Doubling(pause=1e-3))
    timed = Stages()
    settings = Settings(batch_size=8, workers=1)
    list(Engine(driven.model, driven.sessions, settings, [timed]).run(samples(40)))
    stages = timed.summary()
    parts = sum(stages[name]["total_s"] for name in stages if name not in (SERVICE, IN_ENGINE))
    assert parts < stages[SERVICE]["total_s"] <= stages[IN_ENGINE]["total_s"]


def test_load_is_settled_where_nobody_said_it():
    assert Settings(workers=2).load({"net": Doubling(streams=3)}) == Load(2, 2 + 1 * 4)
    assert Settings(workers=2, batch_size=8).load({}) == Load(2, 2 + 8 * 2)
    assert Settings(workers=2, in_flight=5).load({"net": Doubling(window=1000)}) == Load(2, 5)
    assert Settings(workers=2).load({"net": Doubling(window=1000)}).in_flight == OFFLINE_WINDOW
