"""Apache TVM: ONNX to a shared library by way of Relax. https://tvm.apache.org/docs"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import MissingError, explain_import
from faceport.graph.names import load
from faceport.graph.sizes import fix_sizes
from faceport.runtimes import cannot_compile, cannot_open, installed_version, reason, silence
from faceport.shapes import BySize, FixedBatch, Item, compile_sizes, compiled_sizes
from faceport.types import Tensors

LIBRARY = "network.so"


@dataclass(frozen=True)
class TvmOptions:
    """Options of the target."""

    kind: Literal["llvm", "cuda"] = "llvm"
    threads: int = 1  # of the whole process
    batch: int = 1  # of networks with fixed sizes
    tolerance: float | None = None  # largest error, relative to the spread of an output


class Tvm(Target):
    """Run networks with TVM."""

    Options = TvmOptions
    options: TvmOptions
    capabilities = frozenset({"dynamic_batch"})  # free sizes too, where Relax manages them

    def missing(self) -> str:
        """Say what to install."""
        try:
            import tvm
        except (ImportError, OSError) as error:
            return f"{explain_import(error)} (pip install 'faceport-tvm[cpu]')"
        del tvm
        return ""

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        return {
            "tvm": installed_version("apache-tvm"),
            "kind": self.options.kind,
            "batch": self.options.batch,
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Compile for any size where Relax manages that, else for each recorded size."""
        if not any(shutil.which(compiler) for compiler in ("g++", "clang++", "gcc", "clang")):
            raise MissingError("TVM needs a C++ compiler to link what it compiles: install g++")
        model, network = load(source.onnx()), source.network

        def compile_one(item: Item | None, folder: Path) -> bool:
            sizes = {name: (self.options.batch, *shape) for name, shape in item or ()}
            with silence():  # it prints the operator that it fails on
                wrong = self._build(fix_sizes(model, sizes) if item else model, folder / LIBRARY)
            if wrong and item:
                raise cannot_compile("TVM", installed_version("apache-tvm"), network, wrong)
            return not wrong

        compile_sizes(network, calibration, out, compile_one)

    def _build(self, model: onnx.ModelProto, path: Path) -> str:
        """Compile into a shared library, or say why that is not possible."""
        import tvm
        from tvm.relax.frontend.onnx import from_onnx

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of shapes that it infers by itself
                module = from_onnx(model)
            tvm.compile(module, target=self.options.kind).export_library(str(path))
        except Exception as error:  # TVM's own classes, and Python's from its importer
            return reason(error)
        return ""

    def open(self, artifact: Artifact) -> Session:
        """Load the library of every size."""
        from faceport_tvm.session import TvmSession

        try:
            sizes = compiled_sizes(artifact.path)
        except (OSError, ValueError) as error:
            raise cannot_open("TVM", installed_version("apache-tvm"), artifact, error) from error
        sessions: dict[Item | None, Session] = {}
        for item, folder in sizes.items():
            session = TvmSession(artifact, folder / LIBRARY, self.options)
            sessions[item] = FixedBatch(session, self.options.batch) if item else session
        return BySize(artifact.network, "TVM", sessions)
