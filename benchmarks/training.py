"""Samples per second of faceport's training loop against a plain torch loop over the same batches.

Blocks of steps alternate between both, so that a drifting machine hits both alike; only ratios are printed,
and the share of a step's time in which the loop waits for its next batch.

    python benchmarks/training.py [--steps 8] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from faceport.networks.modules import load_module
from faceport.plugins.loading import create
from faceport_train.order import Order, batches
from faceport_train.training.steps import Trainer
from faceport_train.training.world import World


def main() -> None:
    """Print the ratio and the share of waiting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lesson = create("model", "pipnet_slim", weights="random").lesson
    recipe = create("recipe", "pipnet")
    dataset = create("dataset", "synthetic", count=32, size=[96, 96], faces=[1, 1])
    with tempfile.TemporaryDirectory() as folder:
        examples = recipe.examples(lesson, dataset, dataset, dataset.facts(), Path(folder))
        order = Order(len(examples), 16, seed=0)
        made = [examples.batch(*order.rows(step)) for step in range(given.steps)]
        trainer = Trainer(load_module(lesson.network), lesson, recipe.options, World(), channels_last=True)
        trainer.train()
        module = load_module(lesson.network).train().to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-4)

        def ours() -> None:
            for step, batch in enumerate(made):
                trainer.step(batch, step, order.steps, 0)

        def plain() -> None:
            for batch in made:
                tensors = {name: torch.from_numpy(value) for name, value in batch.items()}
                outputs = module(tensors["input"].contiguous(memory_format=torch.channels_last))
                losses = lesson.losses(outputs, tensors)
                loss = sum(lesson.weights[name] * value.mean() for name, value in losses.items())
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                loss.item()

        for loop in (ours, plain):  # warm up
            loop()
        ratios = []
        for _ in range(given.repeats):
            times = []
            for loop in (ours, plain):
                start = time.perf_counter()
                loop()
                times.append(time.perf_counter() - start)
            ratios.append(times[1] / times[0])
        steps, waited, spent = range(given.steps), 0.0, time.perf_counter()
        stream = batches(examples, order, steps, workers=1)
        for step in steps:
            start = time.perf_counter()
            batch = next(stream)
            waited += time.perf_counter() - start
            trainer.step(batch, step, order.steps, 0)
        spent = time.perf_counter() - spent
    print(f"faceport train against a plain loop: {statistics.median(ratios):.2f} times as fast")
    print(f"of a step, waiting for its batch: {waited / spent:.0%}")


if __name__ == "__main__":
    main()
