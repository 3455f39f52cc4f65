"""Folders of results: where a configuration writes, and whether what lies there belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from faceport.artifacts.recipe import model_recipe, network_recipe, target_recipe
from faceport.artifacts.store import read_entry
from faceport.errors import BusyError
from faceport.files import digest, disk_errors, expand, remove_leftovers, write_atomically
from faceport.progress import working
from faceport.runs.chosen import NAME
from faceport.runs.plan import Plan
from faceport.runs.provenance import version_facts

STATE, LOCK = "fingerprint.txt", ".lock"
VOLATILE = ("out", "record", "fresh", "official", "strict", "published")  # options that change no number
NAMED = ("detector", "model", "target", "dataset")  # groups whose choices name a folder


def run_folder(config: Mapping[str, Any], prefix: str = "", groups: Iterable[str] = NAMED) -> Path:
    """Choose the folder of a configuration: the same for the same command, so that it can go on."""
    stable = {key: value for key, value in config.items() if key not in VOLATILE}
    return named_folder(config, prefix, groups, stable)


def named_folder(config: Mapping[str, Any], prefix: str, groups: Iterable[str], content: Any) -> Path:
    """Name a folder below `out` by what was chosen, and by a hash of all that it depends on."""
    names = [(config.get(group) or {}).get(NAME) for group in groups]
    name = "-".join([*filter(None, [prefix, *names]), digest(content)[:8]])
    return expand(str(config["out"])) / name.replace("/", ".")


@contextmanager
def alone_in(folder: Path, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of a folder of results; what killed ones left in it is removed.

    Predictions are written, scored and judged as one: a second run in between would mix the numbers.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise BusyError(
                    f"{folder} is being written to by another process: wait for it, or choose another out="
                ) from error
            with working(f"waiting for another process that writes to {folder}"):
                lock.acquire()
    try:
        remove_leftovers(folder)
        yield
    finally:
        lock.release()


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
