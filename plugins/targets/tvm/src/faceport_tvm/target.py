"""Apache TVM: ONNX to a shared library by way of Relax. https://tvm.apache.org/docs"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.artifacts.store import Store
from faceport.errors import FaceportError, FreeSizesError, MissingError
from faceport.graph.names import load
from faceport.progress import progress
from faceport.targets.machine import installed_version, not_importable, silence
from faceport.targets.sentences import cannot_compile, cannot_open, reason
from faceport.targets.sizes import has_free_sizes
from faceport.types import Tensors
from faceport_tvm import cpu
from faceport_tvm.options import LIBRARY, MADE_FOR, TvmOptions


class Tvm(Target):
    """Run networks with TVM."""

    Options = TvmOptions
    options: TvmOptions
    capabilities = frozenset({"dynamic_batch", "some_dynamic_shapes"})  # as far as Relax manages them

    def missing(self) -> str:
        """Say what to install."""
        absent = not_importable("pip install 'faceport-tvm[cpu]'", "tvm")
        return absent or ("" if self._kind() == "llvm" else lacking_cuda())

    def _kind(self) -> str:
        """Name what is compiled for: the CPU stands in for a GPU that is not there, where that is allowed."""
        wanted = self.options.kind
        return "llvm" if wanted == "cuda" and self.options.allow_fallback and lacking_cuda() else wanted

    @property
    def batch(self) -> int | None:
        """Fix the batch where that is asked for."""
        return self.options.batch

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        found: dict[str, Any] = {
            **super().recipe(),
            "tvm": installed_version("apache-tvm"),
            "kind": self._kind(),
        }
        if found["kind"] == "llvm":
            found["mcpu"] = cpu.settle(self._wanted_cpu()) or cpu.BASELINE
        if options.tuning:
            found |= {"tuning": options.tuning, "seed": options.seed, "threads": options.threads}
        return found

    def _wanted_cpu(self) -> str:
        """Untuned loops are slower with AVX2, whose fused sums wait for each other; tuned ones are faster."""
        return self.options.mcpu or (cpu.NATIVE if self.options.tuning else cpu.BASELINE)

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Compile for any batch and size where Relax manages that and nothing is tuned, or refuse."""
        if not any(shutil.which(compiler) for compiler in ("g++", "clang++", "gcc", "clang")):
            raise MissingError("TVM needs a C++ compiler to link what it compiles: install g++")
        network, tuning = source.network, self.options.tuning
        free = not network.batch or has_free_sizes(network)
        if tuning:
            if self._kind() != "llvm":
                raise FaceportError("target.tuning tries schedules on this CPU: it needs target.kind=llvm")
            from faceport_tvm.tuning import require_sound

            require_sound()
            if free:
                raise FreeSizesError("a schedule is for one shape")
        name = "" if self._kind() == "cuda" else cpu.settle(self._wanted_cpu())
        wrong = self._build(load(source.onnx()), self._target(name), network.name, out / LIBRARY)
        if wrong:
            error = cannot_compile("TVM", installed_version("apache-tvm"), network, wrong)
            raise FreeSizesError(str(error)) if free else error
        made_for = {"cpu": name or cpu.BASELINE, "features": cpu.features(name), "tuning": tuning}
        (out / MADE_FOR).write_text(json.dumps(made_for))

    def _target(self, mcpu: str) -> Any:
        """Describe the machine to the compiler."""
        import tvm

        if self._kind() == "cuda":
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
        """Load the library."""
        from faceport_tvm.session import TvmSession

        try:
            made_for = json.loads((artifact.path / MADE_FOR).read_text())
        except (OSError, ValueError) as error:
            raise cannot_open("TVM", installed_version("apache-tvm"), artifact, error) from error
        cpu.require(made_for["cpu"], made_for["features"])
        return TvmSession(artifact, self._kind(), self.options.threads, made_for)


def lacking_cuda() -> str:
    """Say in one sentence why TVM cannot use a GPU; empty where it can."""
    import tvm

    if tvm.get_global_func("target.build.cuda", allow_missing=True) is None:
        return "this build of TVM has no CUDA: build TVM with USE_CUDA, or choose target.kind=llvm"
    if not tvm.cuda().exist:
        return "TVM finds no cuda device on this machine: choose target.kind=llvm"
    return ""
