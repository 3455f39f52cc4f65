"""Checkpoints into torch modules: what is meant is loaded, what is wrong is explained."""

from __future__ import annotations

import pickle
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn

from faceport.api import Model, Network
from faceport.errors import FaceportError, MissingError
from faceport.options import literals
from faceport.types import Array, Tensors

WRAPPERS = ("state_dict", "model", "model_state_dict", "net_state_dict", "net", "params")
_one_generator = threading.Lock()  # torch draws the weights of all threads from the same one
IGNORED = "num_batches_tracked"  # a counter that old checkpoints lack


def load_module(network: Network) -> nn.Module:
    """Build a network's module with its weights, in eval mode."""
    if network.build is None:
        raise FaceportError(f"network '{network.name}' exists as ONNX only: {network.onnx}")
    checkpoint = network.checkpoint
    if checkpoint.path is None:
        with _one_generator, torch.random.fork_rng(devices=[]):
            torch.manual_seed(checkpoint.seed or 0)
            return network.build().eval()
    state = read_state_dict(checkpoint.path)
    module = network.build()
    fitted = network.adapt(fit_state_dict(state, module.state_dict()))
    problem = explain_mismatch(fitted, module.state_dict())
    if problem:
        raise FaceportError(
            f"{checkpoint.path} does not fit network '{network.name}': {problem}{_better_fit(state)}"
        )
    module.load_state_dict({name: tensor.float() for name, tensor in fitted.items()}, strict=False)
    return module.eval()


def run_module(network: Network, module: nn.Module, inputs: Tensors) -> dict[str, Array]:
    """Run a network's module on named arrays."""
    with torch.inference_mode():
        # Torch takes no views that run backwards, such as a picture whose channels were swapped.
        arrays = (np.ascontiguousarray(inputs[spec.name]) for spec in network.inputs)
        found = module(*map(torch.from_numpy, arrays))
    outputs = found if isinstance(found, tuple | list) else (found,)
    return {spec.name: out.numpy() for spec, out in zip(network.outputs, outputs, strict=True)}


def activations(network: Network, module: nn.Module, inputs: Tensors) -> list[Array]:
    """Collect what goes into and comes out of every innermost module of a network."""
    seen: list[Array] = []

    def before(_module: nn.Module, given: tuple[Any, ...]) -> None:
        note(given)

    def after(_module: nn.Module, _given: Any, output: Any) -> None:
        note((output,))

    def note(values: tuple[Any, ...]) -> None:
        seen.extend(value.numpy().copy() for value in values if isinstance(value, Tensor))

    leaves = [leaf for leaf in module.modules() if not list(leaf.children())]
    hooks = [leaf.register_forward_pre_hook(before) for leaf in leaves]
    hooks += [leaf.register_forward_hook(after) for leaf in leaves]
    try:
        run_module(network, module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


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


def _better_fit(state: Mapping[str, Tensor]) -> str:
    """Look for an installed model that these weights would fit, as it is or with one option changed."""
    for changed in (False, True):
        fits = [choice for choice, network in _installed_networks(changed) if _fits(state, network)]
        if fits:
            return f". They would fit {' or '.join(fits)}"
    return ". They fit no installed model"


def _fits(state: Mapping[str, Tensor], network: Network) -> bool:
    if network.build is None:
        return False
    with torch.device("meta"):
        wanted = network.build().state_dict()
    return not explain_mismatch(network.adapt(fit_state_dict(state, wanted)), wanted)


def _installed_networks(changed: bool) -> Iterator[tuple[str, Network]]:
    """Go through the networks of installed models, each with what to type for it."""
    from faceport.plugins import create, find_class, installed

    for name in installed().choices("model"):
        try:
            hints = get_type_hints(find_class("model", name).Options)
        except FaceportError:
            continue
        options: list[dict[str, Any]] = [{}]
        if changed:
            options = [{key: value} for key, hint in hints.items() for value in literals(hint)]
        for change in options:
            try:
                model: Model = create("model", name, **change, **_no_weights(hints))
            except FaceportError:
                continue
            for network in model.networks.values():
                words = [f"model={name}", *(f"model.{key}={value}" for key, value in change.items())]
                if len(model.networks) > 1:
                    words.append(f"(its '{network.name}')")
                yield " ".join(words), network


def _no_weights(hints: Mapping[str, Any]) -> dict[str, str]:
    """Give weights to a model that asks for some: its own need not be there yet."""
    return {"weights": "random"} if "weights" in hints else {}
