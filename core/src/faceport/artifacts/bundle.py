"""Compiled networks as a folder to carry to another machine: `compile out=DIR`, then `run artifact=DIR`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Model, Network, Target
from faceport.artifacts.builder import Built, open_artifacts, require_usable
from faceport.artifacts.store import MANIFEST, Entry, damage, damages, read_entry
from faceport.errors import ConfigError, MissingError, suggest
from faceport.escapes import printable
from faceport.files import begun, disk_errors, read_file, remove_leftovers, write_atomically
from faceport.networks.weights import redacted
from faceport.places import files_below, inside, replace_folder, replaceable_folder

FILE = "bundle.json"
LARGEST = 4 << 20  # bytes of it
KEYS = ("config", "networks", "notes", "files", "versions")
GROUPS = ("model", "detector", "target")
MANIFEST_KEYS = (
    *(
        "created",
        "recipe",
        "files",
        "sha256",
        "network",
        "target",
        "weights",
        "versions",
        "runs_as",
        "parity",
    ),
)


@dataclass(frozen=True)
class Bundle:
    """A folder of compiled networks, and the configuration that made them."""

    path: Path
    config: Mapping[str, Any]  # model, detector, target: name and options, nothing left to look up
    networks: Mapping[str, str]  # network -> folder
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # beside the networks: name -> sha256
    versions: Mapping[str, str] = field(default_factory=dict)  # of what made it, by distribution

    def departures(self) -> list[str]:
        """Say which parts of faceport are of another version here than where the bundle was made."""
        return [
            f"the bundle was compiled with {name} {made}, here is {own}: compile it again if numbers differ"
            for name, made in self.versions.items()
            if name.partition("-")[0] == "faceport" and (own := _own_version(name)) not in ("", made)
        ]


def write_bundle(
    out: Path,
    artifacts: Mapping[str, Artifact],
    config: Mapping[str, Any],
    notes: list[str],
    files: Mapping[str, bytes] | None = None,
    versions: Mapping[str, str] | None = None,
) -> Bundle:
    """Copy artifacts and configuration into a folder, whole or not at all."""
    check_place(out)
    place = out.resolve() if out.is_symlink() else out
    folders = {name: f"networks/{name}" for name in artifacts}
    with disk_errors(out):
        place.parent.mkdir(parents=True, exist_ok=True)
        with begun(place, folder=True) as temporary:
            for name, artifact in artifacts.items():
                _copy(artifact.path, temporary / folders[name])
            hashes = {name: hashlib.sha256(data).hexdigest() for name, data in (files or {}).items()}
            for name, data in (files or {}).items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_bytes(data)
            content = {"config": config, "networks": folders, "notes": notes, "files": hashes}
            content["versions"] = dict(versions or {})
            write_atomically(temporary / FILE, json.dumps(content, indent=2, default=str))
            replace_folder(temporary, out)
        remove_leftovers(place.parent, below=False)
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
        bundle = read_bundle(path)
    except MissingError:
        return owned
    owned |= {*bundle.files}
    for folder in map(str, bundle.networks.values()):
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
        content = json.loads(read_file(file, LARGEST))
        config, networks, notes = _mapping(content, "it"), content["networks"], content.get("notes", [])
        config = _mapping(content["config"], "config")
        _refuse_unknown(content, KEYS, "it")
        _refuse_unknown(config, GROUPS, "config")
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
        files, versions = (_texts(content.get(key, {}), key) for key in ("files", "versions"))
        for name in files:
            inside(path, name)
        return Bundle(path, config, networks, tuple(notes), files, versions)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(
            f"artifact={path} holds no {FILE}: give the folder that `faceport compile ... out=DIR` wrote"
        ) from error
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        what = f"it has no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
        what = f"it {error.strerror}" if isinstance(error, OSError) else what
        raise MissingError(f"{file} is damaged ({what}): compile it again") from error


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {type(value).__name__}, not a mapping")
    return value


def _texts(value: Any, what: str) -> Mapping[str, str]:
    texts = _mapping(value, what)
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f"{what} holds what is no text")
    return texts


def _own_version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _refuse_unknown(content: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Refuse a key that nobody reads: it is a mistake, or means something to a later faceport."""
    strange = next((key for key in content if key not in known), None)
    if strange is not None:
        raise ValueError(
            f"{what} has a key '{printable(strange, 40)}', and this faceport knows none of that name"
        )


def _refuse_interpolation(value: Any, where: str) -> None:
    """Refuse what OmegaConf would look up here, in the environment for instance: a bundle is data."""
    if isinstance(value, str) and "${" in value:
        raise ValueError(f"{where} asks for something of this machine: {value!r}")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_interpolation(item, f"{where}.{key}")


def verify(bundle: Bundle) -> list[str]:
    """Compare every file of a bundle with the hash that it was written with; name those that differ."""
    problems: list[str] = []
    for name, wanted in bundle.files.items():
        file = inside(bundle.path, name)
        if not file.is_file():
            problems.append(f"{file} is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
            problems.append(f"{file} is not what it was: its sha256 differs")
    owned = {FILE, *bundle.files}
    for folder in bundle.networks.values():
        entry = _entry(bundle, folder)
        problems += damages(entry)
        names = (MANIFEST, *entry.manifest.get("files", {}))
        owned |= {(inside(Path(folder), name)).as_posix() for name in names}
    strange = (name for name in files_below(bundle.path) if name not in owned)
    return [*problems, *(f"{bundle.path / name} is a file that no manifest names" for name in strange)]


def _entry(bundle: Bundle, folder: str) -> Entry:
    """Read the manifest of one network of a bundle."""
    place = inside(bundle.path, folder)
    odd = next((path for path in place.rglob("*") if not path.is_file() and not path.is_dir()), None)
    if odd is not None:  # a runtime that opens it would wait for ever
        raise MissingError(f"{odd} is neither a file nor a folder: compile it again")
    entry = read_entry(place, "artifact")
    if entry is None:
        raise MissingError(f"{place} has no readable manifest: compile it again")
    try:
        _refuse_unknown(entry.manifest, MANIFEST_KEYS, "it")
    except ValueError as error:
        raise MissingError(f"{place / MANIFEST} is damaged ({error}): compile it again") from error
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
    recipe = manifest.get("recipe", {}).get("network", {})
    choice = {
        "options": dict(network.options),
        "inputs": [str(spec) for spec in network.inputs],
        "outputs": [str(spec) for spec in network.outputs],
    }
    pairs = [(recipe.get(what), value) for what, value in json.loads(json.dumps(choice, default=str)).items()]
    pairs.append((manifest.get("weights", {}).get("source"), redacted(str(network.onnx or network.weights))))
    return next((f"{one}, not {other}" for one, other in pairs if one is not None and one != other), "")
