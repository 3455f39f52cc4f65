"""ncnn: pnnx translates ONNX into its own files. https://github.com/Tencent/ncnn/wiki"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import FreeSizesError, MissingError
from faceport.graph.names import load
from faceport.graph.sizes import smallest_sizes
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile
from faceport.targets.sizes import free_axes, has_free_sizes
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_ncnn.options import PARAM, SMALLEST, WEIGHTS, NcnnOptions

PNNX = Tool("pnnx", cures={r"(?:op_type|function with name) (\S+)": r"it has no \1"})


class Ncnn(Target):
    """Run networks with ncnn."""

    Options = NcnnOptions
    options: NcnnOptions
    capabilities = frozenset({"some_dynamic_shapes"})  # of what pnnx manages; it knows no batches

    def missing(self) -> str:
        """Say what to install."""
        return not_importable("pip install 'faceport-ncnn[cpu]'", "ncnn")

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        return {
            **super().recipe(),
            "pnnx": installed_version("pnnx"),
            "ncnn": installed_version("ncnn"),
            "device": self.options.device,
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Translate the network for all of its free sizes, or refuse them."""
        model, network, free = load(source.onnx()), source.network, has_free_sizes(source.network)
        if network.batch != 1:  # a finished file
            why = f"it takes batches of {network.batch} only, ncnn runs row by row"
            raise cannot_compile("ncnn", installed_version("ncnn"), network, why)
        unknown = self._translate(model, network, out)
        if unknown:
            why = f"it has no {', '.join(unknown)}"
            error = cannot_compile("ncnn", installed_version("ncnn"), network, why)
            raise FreeSizesError(str(error)) if free else error
        if free:
            shapes = {name: value.shape for name, value in network.example_inputs().items()}
            smallest = smallest_sizes(model, shapes, free_axes(network))
            (out / SMALLEST).write_text(json.dumps({name: size[1:] for name, size in smallest.items()}))

    def _translate(self, model: onnx.ModelProto, network: Network, out: Path) -> list[str]:
        """Run pnnx and keep what it writes; name the layers that ncnn would not know."""
        with TemporaryDirectory() as folder:  # it writes ten files beside its input
            onnx.save(model, Path(folder, "n.onnx"))
            half = int(self.options.precision == "fp16")
            command = [str(_pnnx()), "n.onnx", f"inputshape={_shapes(network)}", f"fp16={half}"]
            if has_free_sizes(network):
                command.append(f"inputshape2={_shapes(network, larger=9)}")
            param, weights = Path(folder, "n.ncnn.param"), Path(folder, "n.ncnn.bin")
            try:
                PNNX.run(command, products=[param], folder=Path(folder))
            except ToolError as error:
                raise cannot_compile("ncnn", installed_version("ncnn"), network, error) from error
            layers = [line.split()[0] for line in param.read_text().splitlines()[2:] if line.strip()]
            unknown = sorted({layer for layer in layers if "." in layer or ":" in layer})
            if not unknown:
                shutil.copyfile(param, out / PARAM)
                shutil.copyfile(weights, out / WEIGHTS)
        return unknown

    def open(self, artifact: Artifact) -> Session:
        """Load the files."""
        from faceport_ncnn.session import NcnnSession

        return NcnnSession(artifact, self.options)


def _shapes(network: Network, larger: int = 0) -> str:
    """Write shapes as pnnx reads them; it finds free sizes by a second set."""
    texts = []
    for spec in network.inputs:
        sizes = zip(spec.shape[1:], network.example_inputs()[spec.name].shape[1:], strict=True)
        shape = [1, *(size + larger if isinstance(name, str) else size for name, size in sizes)]
        texts.append(f"[{','.join(map(str, shape))}]f32")
    return ",".join(texts)


def _pnnx() -> Path:
    """Find the program inside the package, which itself imports torch."""
    found = find_spec("pnnx")
    if found is None or not found.submodule_search_locations:
        raise MissingError("pnnx is needed to compile for ncnn: pip install 'faceport-ncnn[convert]'")
    folder = Path(found.submodule_search_locations[0])
    return next(path for name in ("pnnx", "pnnx.exe") if (path := folder / name).is_file())
