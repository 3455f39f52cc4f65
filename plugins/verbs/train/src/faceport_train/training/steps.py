"""One training step, and everything that it changes: weights, moments, averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from faceport_train.recipe import Batch, Lesson, Schedule
from faceport_train.training.world import World, shared

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}


def rate(schedule: Schedule, step: int, steps: int) -> float:
    """Give the learning rate of a step, where an epoch has so many steps."""
    epoch = step / steps
    if epoch < schedule.warm_up:
        return schedule.warm_up_lr + (schedule.lr - schedule.warm_up_lr) * epoch / schedule.warm_up
    if schedule.schedule == "cosine":
        share = (epoch - schedule.warm_up) / max(schedule.epochs - schedule.warm_up, 1e-9)
        return schedule.end_lr + (schedule.lr - schedule.end_lr) * (1 + math.cos(math.pi * min(share, 1))) / 2
    passed = sum(epoch >= milestone for milestone in schedule.milestones)
    return schedule.lr * (schedule.factor**passed if schedule.schedule == "step" else 1)


def make_optimiser(module: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Make the optimiser; biases and norms may be spared the decay."""
    spared = [p for p in module.parameters() if p.ndim < 2 and not schedule.decay_norms]
    known = set(map(id, spared))
    rest = [p for p in module.parameters() if id(p) not in known]
    groups = [{"params": rest, "weight_decay": schedule.decay}]
    groups += [{"params": spared, "weight_decay": 0.0}] if spared else []
    if schedule.optimiser == "sgd":
        return torch.optim.SGD(groups, schedule.lr, schedule.momentum)
    kinds: Mapping[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
    }
    made: torch.optim.Optimizer = kinds[schedule.optimiser](groups, lr=schedule.lr)
    return made


class Average:
    """Keep a moving average of all weights, slow from the two thousandth step on."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after a step."""
        decay = self.decay * (1 - math.exp(-(step + 1) / 2000))
        for mine, theirs in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


class Trainer:
    """Hold what training changes, and change it by one batch at a time."""

    def __init__(
        self, module: nn.Module, lesson: Lesson, schedule: Schedule, world: World, channels_last: bool
    ) -> None:
        self.lesson, self.schedule, self.world = lesson, schedule, world
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.module = module.to(world.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(self.module, schedule)
        self.average = Average(self.module, schedule.ema) if schedule.ema else None
        self.scaler = torch.amp.GradScaler(world.device, enabled=schedule.amp == "fp16")
        self.weights = {**lesson.weights, **schedule.weights}
        self._running = shared(self.module, world, schedule.norm)

    @property
    def best(self) -> nn.Module:
        """Give the weights to keep: the averaged ones where there are any."""
        return self.average.module if self.average else self.module

    def train(self) -> None:
        """Go to the mode in which norms look at the batch, unless they are frozen."""
        self.module.train()
        if self.schedule.norm == "frozen":
            for layer in self.module.modules():
                if isinstance(layer, NORMS):
                    layer.eval()

    def step(self, batch: Batch, step: int, steps: int, seed: int) -> dict[str, float]:
        """Change the weights by one batch; give the parts of its loss."""
        torch.manual_seed(seed * 1_000_003 + step)  # of dropout: the same whenever the step is made
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.schedule, step, steps)
        self.optimiser.zero_grad(set_to_none=True)
        tensors = {name: torch.from_numpy(value).to(self.world.device) for name, value in batch.items()}
        total: dict[str, Tensor] = {}
        parts = self.schedule.accumulate
        for i, part in enumerate(_split(tensors, parts)):
            with self.world.syncing(self._running, last=i == parts - 1):
                losses = self._losses(part)
                loss = torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()
                self.scaler.scale(loss / parts).backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                total[name] = total.get(name, torch.zeros(())).cpu() + value.detach().float().cpu() / parts
        if self.schedule.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average:
            self.average.update(self.module, step)
        found = self.world.mean({name: float(value) for name, value in total.items()})
        return {"loss": sum(self.weights[name] * value for name, value in found.items()), **found}

    def _losses(self, part: Mapping[str, Tensor]) -> dict[str, Tensor]:
        image = part["input"].contiguous(memory_format=self.layout)
        half = HALF.get(self.schedule.amp)
        with torch.autocast(self.world.device, half, enabled=half is not None):
            outputs = self._running(image)
        outputs = tuple(o.float() for o in outputs) if isinstance(outputs, tuple) else outputs.float()
        weight = part["weight"]
        rows = self.lesson.losses(outputs, part)
        return {name: (value * weight).mean() for name, value in rows.items()}

    def state(self) -> dict[str, Any]:
        """Give all that training changes, to go on from."""
        return {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.module.state_dict() if self.average else {},
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        self.scaler.load_state_dict(state["scaler"])


def _split(tensors: Mapping[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    chunks = {name: value.chunk(parts) for name, value in tensors.items()}
    return [{name: value[i] for name, value in chunks.items()} for i in range(parts)]
