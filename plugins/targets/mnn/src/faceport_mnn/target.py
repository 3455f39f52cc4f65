"""MNN: its own file is the artifact; converter and quantiser come with the wheel. https://mnn-docs.readthedocs.io"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.graph.names import excluded, load
from faceport.graph.prelu import widen_slopes
from faceport.runtimes import cannot_compile, installed_version, need_calls, not_importable
from faceport.types import Tensors

MODEL = "model.mnn"
METHODS = {"admm": "ADMM", "kl": "KL"}  # a third, EMA, would ignore the exclude list
AS_CONVOLUTION = "__matmul_converted"  # what the converter appends to the name of a linear layer


@dataclass(frozen=True)
class MnnOptions:
    """Options of the target."""

    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    backend: Literal["cpu", "opencl", "vulkan", "cuda", "metal"] = "cpu"
    threads: int = 1  # inside one run; 0: all cores
    streams: int | None = None  # runs at the same time
    winograd: int | None = None
    allow_fallback: bool = False
    tolerance: float | None = None  # largest error, relative to the spread of an output
    exclude: list[str] = field(default_factory=list)  # int8: ONNX nodes that stay in float
    accuracy_budget: float | None = None
    range: Literal["admm", "kl"] = "admm"
    samples: int = 8  # ADMM wants one batch, and takes its time

    def __post_init__(self) -> None:
        if self.winograd is not None and self.winograd not in range(4):
            raise ValueError(f"option 'winograd' is {self.winograd}, it must be 0, 1, 2 or 3")

    @property
    def tiles(self) -> int:
        """The size of Winograd tiles: fp32 wants the exact ones."""
        return self.winograd if self.winograd is not None else 1 if self.precision == "fp32" else 3


class Mnn(Target):
    """Run networks with MNN."""

    Options = MnnOptions
    options: MnnOptions

    def missing(self) -> str:
        """Say what to install."""
        return not_importable("pip install 'faceport-mnn[cpu]'", "MNN")

    @property
    def calibrates(self) -> bool:
        """Calls are needed to find the ranges of int8."""
        return self.options.precision == "int8"

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        shaping: dict[str, Any] = {
            "mnn": installed_version("MNN"),
            "precision": options.precision,
            "backend": options.backend,
            "winograd": options.tiles,
            "allow_fallback": options.allow_fallback,
        }
        if self.calibrates:
            shaping |= {
                "exclude": sorted(options.exclude),
                "range": options.range,
                "samples": options.samples,
            }
        return shaping

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Convert the exported network, and quantise it where int8 is asked for."""
        model = load(source.onnx())
        kept = excluded(model, source.network.name, self.options.exclude)
        widen_slopes(model)
        with TemporaryDirectory() as folder:
            work = Path(folder)
            onnx.save(model, work / "network.onnx")
            flags = ["--fp16"] if self.options.precision == "fp16" else []
            converted = work / MODEL if self.calibrates else out / MODEL
            files = ["--modelFile", str(work / "network.onnx"), "--MNNModel", str(converted)]
            _tool(
                source.network, converted, "mnnconvert", "-f", "ONNX", *files, "--bizCode", "faceport", *flags
            )
            if self.calibrates:
                names = [output for node in model.graph.node if node.name in kept for output in node.output]
                calls = need_calls(calibration, source.network)
                self._quantise(source.network, converted, out / MODEL, calls, names)

    def _quantise(
        self, network: Network, converted: Path, out: Path, calls: Sequence[Tensors], kept: list[str]
    ) -> None:
        """Give recorded calls to MNN's own tool, which reads them as text."""
        samples = converted.with_name("calls")
        count = write_calls(islice(calls, self.options.samples), samples)
        config = {
            "path": f"{samples}/",
            "input_type": "sequence",
            "used_sample_num": count,
            "batch_size": 1,
            "feature_quantize_method": METHODS[self.options.range],
            "weight_quantize_method": "MAX_ABS",
            "skip_quant_op_names": [*kept, *(name + AS_CONVOLUTION for name in kept)],
            "inputs": [{"name": name, "shape": value.shape} for name, value in next(iter(calls)).items()],
        }
        file = converted.with_name("config.json")
        file.write_text(json.dumps(config))
        _tool(network, out, "mnnquant", str(converted), str(out), str(file))

    def open(self, artifact: Artifact) -> Session:
        """Create the sessions."""
        from faceport_mnn.session import MnnSession

        return MnnSession(artifact, self.options)


def write_calls(calls: Iterable[Tensors], folder: Path) -> int:
    """Write one folder per call: its shapes as JSON, its values as text."""
    count = 0
    for count, inputs in enumerate(calls, 1):
        place = folder / f"{count:05}"
        place.mkdir(parents=True)
        shapes = [{"name": name, "shape": value.shape} for name, value in inputs.items()]
        (place / "input.json").write_text(json.dumps({"inputs": shapes}))
        for name, value in inputs.items():
            np.savetxt(place / f"{name}.txt", value.reshape(-1), fmt="%.7g")
    return count


def _tool(network: Network, out: Path, name: str, *arguments: str) -> None:
    """Run a tool of the wheel in a process of its own: it prints, and may abort.

    Not by the commands mnnconvert and mnnquant: they install a package with pip, to report to their makers.
    """
    code = f"import sys, _tools; _tools.{name}(sys.argv[1:])"
    command = [sys.executable, "-c", code, name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and out.is_file():
        return
    said = [line for line in (done.stdout + done.stderr).splitlines() if "not supp" in line.lower()]
    if said:
        why = re.sub(r"^\[[\d:]+\]\s*:\d+:", "", said[-1])
    elif done.returncode < 0:
        why = f"{name} crashed (signal {-done.returncode}); another target.range may work"
    else:
        why = f"{name} made no file"
    raise cannot_compile("MNN", installed_version("MNN"), network, why)
