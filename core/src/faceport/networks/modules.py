"""Networks as torch modules: built, given their weights, run."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faceport.api import Network
from faceport.errors import FaceportError
from faceport.networks.fits import better_fit
from faceport.networks.state_dicts import explain_mismatch, fit_state_dict, foreign, read_state_dict
from faceport.networks.weights import checkpoint
from faceport.types import Array, Tensors

_one_generator = threading.Lock()  # torch draws the weights of all threads from the same one


def load_module(network: Network) -> nn.Module:
    """Build a network's module with its weights, in eval mode."""
    if network.build is None:
        raise FaceportError(f"network '{network.name}' exists as ONNX only: {network.onnx}")
    weights = checkpoint(network)
    if weights.path is None:
        with _one_generator, torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights.seed or 0)
            return network.build().eval()
    state = read_state_dict(weights.path)
    module = network.build()
    fitted = network.adapt(fit_state_dict(state, module.state_dict()))
    problem = explain_mismatch(fitted, module.state_dict())
    if problem:
        raise FaceportError(
            f"{weights.path}{foreign(weights.path)} does not fit network '{network.name}': "
            f"{problem}{better_fit(state)}"
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
