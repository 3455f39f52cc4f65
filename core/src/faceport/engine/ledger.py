"""Predictions whose networks run where nobody can call them: calls go out as files, answers come back so.

A generator cannot be stored, but it can be replayed: predict() is a function of the sample and of the
answers. So every sample is run from its start with the answers that are there; at the first call that has
none, the call is left for the other machine and the next sample begins. One picture is in memory at a time.
Each round answers one more stage: a cascade of three networks takes three trips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from faceport.api import Away, Model, Session
from faceport.engine.flow import sentence
from faceport.engine.outputs import check_outputs
from faceport.engine.steps import Answered, advance, check_calls, faces_of
from faceport.errors import FaceportError, ImageError, WaitingError
from faceport.types import Call, Faces, Prediction, Sample, Tensors


@dataclass(frozen=True)
class Place:
    """Where in a run a call was made; the name that its files have."""

    sample: int  # its number in the run
    step: int  # of its generator
    slot: int  # among the calls of that step

    def __str__(self) -> str:
        return f"{self.sample:08}-{self.step:02}-{self.slot:03}"


def replay(
    model: Model,
    sessions: Mapping[str, Session],
    samples: Iterable[Sample],
    first: int = 0,
    strict: bool = False,
) -> Iterator[Prediction]:
    """Yield predictions in order, up to the first that waits; then leave the calls of all others and say so.

    `first` is the number of the first sample in its run.
    """
    waiting = 0
    for number, sample in enumerate(samples, first):
        try:
            faces = _replayed(model, sessions, number, sample)
            prediction = None if faces is None else Prediction(sample.id, faces)
        except ImageError as error:
            if strict:
                raise FaceportError(f"{error} (strict=true stops at it)") from error
            prediction = Prediction(sample.id, Faces(), str(error))
        except Exception as error:
            raise sentence(f"{type(model).__name__} failed on sample '{sample.id}'", error) from error
        if prediction is None:
            waiting += 1
        elif not waiting:  # what comes later must not be written before what is missing
            yield prediction
    if waiting:
        dispatches = [session.dispatch() for session in sessions.values() if isinstance(session, Away)]
        what = " ".join(dict.fromkeys(filter(None, dispatches)))
        wait = "1 picture waits" if waiting == 1 else f"{waiting} pictures wait"
        raise WaitingError(f"{wait} for answers from another machine. {what}".rstrip())


def replay_in_rounds(
    model: Model,
    sessions: Mapping[str, Session],
    left: Callable[[], tuple[int, Iterable[Sample]]],
    strict: bool = False,
) -> Iterator[Prediction]:
    """Replay again and again where the sessions carry calls and answers by themselves.

    `left` gives the samples that have no prediction yet, and the number of the first of them.
    """
    while True:
        first, samples = left()
        try:
            yield from replay(model, sessions, samples, first, strict)
            return
        except WaitingError:
            if not all(one.carries for one in sessions.values() if isinstance(one, Away)):
                raise


def _replayed(model: Model, sessions: Mapping[str, Session], number: int, sample: Sample) -> Faces | None:
    """Run one sample as far as its answers go; None where one is missing."""
    _ = sample.image
    steps = model.predict(sample)
    step, depth = advance(steps), 0
    while not isinstance(step, Answered):
        check_calls(step.calls, sessions)
        answers = [
            _answer(model, sessions[call.network], call, str(Place(number, depth, slot)))
            for slot, call in enumerate(step.calls)
        ]
        ready = [answer for answer in answers if answer is not None]
        if len(ready) < len(answers):
            steps.close()
            return None
        step, depth = advance(steps, step.answer(ready)), depth + 1
    return faces_of(step.value)


def _answer(model: Model, session: Session, call: Call, place: str) -> Tensors | None:
    """Answer one call: at once, from what came, or not yet."""
    if isinstance(session, Away):
        outputs = session.answer(place, call.inputs)
    else:
        outputs = session.run(call.inputs)
    if outputs is not None:
        check_outputs(model.networks[call.network], session, call.size, outputs)
    return outputs


def is_away(sessions: Mapping[str, Session]) -> bool:
    """Tell whether any network runs where it cannot be called."""
    return any(isinstance(session, Away) for session in sessions.values())
