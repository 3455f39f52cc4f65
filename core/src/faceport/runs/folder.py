"""Folders of results: where a configuration writes, and whether what lies there belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faceport.artifacts.recipe import model_recipe, network_recipe, target_recipe
from faceport.artifacts.store import read_entry
from faceport.files import digest, write_atomically
from faceport.runs.chosen import NAME
from faceport.runs.plan import Plan
from faceport.runs.provenance import version_facts

STATE = "fingerprint.txt"
VOLATILE = ("out", "record", "fresh", "official", "strict")  # options that change no number
NAMED = ("detector", "model", "target", "dataset")  # groups whose choices name a folder


def run_folder(config: Mapping[str, Any], prefix: str = "", groups: Iterable[str] = NAMED) -> Path:
    """Choose the folder of a configuration: the same for the same command, so that it can go on."""
    names = [(config.get(group) or {}).get(NAME) for group in groups]
    stable = {key: value for key, value in config.items() if key not in VOLATILE}
    name = "-".join([*filter(None, [prefix, *names]), digest(stable)[:8]])
    return Path(str(config["out"])) / name.replace("/", ".")


def run_mark(plan: Plan) -> str:
    """Hash what predictions depend on beyond the configuration: weights, code, runtimes, data."""
    data = _data(plan)  # first: data that are not there are known before weights are fetched
    if plan.bundle:
        folders = [plan.bundle.path / folder for folder in plan.bundle.networks.values()]
        entries = [read_entry(folder, "artifact") for folder in folders]
        networks: Any = [entry.manifest for entry in entries if entry]
    else:
        networks = [network_recipe(network, plan.model) for network in plan.model.networks.values()]
    target = target_recipe(plan.target, plan.target_name)
    return mark([networks, model_recipe(plan.model), target, version_facts(plan.config), data])


def reference_mark(plan: Plan) -> str:
    """Hash what the predictions of the fp32 reference depend on, which is not the target."""
    networks = [network_recipe(network, plan.model) for network in plan.model.networks.values()]
    return mark([networks, model_recipe(plan.model), _data(plan)])


def _data(plan: Plan) -> Mapping[str, Any]:
    return dict(plan.dataset.facts()) if "dataset" in plan.parts else {}


def mark(content: Any) -> str:
    """Hash plain data together with the version of faceport."""
    return digest([version("faceport"), content])


def is_marked(folder: Path, text: str) -> bool:
    """Tell whether a folder was begun with the same things."""
    state = folder / STATE
    return state.is_file() and state.read_text() == text


def write_mark(folder: Path, text: str) -> None:
    """Write down what a folder was begun with."""
    write_atomically(folder / STATE, text)
