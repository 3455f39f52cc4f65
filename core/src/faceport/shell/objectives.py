"""What a sweeper that searches is to make better: objective=widerface_ap.hard, or several in a list.

Hydra's sweepers want numbers from each job and a direction of each. The numbers are those of metrics, and
their cards say which direction is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from faceport.errors import ConfigError
from faceport.plugins.index import installed
from faceport.plugins.yamls import read_yaml
from faceport.runs.record import Record
from faceport.verbs.show.numbers import meaning

OBJECTIVE = "objective"  # the word; an experiment may have it as a key
PLUS = "+"  # before keys, as words for Hydra have them
DIRECTIONS = {"higher": "maximize", "lower": "minimize"}
BASIC = "basic"  # the sweeper that runs every combination and asks for no number


def objectives(config: Mapping[Any, Any] | DictConfig) -> list[str]:
    """List what a configuration wants to be made better, as METRIC.NUMBER."""
    objective = config.get(OBJECTIVE)
    if not objective:
        return []
    return [str(one) for one in objective] if isinstance(objective, (list, ListConfig)) else [str(objective)]


def direct(config: DictConfig) -> None:
    """Tell Hydra's sweeper the directions, and that a job that fails stops no other; or say what is wrong."""
    name = config.hydra.runtime.choices.get("hydra/sweeper") or BASIC
    wanted = objectives(config)
    if name == BASIC:
        if wanted:
            raise ConfigError(
                f"{OBJECTIVE}={','.join(wanted)} is for a sweeper that searches: hydra/sweeper=optuna"
            )
        return
    if not wanted:
        raise ConfigError(
            f"hydra/sweeper={name} must be told what to make better: {OBJECTIVE}=METRIC.NUMBER, "
            f"e.g. {OBJECTIVE}=widerface_ap.hard"
        )
    sweeper = config.hydra.sweeper
    typed = [word.partition("=")[0].lstrip("+") for word in config.hydra.overrides.hydra]
    for one in wanted:
        _refuse_unknown(one)
    if "direction" in sweeper and "hydra.sweeper.direction" not in typed:
        directions = [_direction(one) for one in wanted]
        OmegaConf.update(
            config, "hydra.sweeper.direction", directions if len(directions) > 1 else directions[0]
        )
    if "max_failure_rate" in sweeper and "hydra.sweeper.max_failure_rate" not in typed:
        OmegaConf.update(config, "hydra.sweeper.max_failure_rate", 1.0)


def _refuse_unknown(objective: str) -> None:
    metric, dot, number = objective.partition(".")
    installed().find("metric", metric)
    if not (dot and number):
        raise ConfigError(f"{OBJECTIVE}={objective} names no number of the metric: {objective}.NUMBER")


def _direction(objective: str) -> str:
    metric, _, number = objective.partition(".")
    better = meaning(metric, number).better
    if better not in DIRECTIONS:
        raise ConfigError(
            f"{OBJECTIVE}={objective}: the card of metric '{metric}' does not say whether higher or lower is "
            "better. Say it: hydra.sweeper.direction=maximize (or minimize; [maximize,minimize] for several)"
        )
    return DIRECTIONS[better]


def best(folder: Path) -> list[str]:
    """Say what the search found, as its sweeper wrote it into the folder of the sweep."""
    file = folder / "optimization_results.yaml"
    if not file.is_file():
        return []
    content = read_yaml(file)
    solutions = content.get("solutions") or [
        {"params": content.get("best_params") or {}, "values": [content.get("best_value")]}
    ]
    return [
        f"best: {' '.join(f'{key.lstrip(PLUS)}={value}' for key, value in one['params'].items())} "
        f"({', '.join(f'{value:.4g}' for value in one['values'])})"
        for one in solutions
    ]


def values(record: Record, wanted: list[str]) -> Any:
    """Give the numbers of a record that a sweeper asks for: one, or a list of several."""
    numbers = [_value(record, one) for one in wanted]
    return numbers if len(numbers) > 1 else numbers[0]


def _value(record: Record, objective: str) -> float:
    metric, _, number = objective.partition(".")
    numbers = record.metrics.get(metric, {})
    value = numbers.get(number)
    if record.status != "done" or not isinstance(value, (int, float)) or not math.isfinite(value):
        there = ", ".join(name for name in numbers if isinstance(numbers[name], (int, float)))
        why = record.reason or (f"there are {there}" if there else f"choose the metric: metric=[{metric}]")
        raise ConfigError(f"there is no {objective}: {why}")
    return float(value)
