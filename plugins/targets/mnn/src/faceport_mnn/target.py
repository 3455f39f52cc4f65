"""MNN: its own file is the artifact; the converter comes with the wheel. https://mnn-docs.readthedocs.io"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import orjson

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.graph.levels import UINT8
from faceport.graph.names import excluded, load
from faceport.graph.norms import norms_to_convs
from faceport.graph.prelu import widen_slopes
from faceport.graph.prepare import Recipe, prepare
from faceport.graph.qdq import QDQ_OPSET
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_mnn.options import MODEL, MnnOptions
from faceport_mnn.quantise import Quantisation, apart

CONVERTER = Tool("its converter", cures={r"(?i)^(?:\[[\d:]+\]\s*:\d+:)?(.*not supp.*)$": r"\1"})
FLAGS = {"fp16": ("--fp16",)}  # of the converter


class Mnn(Target):
    """Run networks with MNN."""

    Options = MnnOptions
    options: MnnOptions

    def missing(self) -> str:
        """Say what to install."""
        return not_importable("pip install 'faceport-mnn[cpu]'", "MNN")

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        return {
            **super().recipe(),
            "mnn": installed_version("MNN"),
            "backend": self.options.backend,
            "winograd": self.options.tiles,
            **({"prepare": self.options.prepare} if self.calibrates else {}),
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Convert the exported network, with the scales of its layers where int8 is asked for."""
        model = load(source.onnx(), QDQ_OPSET if self.calibrates else 0)
        exclude = excluded(model, source.network.name, self.options.exclude)
        widen_slopes(model)
        if self.calibrates:
            apart(model)
            norms_to_convs(model)  # MNN 3.6 computes wrong norms in 8 bits
            calls = need_calls(calibration, source.network)
            self._quantise(source.network, model, out / MODEL, calls, exclude)
        else:
            convert(source.network, model, out / MODEL, *FLAGS.get(self.options.precision, ()))

    def _quantise(
        self,
        network: Network,
        model: onnx.ModelProto,
        out: Path,
        calls: Sequence[Tensors],
        exclude: list[str],
    ) -> None:
        """Convert with the scales of layers, then add those of what lies between them."""
        recipe = Recipe(self.options.range, self.options.prepare, UINT8)
        ranges = prepare(model, lambda graph: self._opened(network, graph), calls, recipe, exclude)
        scales = Quantisation(model, ranges, exclude)
        with TemporaryDirectory() as folder:
            told, layers, written = (Path(folder, name) for name in ("scales.json", MODEL, "network.json"))
            told.write_bytes(orjson.dumps(scales.layers()))
            convert(network, model, layers, "--compressionParamsFile", str(told))
            run_tool(network, written, "MNN", layers, "--JsonFile", str(written))
            try:
                graph = orjson.loads(written.read_bytes())
            except ValueError as error:
                why = "its converter wrote half a file: is the disk full?"
                raise cannot_compile("MNN", installed_version("MNN"), network, why) from error
            scales.complete(graph)
            written.write_bytes(orjson.dumps(graph))
            run_tool(network, out, "JSON", written, "--MNNModel", str(out))

    def _opened(self, network: Network, model: onnx.ModelProto) -> Callable[[Tensors], Tensors]:
        """Make a graph runnable in floats, all of its outputs."""
        plain = self.with_options(precision="fp32", streams=1)
        with TemporaryDirectory() as folder:
            convert(network, model, Path(folder, MODEL))
            return plain.open(Artifact(Path(folder), network, {})).run

    def open(self, artifact: Artifact) -> Session:
        """Create the sessions."""
        from faceport_mnn.session import MnnSession

        return MnnSession(artifact, self.options)


def convert(network: Network, model: onnx.ModelProto, out: Path, *flags: str) -> None:
    """Convert a network from ONNX."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        onnx.save(model, file)
        run_tool(network, out, "ONNX", file, "--MNNModel", str(out), *flags)


def run_tool(network: Network, out: Path, kind: str, file: Path, *flags: str) -> None:
    """Run the converter of the wheel in a process of its own: it prints, and may abort.

    Not by the command mnnconvert: that installs a package with pip, to report to its makers.
    """
    command = [sys.executable, "-c", "import sys, _tools; _tools.mnnconvert(sys.argv[1:])", "mnnconvert"]
    words = ["-f", kind, "--modelFile", str(file), "--bizCode", "faceport", *flags]
    try:
        CONVERTER.run([*command, *words], products=[out])
    except ToolError as error:
        raise cannot_compile("MNN", installed_version("MNN"), network, error) from error
