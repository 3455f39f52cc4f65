"""The loop: from a state to the end, with a log, checkpoints and validation on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faceport.progress import progress
from faceport_train.log import Log
from faceport_train.order import Order, batches
from faceport_train.recipe import Examples
from faceport_train.training.checkpoint import read_state, write_state, write_weights
from faceport_train.training.steps import Trainer

STATE, LAST, BEST = "state.pt", "last.safetensors", "best.safetensors"
Judge = Callable[[nn.Module], float | None]  # the number that decides which weights are best; small is good


@dataclass(frozen=True)
class Rhythm:
    """How often things happen, in steps."""

    log: int
    keep: int
    judge: int
    end: int


@dataclass(frozen=True)
class Trained:
    """Where training came to."""

    step: int
    loss: float
    best: float | None
    best_step: int | None


def train(
    trainer: Trainer,
    examples: Examples,
    order: Order,
    rhythm: Rhythm,
    folder: Path,
    facts: Mapping[str, str],
    judge: Judge | None,
    workers: int,
    tensorboard: bool = False,
) -> Trained:
    """Go on from the state in a folder, or begin."""
    world = trainer.world
    found: dict[str, Any] = {"step": 0, "loss": float("nan"), "best": None, "best_step": None}
    if (folder / STATE).is_file():
        state = read_state(folder / STATE)
        trainer.restore(state)
        found = {key: state[key] for key in found}
    world.wait()  # all have read it before anybody writes
    log = Log(folder, found["step"], tensorboard) if world.first else None
    trainer.train()
    sums: dict[str, float] = {}  # over the steps since the last line of the log, or since the beginning here
    since = 0
    steps = range(found["step"], rhythm.end)
    try:
        with progress("training", rhythm.end) as shown:
            shown.advance(found["step"])
            for step, batch in zip(
                steps, batches(examples, order, steps, workers, world.rank, world.size), strict=True
            ):
                parts = trainer.step(batch, step, order.steps, order.seed)
                found |= {"step": step + 1, "loss": parts["loss"]}
                for name, value in parts.items():
                    sums[name] = sums.get(name, 0.0) + value
                done, since = step + 1, since + 1
                if done % rhythm.log == 0 or done == rhythm.end:
                    if log:
                        rate = trainer.optimiser.param_groups[0]["lr"]
                        means = {name: value / since for name, value in sums.items()}
                        log.write(done, epoch=round(done / order.steps, 4), lr=rate, **means)
                    sums, since = {}, 0
                if judge and world.first and (done % rhythm.judge == 0 or done == rhythm.end):
                    number = judge(trainer.best)
                    if number is not None and log:
                        log.write(done, validation=number)
                    if number is not None and (found["best"] is None or number < found["best"]):
                        found |= {"best": number, "best_step": done}
                        write_weights(folder / BEST, trainer.best, {**facts, "step": str(done)})
                if done % rhythm.keep == 0 or done == rhythm.end:
                    if world.first:
                        write_weights(folder / LAST, trainer.best, {**facts, "step": str(done)})
                        write_state(folder / STATE, {**trainer.state(), **found})
                    world.wait()
                shown.advance()
    finally:
        if log:
            log.close()
    return Trained(**found)


@contextmanager
def settled(threads: int | None, deterministic: bool) -> Iterator[None]:
    """Set what torch keeps for the whole process, and set it back."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads or before[0])
    torch.use_deterministic_algorithms(deterministic)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
