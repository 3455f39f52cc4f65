"""ncnn: pnnx translates ONNX into its own files. https://github.com/Tencent/ncnn/wiki"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import MissingError
from faceport.graph.names import load
from faceport.graph.sizes import fix_sizes, smallest_sizes
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile, cannot_open
from faceport.targets.sessions import BySize, compile_sizes, compiled_sizes
from faceport.targets.sizes import Item, free_axes, has_free_sizes, item_shape
from faceport.types import Tensors

PARAM, WEIGHTS = "model.param", "model.bin"
SMALLEST = "smallest.json"  # the sizes below which nothing is left of a tensor


@dataclass(frozen=True)
class NcnnOptions:
    """Options of the target."""

    precision: Literal["fp32", "fp16"] = "fp32"
    device: Literal["cpu", "vulkan"] = "cpu"
    threads: int = 1  # inside one run; 0: all cores
    streams: int | None = None  # runs at the same time
    allow_fallback: bool = False
    tolerance: float | None = None  # largest error, relative to the spread of an output


class Ncnn(Target):
    """Run networks with ncnn."""

    Options = NcnnOptions
    options: NcnnOptions
    capabilities = frozenset({"dynamic_batch"})  # free sizes too, where pnnx manages them

    def missing(self) -> str:
        """Say what to install."""
        return not_importable("pip install 'faceport-ncnn[cpu]'", "ncnn")

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        return {
            "pnnx": installed_version("pnnx"),
            "ncnn": installed_version("ncnn"),
            "precision": self.options.precision,
            "device": self.options.device,
            "allow_fallback": self.options.allow_fallback,
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Translate once for all sizes where that works, else once for each recorded size."""
        model, network = load(source.onnx()), source.network
        example = network.example_inputs()

        def compile_one(item: Item | None, folder: Path) -> bool:
            if item is None and not has_free_sizes(network):
                return False
            fixed = fix_sizes(model, {name: (1, *shape) for name, shape in item}) if item else model
            unknown = self._translate(fixed, network, item or item_shape(example), folder, free=item is None)
            if unknown and item:
                raise cannot_compile(
                    "ncnn", installed_version("ncnn"), network, f"it has no {', '.join(unknown)}"
                )
            if item is None and not unknown:
                shapes = {name: value.shape for name, value in example.items()}
                smallest = smallest_sizes(model, shapes, free_axes(network))
                (folder / SMALLEST).write_text(
                    json.dumps({name: size[1:] for name, size in smallest.items()})
                )
            return not unknown

        compile_sizes(network, calibration, out, compile_one)

    def _translate(
        self, model: onnx.ModelProto, network: Network, item: Item, out: Path, free: bool = False
    ) -> list[str]:
        """Run pnnx and keep what it writes; name the layers that ncnn would not know."""
        with TemporaryDirectory() as folder:  # it writes ten files beside its input
            onnx.save(model, Path(folder, "n.onnx"))
            half = int(self.options.precision == "fp16")
            command = [str(_pnnx()), "n.onnx", f"inputshape={_shapes(network, item)}", f"fp16={half}"]
            if free:
                command.append(f"inputshape2={_shapes(network, item, larger=True)}")
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            written = Path(folder, "n.ncnn.param")
            if done.returncode or not written.is_file():
                said = re.findall(r"(?:op_type|function with name) (\S+)", done.stdout + done.stderr)
                why = f"it has no {said[0]}" if said else f"pnnx ended with {done.returncode}"
                raise cannot_compile("ncnn", installed_version("ncnn"), network, why)
            layers = [line.split()[0] for line in written.read_text().splitlines()[2:] if line.strip()]
            unknown = sorted({layer for layer in layers if "." in layer or ":" in layer})
            if not unknown:
                (out / PARAM).write_bytes(written.read_bytes())
                (out / WEIGHTS).write_bytes(Path(folder, "n.ncnn.bin").read_bytes())
        return unknown

    def open(self, artifact: Artifact) -> Session:
        """Load the files of every size."""
        from faceport_ncnn.session import NcnnSession

        network = artifact.network
        try:
            sizes = compiled_sizes(artifact.path)
        except (OSError, ValueError) as error:
            raise cannot_open("ncnn", installed_version("ncnn"), artifact, error) from error
        sessions = {item: NcnnSession(artifact, folder, self.options) for item, folder in sizes.items()}
        return BySize(network, "ncnn", sessions)


def _shapes(network: Network, item: Item, larger: bool = False) -> str:
    """Write shapes as pnnx reads them; it finds free sizes by a second set."""
    texts = []
    for spec in network.inputs:
        sizes = zip(spec.shape[1:], dict(item)[spec.name], strict=True)
        shape = [1, *(size + 9 if larger and isinstance(name, str) else size for name, size in sizes)]
        texts.append(f"[{','.join(map(str, shape))}]f32")
    return ",".join(texts)


def _pnnx() -> Path:
    """Find the program inside the package, which itself imports torch."""
    found = find_spec("pnnx")
    if found is None or not found.submodule_search_locations:
        raise MissingError("pnnx is needed to compile for ncnn: pip install 'faceport-ncnn[convert]'")
    folder = Path(found.submodule_search_locations[0])
    return next(path for name in ("pnnx", "pnnx.exe") if (path := folder / name).is_file())
