"""What a target cannot do is done for it: graphs of one batch, a folder for each size, batches filled up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import FaceportError, FreeSizesError
from faceport.graph.names import load
from faceport.graph.sizes import fix_sizes
from faceport.targets.sessions import any_batch, by_size, fixed_batches
from faceport.targets.sizes import Item, has_free_sizes, item_shape, item_shapes
from faceport.types import Tensors, TensorSpec

INDEX = "sizes.json"  # of an artifact: its batch, and which folder is for which sizes
FIXED_FILE = "fixed.onnx"


def wants_sizes(target: Target, network: Network) -> bool:
    """Tell whether a target compiles a network for the sizes of recorded calls."""
    return "dynamic_shape" not in target.capabilities and has_free_sizes(network)


def compile_network(target: Target, source: Source, out: Path, calls: Sequence[Tensors]) -> None:
    """Compile a network into an empty folder, with no more of its shape fixed than the target needs."""
    for batch, items in _attempts(target, source.network, calls):
        try:
            return _compile(target, source, out, calls, batch, items)
        except FreeSizesError as error:
            refusal = error
            shutil.rmtree(out)
            out.mkdir()
    raise refusal


def _attempts(
    target: Target, network: Network, calls: Iterable[Tensors]
) -> Iterator[tuple[int | None, Sequence[Item | None]]]:
    """List batch and sizes to compile for, None for any: from what is free to what every target takes."""
    batch = network.batch or target.batch
    batches = dict.fromkeys((batch, batch or 1))
    if target.capabilities & {"dynamic_shape", "some_dynamic_shapes"} or not has_free_sizes(network):
        yield from ((rows, [None]) for rows in batches)
    if wants_sizes(target, network):
        items = item_shapes(network, calls)
        yield from ((rows, items) for rows in batches)


def _compile(
    target: Target,
    source: Source,
    out: Path,
    calls: Sequence[Tensors],
    batch: int | None,
    items: Sequence[Item | None],
) -> None:
    """Compile for each size into a folder of its own, or for any size into the one folder."""
    folders = {item: out / str(number) if item else out for number, item in enumerate(items)}
    for item, folder in folders.items():
        folder.mkdir(exist_ok=True)
        with TemporaryDirectory() as place:
            fixed = fix_source(source, batch, item, Path(place))
            target.compile(fixed, folder, _Fitting(calls, batch, item) if batch or item else calls)
    sizes = {str(folder.relative_to(out)): dict(item) for item, folder in folders.items() if item}
    if sizes or batch != source.network.batch or "dynamic_shape" not in target.capabilities:
        (out / INDEX).write_text(json.dumps({"batch": batch, "sizes": sizes}))


def open_network(target: Target, artifact: Artifact) -> Session:
    """Open what compile_network() wrote: for any number of rows, of every size that it was compiled for."""
    network = artifact.network
    if not (artifact.path / INDEX).is_file():
        return any_batch(target.open(artifact), network)
    batch, folders = _read_index(artifact.path)
    sessions: dict[Item | None, Session] = {}
    with ExitStack() as opened:
        for item, folder in folders.items():
            part = fix_network(network, batch, item)
            session = target.open(Artifact(folder, part, artifact.manifest))
            opened.callback(session.close)
            sessions[item] = any_batch(session, part)
        opened.pop_all()  # all are open: none is closed
    return by_size(network, session.facts.get("runtime", type(target).__name__), sessions)


def _read_index(folder: Path) -> tuple[int | None, dict[Item | None, Path]]:
    """Read the batch and the folder of each size; None stands for any."""
    try:
        content = json.loads((folder / INDEX).read_text())
        folders: dict[Item | None, Path] = {
            tuple(sorted((name, tuple(shape)) for name, shape in shapes.items())): folder / place
            for place, shapes in content["sizes"].items()
        }
        return content["batch"], folders or {None: folder}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FaceportError(
            f"cannot open {folder}: its {INDEX} is damaged. Delete the folder and compile it again"
        ) from error


def fix_source(source: Source, batch: int | None, item: Item | None, folder: Path) -> Source:
    """Write a batch and sizes into a network and its graph; its file goes into the folder when asked for."""
    network = fix_network(source.network, batch, item)
    if network.batch == source.network.batch and not item:
        return source

    def export() -> Path:
        path = folder / FIXED_FILE
        if not path.is_file():
            shapes = {spec.name: (network.batch or "batch", *spec.shape[1:]) for spec in network.inputs}
            onnx.save(fix_sizes(load(source.onnx()), shapes), path)
        return path

    return replace(source, network=network, export=export)


def fix_network(network: Network, batch: int | None, item: Item | None) -> Network:
    """Describe a network whose batch (None: any) and sizes (None: as they are) are fixed."""
    sizes = dict(item or ())
    known: dict[int | str, int | str] = {}
    for spec in network.inputs:
        known |= zip(spec.shape[1:], sizes.get(spec.name, spec.shape[1:]), strict=True)

    def fix(spec: TensorSpec) -> TensorSpec:
        return replace(spec, shape=(spec.shape[0], *(known.get(size, size) for size in spec.shape[1:])))

    inputs, outputs = tuple(map(fix, network.inputs)), tuple(map(fix, network.outputs))
    return replace(network, inputs=inputs, outputs=outputs, batch=batch)


@dataclass(frozen=True, eq=False)
class _Fitting(Iterable[Tensors]):
    """Recorded calls as far as they have one size, in pieces of one batch; drawn up anew for each reader."""

    calls: Iterable[Tensors]
    batch: int | None
    item: Item | None

    def __iter__(self) -> Iterator[Tensors]:
        for inputs in self.calls:
            if self.item and item_shape(inputs) != self.item:
                continue
            pieces = fixed_batches(inputs, self.batch or len(next(iter(inputs.values()))))
            yield from (piece for piece, _ in pieces)
