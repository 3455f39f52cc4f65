"""State dicts as they are found in files: read without running code, fitted, explained."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from faceport.errors import FaceportError, MissingError
from faceport.networks.formats import kind_of
from faceport.networks.initializers import read_initializers
from faceport.networks.tfjs import read_tfjs

WRAPPERS = ("state_dict", "model", "model_state_dict", "net_state_dict", "net", "params")
DEEPEST = 8  # wrappers in one another
GROWTH = 4  # times that a checkpoint may become larger when it is unpacked: torch packs nothing
IGNORED = "num_batches_tracked"  # a counter that old checkpoints lack
FOREIGN = {
    "hdf5": "an HDF5 file, as Keras writes",
    "tflite": "a TensorFlow Lite file",
    "page": "a web page",
    "pointer": "the Git LFS pointer of a file, without its content",
}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a torch checkpoint, .safetensors, ONNX or tfjs, without running its code."""
    try:
        kind = kind_of(path)
        if kind in FOREIGN:
            raise FaceportError(
                f"{path} is {FOREIGN[kind]}. Weights are read from torch checkpoints, .safetensors, ONNX "
                "files and manifests of tfjs weights"
            )
        return _plain(READERS.get(kind, _read_torch)(path), path)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error).upper():  # it names a class or function that it would have to call
            raise FaceportError(
                f"{path} holds Python objects beside its weights, and loading those could run any code. "
                "If you trust it, load it once with torch and save its state dict alone: "
                "torch.save(torch.load(path, weights_only=False)['state_dict'], new_path)"
            ) from error
        raise _damaged(path, error) from error
    except FaceportError:
        raise
    except Exception as error:  # a crafted checkpoint makes torch raise whatever there is
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> Mapping[str, Any]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > GROWTH * path.stat().st_size:
            raise ValueError(f"it would unpack to {unpacked:,} bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions of pickle
        return _unwrap(torch.load(path, map_location="cpu", weights_only=True), path)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(path))


def _read_arrays(path: Path) -> Mapping[str, Any]:
    read = read_tfjs if kind_of(path) == "tfjs" else read_initializers
    return {name: torch.from_numpy(array) for name, array in read(path).items()}


READERS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "safetensors": _read_safetensors,
    "onnx": _read_arrays,
    "tfjs": _read_arrays,
}


def _plain(state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Refuse tensors that hold no plain numbers: of no memory, sparse, quantised, complex."""
    for name, value in state.items():
        if value.layout != torch.strided or value.is_meta or value.is_quantized or value.is_complex():
            raise FaceportError(
                f"{path}: '{name}' is no plain array of numbers but {value.dtype}, {value.layout}, on "
                f"'{value.device}'. Save what network.float().state_dict() gives"
            )
    return dict(state)


def _damaged(path: Path, error: Exception) -> MissingError:
    size = path.stat().st_size
    reason = (
        shorten(str(error).split("\n")[0].split(". ")[0], 150, placeholder=" ...") or type(error).__name__
    )
    return MissingError(
        f"{path} ({size:,} bytes) is not a whole checkpoint: {reason}. A download that broke off looks "
        "like this: delete the file and fetch it again"
    )


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the tensors inside the wrappers that training scripts put around them."""
    if isinstance(content, nn.Module):
        return content.state_dict()
    for _ in range(DEEPEST):
        if not isinstance(content, Mapping):
            break
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            if tensors:
                return tensors
            break
        content = inner
    contents = (
        ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
    )
    raise FaceportError(
        f"{path} holds no state dict (looked below {', '.join(WRAPPERS)}; found: {shorten(contents, 150)}). "
        "Save module.state_dict() and load that"
    )


def fit_state_dict(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Strip the prefixes that wrappers add to every key, as far as that makes keys fit."""
    fitted = dict(state)
    for prefix in ("module.", "model.", "_orig_mod."):
        if fitted and not set(fitted) & set(wanted) and all(key.startswith(prefix) for key in fitted):
            fitted = {key.removeprefix(prefix): value for key, value in fitted.items()}
    return fitted


def explain_mismatch(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Say which keys are missing, unexpected or of another shape; empty when all fit."""
    missing = [key for key in wanted if key not in state and not key.endswith(IGNORED)]
    extra = [key for key in state if key not in wanted and not key.endswith(IGNORED)]
    shapes = [
        f"{key} has shape {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    parts = [_listed("missing", missing), _listed("unexpected", extra), _listed("differing", shapes)]
    return "; ".join(part for part in parts if part)


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    first = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{len(names)} {what} ({first})"


def foreign(path: Path) -> str:
    """Say what a file is that is no checkpoint, though tensors with names were found in it."""
    if kind_of(path) != "onnx":
        return ""
    return (
        " is an ONNX file: its tensors go by other names than in the checkpoint that it was exported from. "
        "Give that checkpoint, or write a model whose Network(onnx=...) runs the file as it is. It"
    )
