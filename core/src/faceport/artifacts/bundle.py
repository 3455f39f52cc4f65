"""Compiled networks as a folder to carry to another machine: `compile out=DIR`, then `run artifact=DIR`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Model, Network, Target
from faceport.artifacts.builder import Built, open_artifacts, require_usable
from faceport.artifacts.store import MANIFEST, read_entry
from faceport.errors import ConfigError, MissingError, suggest
from faceport.files import disk_errors, temporary_beside, write_atomically
from faceport.networks.weights import redacted
from faceport.places import inside, replace_folder, replaceable_folder

FILE = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """A folder of compiled networks, and the configuration that made them."""

    path: Path
    config: Mapping[str, Any]  # model, detector, target: name and options, nothing left to look up
    networks: Mapping[str, str]  # network -> folder
    notes: tuple[str, ...] = ()


def write_bundle(
    out: Path, artifacts: Mapping[str, Artifact], config: Mapping[str, Any], notes: list[str]
) -> Bundle:
    """Copy artifacts and configuration into a folder, whole or not at all."""
    check_place(out)
    temporary = temporary_beside(out.resolve() if out.is_symlink() else out)
    folders = {name: f"networks/{name}" for name in artifacts}
    with disk_errors(out):
        try:
            temporary.mkdir(parents=True)
            for name, artifact in artifacts.items():
                _copy(artifact.path, temporary / folders[name])
            content = {"config": config, "networks": folders, "notes": notes}
            write_atomically(temporary / FILE, json.dumps(content, indent=2, default=str))
            replace_folder(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return read_bundle(out)


def check_place(out: Path) -> None:
    """Refuse, best before the work, a folder that is anything but a bundle with nothing else in it."""
    if out.exists() and not (out / FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"out={out} exists and is no bundle of compiled networks: choose another folder")
    replaceable_folder(out, owned_by_bundle(out))


def owned_by_bundle(path: Path) -> set[str]:
    """List the files that a bundle consists of, by what it says of itself."""
    owned = {FILE}
    try:
        networks = read_bundle(path).networks.values()
    except MissingError:
        return owned
    for folder in map(str, networks):
        entry = read_entry(inside(path, folder), "artifact")
        names = entry.manifest.get("files", {}) if entry else {}
        owned |= {f"{folder}/{name}" for name in (MANIFEST, *names)}
    return owned


def _copy(folder: Path, out: Path) -> None:
    """Copy a folder; unlike shutil.copytree, let the first error through as it is."""
    for file in folder.rglob("*"):
        place = out / file.relative_to(folder)
        if file.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)


def read_bundle(path: Path) -> Bundle:
    """Read what a bundle says of itself."""
    try:
        content = json.loads((path / FILE).read_text())
        return Bundle(path, content["config"], content["networks"], tuple(content.get("notes", ())))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(
            f"artifact={path} holds no {FILE}: give the folder that `faceport compile ... out=DIR` wrote"
        ) from error
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise MissingError(f"{path / FILE} is damaged ({error}): compile it again") from error


def open_bundle(bundle: Bundle, model: Model, target: Target, target_name: str) -> Built:
    """Open every network of a model from a bundle."""
    made_for = bundle.config.get("target", {}).get("name")
    if made_for != target_name:
        raise ConfigError(f"{bundle.path} was compiled for target={made_for}, not for target={target_name}")
    require_usable(target, target_name)
    artifacts: dict[str, Artifact] = {}
    for name, network in model.networks.items():
        if name not in bundle.networks:
            raise ConfigError(
                f"{bundle.path} holds no network '{name}'. {suggest(name, bundle.networks)} It was compiled "
                f"for model={bundle.config.get('model', {}).get('name')}"
            )
        entry = read_entry(bundle.path / bundle.networks[name], "artifact")
        if entry is None:
            raise MissingError(
                f"{bundle.path / bundle.networks[name]} has no readable manifest: compile it again"
            )
        wrong = [
            file
            for file, size in entry.manifest.get("files", {}).items()
            if not (entry.path / file).is_file() or (entry.path / file).stat().st_size != size
        ]
        if wrong:
            raise MissingError(f"{entry.path / wrong[0]} is missing or cut short: copy or compile it again")
        difference = _difference(network, entry.manifest)
        if difference:
            raise ConfigError(
                f"{bundle.path} does not fit the model as it is configured: network '{name}' was compiled "
                f"with {difference}. Leave the option away, or compile again"
            )
        artifacts[name] = Artifact(entry.path, network, entry.manifest)
    return open_artifacts(target, artifacts)


def _difference(network: Network, manifest: Mapping[str, Any]) -> str:
    """Say in what a network is another one than that which was compiled; empty when it is the same."""
    made = manifest.get("recipe", {}).get("network", {})
    asked = {
        "options": dict(network.options),
        "inputs": [str(spec) for spec in network.inputs],
        "outputs": [str(spec) for spec in network.outputs],
    }
    pairs = [(made.get(what), value) for what, value in json.loads(json.dumps(asked, default=str)).items()]
    pairs.append((manifest.get("weights", {}).get("source"), redacted(str(network.onnx or network.weights))))
    return next((f"{one}, not {other}" for one, other in pairs if one is not None and one != other), "")
