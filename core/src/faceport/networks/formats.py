"""What kind of file weights are in, told from its first bytes, and which other files it needs."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from faceport.errors import MissingError
from faceport.files import file_sha256

if TYPE_CHECKING:
    import onnx

HEAD = 512  # bytes that tell a kind
MOST_JSON = 16 << 20  # bytes of a tfjs manifest

# A protobuf whose first field, the version of the format, is a small number, and whose next one is a text or
# the graph.
ONNX = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]")
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE)
POINTER = b"version https://git-lfs"


def kind_of(path: Path) -> str:
    """Name the kind of a file: torch, safetensors, onnx, tfjs, tflite, hdf5, page, pointer, empty, other."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return kind_of_head(head, path.name)


def kind_of_head(head: bytes, name: str = "") -> str:
    """Name the kind of a file by its first bytes and, where those leave a choice, by its name."""
    if not head:
        return "empty"
    if PAGE.match(head):
        return "page"
    if head.startswith(POINTER):
        return "pointer"
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "torch"
    if name.endswith(".safetensors") or (head[8:9] == b"{" and not any(head[5:8])):
        return "safetensors"
    if head.startswith(b"\x89HDF"):
        return "hdf5"
    if head[4:8] == b"TFL3":
        return "tflite"
    if name.endswith(".json") and head.lstrip()[:1] in (b"[", b"{"):
        return "tfjs"
    if name.endswith(".onnx") or ONNX.match(head):
        return "onnx"
    return "other"


def companions(path: Path) -> list[str]:
    """List the files, by their names beside this one, that hold numbers of it."""
    kind = kind_of(path)
    if kind == "onnx":
        names = _external_data(path)
    elif kind == "tfjs":
        names = [name for group in read_manifest(path) for name in group["paths"]]
    else:
        return []
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise MissingError(f"{path} points to {name!r}, which is not beside it: that is not followed")
    return sorted(set(names))


def whole_sha256(path: Path) -> str:
    """Hash a file and, where it keeps numbers in others, those too."""
    names = companions(path)
    if not names:
        return file_sha256(path)
    hashed = [f"{file_sha256(path)}  {path.name}"]
    for name in names:
        if not (path.parent / name).is_file():
            raise MissingError(
                f"{path} keeps its numbers in {name}, which is not beside it: put both into one folder"
            )
        hashed.append(f"{file_sha256(path.parent / name)}  {name}")
    return sha256("\n".join(hashed).encode(errors="surrogatepass")).hexdigest()


def _external_data(path: Path) -> list[str]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"location") < 0:  # the key that no tensor outside can be without
            return []
    return [
        entry.value
        for tensor in tensors(read_onnx(path))
        for entry in tensor.external_data
        if entry.key == "location"
    ]


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, but not what it keeps in others."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise MissingError(
            f"{path} ({path.stat().st_size:,} bytes) is not a whole ONNX file: fetch it again"
        ) from error


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Go through all tensors that are stored in a model, those of graphs within graphs too."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        while nodes:
            for attribute in nodes.pop().attribute:
                yield from (attribute.t, *attribute.tensors)
                graphs += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())]


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Read which tensors the files of a tfjs model hold: groups of `paths` and `weights`."""
    if path.stat().st_size > MOST_JSON:
        raise MissingError(f"{path} is no manifest of tfjs weights: it has {path.stat().st_size:,} bytes")
    try:
        groups = json.loads(path.read_bytes())
        whole = isinstance(groups, list) and all(
            isinstance(name, str) for group in groups for name in group["paths"]
        )
        whole = whole and all(isinstance(one, dict) for group in groups for one in group["weights"])
    except (ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise MissingError(
            f"{path} is no manifest of tfjs weights: it must be a list of groups, each with paths and weights"
        )
    return groups  # type: ignore[no-any-return]
