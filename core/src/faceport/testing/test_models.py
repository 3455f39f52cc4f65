"""Every model: asks for what it declared, and answers the same however its calls are batched."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import GeneratorType
from typing import ClassVar

import numpy as np
import pytest

from faceport.api import Model, Session
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.engine.steps import Answered, advance
from faceport.engine.watch import Watch
from faceport.errors import MissingError
from faceport.networks.reference import reference_session
from faceport.plugins.index import Choice
from faceport.plugins.loading import create
from faceport.testing.checks import check_faces, check_finite, check_same, check_tensors
from faceport.testing.choices import small, small_options
from faceport.testing.drawn import draw_faces, draw_picture
from faceport.types import Array, Faces, Sample, Tensors

DETECTED = ("boxes", "scores", "points")  # what a detector in front tells, needed or not
TOLERANCE = 1e-5  # of results, however they were batched
ROW_TOLERANCE = 1e-4  # of a network's rows alone and together, relative to the spread of the output


class RowByRow(Session):
    """Answer every row as if it were alone, and the same row always alike.

    So a difference between two runs is the model's own, and no last bit of a float that tips a threshold.
    """

    facts: ClassVar[dict[str, str]] = {}

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[bytes, Tensors] = {}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch, a row at a time."""
        rows = []
        for index in range(len(next(iter(inputs.values())))):
            row = {name: np.ascontiguousarray(value[index : index + 1]) for name, value in inputs.items()}
            key = b"".join(
                f"{name}{value.shape}".encode() + value.tobytes() for name, value in sorted(row.items())
            )
            if key not in self._known:
                self._known[key] = self._session.run(row)
            rows.append(self._known[key])
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


class Calls(Watch):
    """Keep every call, by network."""

    def __init__(self, calls: dict[str, list[Tensors]]) -> None:
        self._calls = calls

    def call(self, network: str, inputs: Tensors) -> None:
        """Keep a call."""
        self._calls[network].append(inputs)


class Trial:
    """One model with random weights, its reference sessions, and pictures to show it."""

    def __init__(self, choice: Choice, folder: Path) -> None:
        self.choice = choice
        self.model: Model = small(choice, folder)

    @cached_property
    def references(self) -> dict[str, Session]:
        """Open each network's reference; the test is skipped where that needs torch and torch is missing."""
        try:
            return {name: reference_session(network) for name, network in self.model.networks.items()}
        except MissingError as error:
            pytest.skip(str(error))

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """Make of each reference a session that knows no batch."""
        return {name: RowByRow(session) for name, session in self.references.items()}

    def sample(self, height: int, width: int, faces: int, seed: int = 0) -> Sample:
        """Draw a picture, and what the model needs to be told of it."""
        truth = draw_faces(height, width, faces, {*self.model.needs, *DETECTED}, seed)
        return Sample(f"{height}x{width}", draw_picture(height, width, seed), faces=truth)

    def samples(self) -> list[Sample]:
        """Draw pictures with two faces, with one, and with none: afresh, whatever a model did to the last."""
        return [
            self.sample(96, 128, 2),
            self.sample(80, 64, 1, seed=1),
            replace(self.sample(64, 64, 0), source=np.zeros((64, 64, 3), np.uint8)),
        ]

    @cached_property
    def seen(self) -> tuple[dict[str, list[Tensors]], list[Faces]]:
        """Predict each picture alone; give what was asked of each network, and the answers."""
        calls: dict[str, list[Tensors]] = defaultdict(list)
        engine = Engine(self.model, self.sessions, watches=[Calls(calls)])
        answers = [engine.one(sample) for sample in self.samples()]
        return calls, answers

    @property
    def calls(self) -> dict[str, list[Tensors]]:
        """What was asked of each network."""
        return self.seen[0]

    @property
    def answers(self) -> list[Faces]:
        """One for each sample."""
        return self.seen[1]


