"""Apache TVM: ONNX to a shared library by way of Relax. https://tvm.apache.org/docs"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.artifacts.store import Store
from faceport.errors import FaceportError, MissingError
from faceport.graph.names import load
from faceport.graph.sizes import fix_sizes
from faceport.progress import progress
from faceport.targets.machine import installed_version, not_importable, silence
from faceport.targets.sentences import cannot_compile, cannot_open, reason
from faceport.targets.sessions import BySize, FixedBatch, compile_sizes, compiled_sizes
from faceport.targets.sizes import Item
from faceport.types import Tensors
from faceport_tvm import cpu

LIBRARY = "network.so"
MADE_FOR = "made_for.json"  # CPU, its features, trials


@dataclass(frozen=True)
class TvmOptions:
    """Options of the target."""

    kind: Literal["llvm", "cuda"] = "llvm"
    mcpu: str | None = None  # CPU to make code for; None: settled by whether it is tuned
    tuning: int = 0  # schedules to try for each compiled size of a network
    seed: int = 0  # of the search
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
        absent = not_importable("pip install 'faceport-tvm[cpu]'", "tvm")
        if absent:
            return absent
        if self.options.kind == "cuda":
            import tvm

            if tvm.get_global_func("target.build.cuda", allow_missing=True) is None:
                return "this build of TVM has no CUDA: build TVM with USE_CUDA, or choose target.kind=llvm"
            if not tvm.cuda().exist:
                return "TVM finds no cuda device on this machine: choose target.kind=llvm"
        return ""

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        found: dict[str, Any] = {
            "tvm": installed_version("apache-tvm"),
            "kind": options.kind,
            "batch": options.batch,
        }
        if options.kind == "llvm":
            found["mcpu"] = cpu.settle(self._wanted_cpu()) or cpu.BASELINE
        if options.tuning:
            found |= {"tuning": options.tuning, "seed": options.seed, "threads": options.threads}
        return found

    def _wanted_cpu(self) -> str:
        """Untuned loops are slower with AVX2, whose fused sums wait for each other; tuned ones are faster."""
        return self.options.mcpu or (cpu.NATIVE if self.options.tuning else cpu.BASELINE)

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Compile for any size where Relax manages that and nothing is tuned, else for each recorded size."""
        if not any(shutil.which(compiler) for compiler in ("g++", "clang++", "gcc", "clang")):
            raise MissingError("TVM needs a C++ compiler to link what it compiles: install g++")
        if self.options.tuning:
            if self.options.kind != "llvm":
                raise FaceportError("target.tuning tries schedules on this CPU: it needs target.kind=llvm")
            from faceport_tvm.tuning import require_sound

            require_sound()
        model, network = load(source.onnx()), source.network
        name = "" if self.options.kind == "cuda" else cpu.settle(self._wanted_cpu())

        def compile_one(item: Item | None, folder: Path) -> bool:
            if item is None and self.options.tuning:
                return False  # a schedule is for one shape
            sizes = {name: (self.options.batch, *shape) for name, shape in item or ()}
            fixed = fix_sizes(model, sizes) if item else model
            wrong = self._build(fixed, self._target(name), network.name, folder / LIBRARY)
            if wrong and item:
                raise cannot_compile("TVM", installed_version("apache-tvm"), network, wrong)
            return not wrong

        compile_sizes(network, calibration, out, compile_one)
        made_for = {
            "cpu": name or cpu.BASELINE,
            "features": cpu.features(name),
            "tuning": self.options.tuning,
        }
        (out / MADE_FOR).write_text(json.dumps(made_for))

    def _target(self, mcpu: str) -> Any:
        """Describe the machine to the compiler."""
        import tvm

        if self.options.kind == "cuda":
            return tvm.target.Target("cuda")
        described: dict[str, Any] = {"kind": "llvm", "num-cores": self.options.threads}
        return tvm.target.Target(described | ({"mcpu": mcpu} if mcpu else {}))

    def _build(self, model: onnx.ModelProto, target: Any, network: str, path: Path) -> str:
        """Compile into a shared library, or say why that is not possible."""
        import tvm
        from tvm.relax.frontend.onnx import from_onnx

        try:
            with warnings.catch_warnings(), silence():  # it prints the operator that it fails on
                warnings.simplefilter("ignore")  # of shapes that it infers by itself
                module = from_onnx(model)
            if self.options.tuning:
                module = self._tuned(module, target, network)
            with silence():
                tvm.compile(module, target=target).export_library(str(path))
        except FaceportError:
            raise
        except Exception as error:  # TVM's own classes, and Python's from its importer
            with silence():
                error.__traceback__ = None  # holds what complains when it goes
            return reason(error)
        return ""

    def _tuned(self, module: Any, target: Any, network: str) -> Any:
        """Give the graph measured schedules; the measurements are kept, whatever weights it has next time."""
        from faceport_tvm import tuning

        options = self.options
        with silence():
            fused = tuning.fuse(module, target)
            tasks = tuning.kernels(fused, target)
        tuning.require_enough(options.tuning, tasks, network)

        def make(folder: Path) -> None:
            label = f"tuning {network}"
            with tuning.silence_but_python(), progress(label, options.tuning) as shown:
                tuning.tune(
                    tasks, target, options.tuning, options.seed, options.threads, folder, shown.advance
                )

        recipe = {
            "tvm": installed_version("apache-tvm"),
            "target": str(target),
            "kernels": tuning.identify(tasks),
            "trials": options.tuning,
            "seed": options.seed,
        }
        measured = Store().get("tuning", recipe, make)
        with silence():
            return tuning.apply(fused, target, measured.path)

    def open(self, artifact: Artifact) -> Session:
        """Load the library of every size."""
        from faceport_tvm.session import TvmSession

        try:
            sizes = compiled_sizes(artifact.path)
            made_for = json.loads((artifact.path / MADE_FOR).read_text())
        except (OSError, ValueError) as error:
            raise cannot_open("TVM", installed_version("apache-tvm"), artifact, error) from error
        cpu.require(made_for["cpu"], made_for["features"])
        sessions: dict[Item | None, Session] = {}
        for item, folder in sizes.items():
            session = TvmSession(artifact, folder / LIBRARY, self.options, made_for)
            sessions[item] = FixedBatch(session, self.options.batch) if item else session
        return BySize(artifact.network, "TVM", sessions)
