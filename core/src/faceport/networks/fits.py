"""Weights that do not fit: which installed model they would fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import torch
from torch import Tensor

from faceport.api import Model, Network
from faceport.errors import FaceportError
from faceport.hints import literals
from faceport.networks.state_dicts import explain_mismatch, fit_state_dict
from faceport.plugins.index import installed
from faceport.plugins.loading import create, find_class


def better_fit(state: Mapping[str, Tensor]) -> str:
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
