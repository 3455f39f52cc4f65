"""Tensors of the Open Inference Protocol, as JSON and as the bytes behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from starlette.exceptions import HTTPException

from faceport.api import Network
from faceport.errors import suggest
from faceport.types import Array, Tensors, TensorSpec

LENGTH = "inference-header-content-length"
DATATYPES = {
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def described(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    """Describe tensors; what is free is -1."""
    return [
        {
            "name": spec.name,
            "datatype": NAMES[spec.dtype],
            "shape": [-1 if isinstance(size, str) else size for size in spec.shape],
        }
        for spec in specs
    ]


def read_request(data: bytes, header: str | None) -> tuple[dict[str, Any], bytes]:
    """Take the JSON and the bytes behind it apart."""
    length = len(data)
    if header is not None:
        if not (header.isascii() and header.isdecimal()) or len(header) > 12 or int(header) > length:
            raise HTTPException(400, f"{LENGTH} is '{header[:40]}', and the body has {length} bytes")
        length = int(header)
    try:
        asking = orjson.loads(data[:length])
    except ValueError as error:
        raise HTTPException(400, f"the request is no JSON: {error}") from error
    if not isinstance(asking, dict):
        raise HTTPException(400, "the request must be an object in braces")
    return asking, data[length:]


def read_inputs(asking: Mapping[str, Any], binary: bytes, network: Network, most: int) -> Tensors:
    """Read the inputs of a network; each is held against what the network takes."""
    listed = asking.get("inputs")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise HTTPException(400, "'inputs' must be a list of objects")
    specs = {spec.name: spec for spec in network.inputs}
    tensors: dict[str, Array] = {}
    at = 0
    for one in listed:
        name = str(one.get("name"))[:100]
        if name not in specs or name in tensors:
            raise HTTPException(400, f"there is no input '{name}' (or twice). {suggest(name, specs)}")
        shape, dtype = _shape(one, specs[name]), DATATYPES.get(str(one.get("datatype")), "")
        if dtype != specs[name].dtype:
            raise HTTPException(400, f"input '{name}' has datatype {NAMES[specs[name].dtype]}")
        count = math.prod(shape)
        size = count * np.dtype(dtype).itemsize
        if size > most:
            raise HTTPException(413, f"input '{name}' has {size} bytes, more than {most}")
        parameters = one.get("parameters")
        given = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if given is not None:
            if given != size or at + size > len(binary):
                raise HTTPException(400, f"input '{name}' of shape {shape} has {size} bytes, not {given}")
            value = np.frombuffer(binary, np.dtype(dtype).newbyteorder("<"), count, at)
            at += size
        else:
            value = _numbers(one.get("data"), dtype, name)
            if value.size != count:
                raise HTTPException(400, f"input '{name}' needs {count} numbers, not {value.size}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise HTTPException(400, f"input '{name}' has numbers that are not finite")
        tensors[name] = value.reshape(shape)
    lacking = sorted(specs.keys() - tensors.keys())
    if lacking or at != len(binary):
        raise HTTPException(400, f"input '{lacking[0]}' is missing" if lacking else "bytes are left over")
    if len({len(value) for value in tensors.values()}) != 1:
        raise HTTPException(400, "all inputs must have the same number of rows")
    return tensors


def _shape(one: Mapping[str, Any], spec: TensorSpec) -> list[int]:
    shape = one.get("shape")
    fits = (
        isinstance(shape, list)
        and len(shape) == len(spec.shape)
        and all(type(size) is int and 0 < size < 2**31 for size in shape)
        and all(isinstance(own, str) or own == size for own, size in zip(spec.shape, shape, strict=True))
    )
    if not fits:
        raise HTTPException(400, f"input '{spec.name}' has shape {list(spec.shape)}, not {str(shape)[:100]}")
    assert isinstance(shape, list)
    return shape


def _numbers(data: Any, dtype: str, name: str) -> Array:
    try:
        value = np.asarray(data)
        if value.dtype.kind not in "fiub":
            raise ValueError
        return value.astype(dtype).ravel()
    except (ValueError, TypeError, OverflowError) as error:
        raise HTTPException(400, f"input '{name}' must be a list of numbers, nested or flat") from error


def write_outputs(
    asking: Mapping[str, Any], outputs: Tensors, network: Network
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Write the outputs that are asked for, as JSON or as bytes."""
    general = asking.get("parameters")
    binary = isinstance(general, dict) and bool(general.get("binary_data_output"))
    asked = asking.get("outputs") or [{"name": spec.name} for spec in network.outputs]
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise HTTPException(400, "'outputs' must be a list of objects")
    described_, blobs = [], []
    for one in asked:
        name = str(one.get("name"))[:100]
        if name not in outputs:
            raise HTTPException(400, f"there is no output '{name}'. {suggest(name, outputs)}")
        value = np.ascontiguousarray(outputs[name])
        entry: dict[str, Any] = {
            "name": name,
            "datatype": NAMES[str(value.dtype)],
            "shape": list(value.shape),
        }
        parameters = one.get("parameters")
        own = parameters.get("binary_data", binary) if isinstance(parameters, dict) else binary
        if own:
            blob = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
            entry["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            entry["data"] = value.ravel()
        described_.append(entry)
    return described_, blobs
