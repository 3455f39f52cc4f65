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
from faceport.artifacts.store import MANIFEST, Entry, damage, read_entry
from faceport.errors import ConfigError, MissingError, suggest
from faceport.files import disk_errors, temporary_beside, write_atomically
from faceport.networks.weights import redacted
from faceport.places import inside, replace_folder, replaceable_folder

FILE = "bundle.json"
LARGEST = 4 << 20  # bytes of it


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
    """Read what a bundle says of itself; it may come from somebody else, so all of it is checked."""
    file = path / FILE
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MB")
        content = json.loads(file.read_text(encoding="utf-8"))
        config, networks, notes = _mapping(content, "it"), content["networks"], content.get("notes", [])
        config = _mapping(content["config"], "config")
        for group, values in config.items():
            if values is not None and not isinstance(_mapping(values, group).get("name"), str):
                raise ValueError(f"{group} has no name")
        if "model" not in config or "target" not in config:
            raise ValueError("it names no model or no target")
        for name, folder in _mapping(networks, "networks").items():
            if not isinstance(folder, str):
                raise ValueError(f"the folder of network '{name}' is {folder!r}")
            inside(path, folder)
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ValueError("its notes are no list of texts")
        _refuse_interpolation(config, "config")
        return Bundle(path, config, networks, tuple(notes))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(
            f"artifact={path} holds no {FILE}: give the folder that `faceport compile ... out=DIR` wrote"
        ) from error
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        what = f"it has no '{error.args[0]}'" if isinstance(error, KeyError) else error
        raise MissingError(f"{file} is damaged ({what}): compile it again") from error


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {type(value).__name__}, not a mapping")
    return value


def _refuse_interpolation(value: Any, where: str) -> None:
    """Refuse what OmegaConf would look up here, in the environment for instance: a bundle is data."""
    if isinstance(value, str) and "${" in value:
        raise ValueError(f"{where} asks for something of this machine: {value!r}")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_interpolation(item, f"{where}.{key}")


def verify(bundle: Bundle) -> list[str]:
    """Compare every file of a bundle with the hash that it was written with; name those that differ."""
    entries = {folder: _entry(bundle, folder) for folder in bundle.networks.values()}
    return [problem for entry in entries.values() if (problem := damage(entry))]


def _entry(bundle: Bundle, folder: str) -> Entry:
    """Read the manifest of one network of a bundle."""
    place = inside(bundle.path, folder)
    entry = read_entry(place, "artifact")
    if entry is None:
        raise MissingError(f"{place} has no readable manifest: compile it again")
    return entry


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
        entry = _entry(bundle, bundle.networks[name])
        problem = damage(entry)
        if problem:
            raise MissingError(f"{problem}: copy or compile it again")
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
