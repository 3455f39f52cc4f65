"""State dicts as they are found in files: read without running code, fitted, explained."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceport.errors import FaceportError, MissingError

WRAPPERS = ("state_dict", "model", "model_state_dict", "net_state_dict", "net", "params")


IGNORED = "num_batches_tracked"  # a counter that old checkpoints lack


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a .safetensors file or a torch checkpoint, without running its code."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error).upper():  # it names a class or function that it would have to call
            raise FaceportError(
                f"{path} holds Python objects beside its weights, and loading those could run any code. "
                "If you trust it, load it once with torch and save its state dict alone: "
                "torch.save(torch.load(path, weights_only=False)['state_dict'], new_path)"
            ) from error
        raise _damaged(path, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    except Exception as error:  # safetensors raises its own class
        if type(error).__module__.startswith("safetensors"):
            raise _damaged(path, error) from error
        raise
    return _unwrap(content, path)


def _damaged(path: Path, error: Exception) -> MissingError:
    size = path.stat().st_size
    reason = str(error).split("\n")[0][:150]
    return MissingError(
        f"{path} ({size:,} bytes) is not a whole checkpoint: {reason}. A download that broke off looks "
        "like this: delete the file and fetch it again"
    )


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the tensors inside the wrappers that training scripts put around them."""
    if isinstance(content, nn.Module):
        return content.state_dict()
    while isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            if tensors:
                return tensors
            break
        content = inner
    held = ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
    raise FaceportError(
        f"{path} holds no state dict (looked below {', '.join(WRAPPERS)}; found: {held}). "
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


def _listed(what: str, found: list[str]) -> str:
    if not found:
        return ""
    shown = ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
    return f"{len(found)} {what} ({shown})"