@pytest.fixture(scope="module")
def trial(model_choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Try one model; its networks are forgotten afterwards."""
    yield Trial(model_choice, tmp_path_factory.mktemp(model_choice.name))
    reference_session.cache_clear()


def test_weights_are_random_or_shipped(trial: Trial) -> None:
    for name, network in trial.model.networks.items():
        assert network.onnx or network.weights.startswith("random"), (
            f"network '{name}' wants {network.weights}: say in card.conformance what makes it random"
        )


def test_networks_are_declared(trial: Trial) -> None:
    networks = trial.model.networks
    assert networks, "a model has at least one network"
    for name, network in networks.items():
        assert name == network.name
        assert network.inputs and network.outputs
        assert (network.build is None) != (network.onnx is None), (
            "a network is built, or a finished ONNX file"
        )
        for specs in (network.inputs, network.outputs):
            assert len({spec.name for spec in specs}) == len(specs), f"tensors of '{name}' share a name"


def test_networks_are_the_same_every_time(trial: Trial) -> None:
    assert all(trial.model.networks[name] is network for name, network in trial.model.networks.items()), (
        "networks must be made once (cached_property): the weights are found and hashed for each"
    )


def test_card_says_what_the_class_does(trial: Trial) -> None:
    card = trial.choice.card
    for field, own in (("provides", trial.model.provides), ("needs", trial.model.needs)):
        named = {*(card.get(field) or ())}
        assert named == own, (
            f"card.{field} is {sorted(named)}, the class has {sorted(own)}: make them the same"
        )


def test_settled_options_are_options(trial: Trial, tmp_path: Path) -> None:
    settled = dict(trial.model.settled())
    json.dumps(settled)
    create("model", trial.choice.name, **small_options(trial.choice, tmp_path) | settled)


def test_notes_are_sentences(trial: Trial) -> None:
    assert not isinstance(trial.model.notes, str)
    assert all(isinstance(note, str) and note.strip() for note in trial.model.notes)


def test_predict_is_a_generator(trial: Trial) -> None:
    steps = trial.model.predict(trial.samples()[0])
    assert isinstance(steps, GeneratorType), (
        "predict() must be a generator: yield Call(...), then return Faces"
    )
    steps.close()


def test_calls_fit_their_specs(trial: Trial) -> None:
    assert trial.calls, (
        "the model asked for nothing to be run: yield a Call for the drawn faces, or say what it `needs`"
    )
    for name, calls in trial.calls.items():
        assert name in trial.model.networks, f"a call names network '{name}', which is not declared"
        for inputs in calls:
            check_tensors(inputs, trial.model.networks[name].inputs, {})


def test_outputs_fit_their_specs(trial: Trial) -> None:
    for name, network in trial.model.networks.items():
        session = trial.references[name]
        inputs = network.example_inputs(batch=2)
        sizes = check_tensors(inputs, network.inputs, {})
        outputs = session.run(inputs)
        check_tensors(outputs, network.outputs, sizes)
        for index in range(2):
            alone = session.run({key: value[index : index + 1] for key, value in inputs.items()})
            for key, value in outputs.items():
                _check_row(alone[key][0], value[index], f"row {index} of '{key}' of network '{name}'")


def _check_row(alone: Array, together: Array, where: str) -> None:
    spread = float(together.std()) or 1.0
    error = float(np.abs(alone.astype(np.float64) - together).max(initial=0)) / spread
    assert error <= ROW_TOLERANCE, f"{where} depends on its neighbours: off by {error:.2g} of the spread"


def test_network_exports_as_declared(trial: Trial, tmp_path: Path) -> None:
    import onnx

    assert trial.references  # or the test is skipped: there is no torch
    for name, network in trial.model.networks.items():
        if network.onnx is None:
            from faceport.networks.export import export_onnx

            export_onnx(network, tmp_path / f"{name}.onnx")
        graph = onnx.load(network.onnx or tmp_path / f"{name}.onnx", load_external_data=False).graph
        assert [one.name for one in graph.input] == [spec.name for spec in network.inputs]
        assert [one.name for one in graph.output] == [spec.name for spec in network.outputs]
        for value, spec in zip(graph.input, network.inputs, strict=True):
            for one, declared in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
                wanted = 0 if isinstance(declared, str) else declared
                assert one.dim_value == wanted, f"axis '{declared}' of '{spec.name}' became {one.dim_value}"


def test_answers_are_faces(trial: Trial) -> None:
    for faces in trial.answers:
        check_faces(faces)
        check_finite(faces)


def test_answers_have_what_is_provided(trial: Trial) -> None:
    for sample, faces in zip(trial.samples(), trial.answers, strict=True):
        lacking = (trial.model.provides | trial.model.needs) - faces.fields
        assert not len(faces) or not lacking, (
            f"{sample.id}: the answer lacks {sorted(lacking)}: set them, or take them out of `provides`"
        )


def test_what_is_told_is_passed_on(trial: Trial) -> None:
    if not trial.model.needs:
        return
    for sample, faces in zip(trial.samples(), trial.answers, strict=True):
        truth = sample.faces
        assert truth is not None
        assert len(faces) == len(truth), f"{sample.id}: told of {len(truth)} faces, answered for {len(faces)}"
        if len(truth):
            kept = truth.only(truth.fields - trial.model.provides)
            check_same(faces.only(kept.fields), kept, 0, sample.id)


def test_no_faces_give_no_faces(trial: Trial) -> None:
    blank, faces = trial.samples()[-1], trial.answers[-1]
    assert blank.faces is not None and not len(blank.faces)
    if trial.model.needs:
        assert not len(faces)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (70, 3)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_odd_pictures_are_no_trouble(trial: Trial, size: tuple[int, int]) -> None:
    sample = trial.sample(*size, faces=1)
    check_faces(Engine(trial.model, trial.sessions).one(sample))


def test_answers_do_not_depend_on_batches_or_order(trial: Trial) -> None:
    wanted = {sample.id: faces for sample, faces in zip(trial.samples(), trial.answers, strict=True)}
    for batch_size, samples in ((3, trial.samples()), (2, trial.samples()[::-1])):
        engine = Engine(trial.model, trial.sessions, Settings(batch_size=batch_size, workers=2))
        found = list(engine.run(samples))
        assert [prediction.id for prediction in found] == [sample.id for sample in samples]
        for prediction in found:
            where = f"{prediction.id} in batches of {batch_size}"
            check_same(prediction.faces, wanted[prediction.id], TOLERANCE, where)


def test_the_same_answers_give_the_same_calls(trial: Trial) -> None:
    """A generator is replayed from its answers where its networks run on a machine that cannot be called."""
    sample = trial.samples()[0]

    def walk(answers: list[list[Tensors]] | None) -> tuple[list[bytes], list[list[Tensors]]]:
        steps = trial.model.predict(sample)
        step = advance(steps)
        seen: list[bytes] = []
        given: list[list[Tensors]] = []
        while not isinstance(step, Answered):
            for call in step.calls:
                seen += [name.encode() + call.inputs[name].tobytes() for name in sorted(call.inputs)]
            if answers is None:
                outputs = [trial.sessions[call.network].run(call.inputs) for call in step.calls]
            else:
                outputs = answers[len(given)]
            given.append(outputs)
            step = advance(steps, step.answer(outputs))
        return seen, given

    first, answers = walk(None)
    assert walk(answers)[0] == first, "predict() asks for other tensors when it is sent the same answers"


def test_samples_are_left_as_they_are(trial: Trial) -> None:
    sample = trial.samples()[0]
    assert sample.faces is not None
    image, faces = sample.image.copy(), sample.faces[np.arange(len(sample.faces))]
    Engine(trial.model, trial.sessions).one(sample)
    assert np.array_equal(sample.image, image), "predict() changed sample.image: copy before you write"
    check_same(sample.faces, faces, 0, "predict() changed sample.faces")


def test_truth_is_never_looked_at(trial: Trial) -> None:
    class Tripwire(Faces):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(f"predict() looks at sample.truth.{name}")

    sample = replace(trial.samples()[0], truth=Tripwire.__new__(Tripwire))
    Engine(trial.model, trial.sessions).one(sample)
