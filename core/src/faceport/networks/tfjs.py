"""Weights of TensorFlow.js: a manifest in JSON, and beside it files with one tensor after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from faceport.errors import MissingError
from faceport.networks.formats import companions, read_manifest
from faceport.types import Array

STORED = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "?"}


def read_tfjs(path: Path) -> dict[str, Array]:
    """Read the tensors that a manifest lists, in TensorFlow's layout; 8 and 16 bit ones are scaled back."""
    companions(path)  # only files beside it are read
    arrays: dict[str, Array] = {}
    for group in read_manifest(path):
        content = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        start = 0
        for one in group["weights"]:
            try:
                name, shape, stored = one["name"], tuple(map(int, one["shape"])), _stored(one)
                if min(shape, default=0) < 0:
                    raise ValueError(f"its shape is {shape}")
                count = math.prod(shape)
                values = np.frombuffer(content, stored, count, start).reshape(shape)
                arrays[str(name)] = _scaled(values, one.get("quantization"))
            except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
                raise MissingError(
                    f"{path} and the files beside it do not fit: {one.get('name', 'a tensor')} cannot be "
                    f"read ({error}). Fetch them again"
                ) from error
            start += values.nbytes
        if start != len(content):
            raise MissingError(f"{path} describes {start:,} bytes of {len(content):,}: fetch the files again")
    return arrays


def _stored(one: Mapping[str, Any]) -> str:
    quantised = one.get("quantization")
    return STORED[quantised["dtype"] if quantised else one["dtype"]]


def _scaled(values: Array, quantised: Mapping[str, Any] | None) -> Array:
    if not quantised or quantised["dtype"] == "float16":
        return values.astype(np.float32) if values.dtype.kind == "f" else values.copy()
    return (values * np.float32(quantised["scale"]) + np.float32(quantised["min"])).astype(np.float32)
