"""The kinds of things that plugins bring: one table for the index, the hooks and the command line.

A kind is a folder conf/NAME/ of YAML files, a config group of that name, a hook that answers with classes,
and the class that all of these have as their base. `kind` is one itself: so a plugin brings kinds of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of thing."""

    name: str  # of the folder below conf/, and of the config group
    hook: str  # which answers with the classes
    base: str = ""  # of all classes, as "module:Class"; empty: the plugin that brings the kind knows
    many: bool = False  # several are chosen at once, each with its options below its own name
    plugin: str = ""  # the entry point that brings it; empty: the core


MODEL = Kind("model", "models", "faceport.api:Model")
TARGET = Kind("target", "targets", "faceport.api:Target")
DATASET = Kind("dataset", "datasets", "faceport.api:Dataset")
METRIC = Kind("metric", "metrics", "faceport.api:Metric", many=True)
VERB = Kind("verb", "verbs", "faceport.verb:Verb")
KIND = Kind("kind", "kinds", "builtins:object")

OWN = {kind.name: kind for kind in (MODEL, TARGET, DATASET, METRIC, VERB, KIND)}
ALIASES = {"detector": "model"}  # config groups that choose among things of another kind
RESERVED = frozenset({*OWN, *ALIASES, "experiment", "calibration", "hydra"})


def kind_of(group: str) -> str:
    """Name the kind that a config group chooses among: calibration/dataset chooses a dataset."""
    last = group.replace("/", ".").rpartition(".")[2]
    return ALIASES.get(last, last)
