"""OpenVINO: its own graph format is the artifact, int8 comes from NNCF. https://docs.openvino.ai"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Literal

from faceport.api import Artifact, Session, Source, Target
from faceport.graph.names import excluded, load
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.targets.sessions import FixedBatch
from faceport.types import Tensors

MODEL = "model.xml"  # the weights lie beside it in model.bin


@dataclass(frozen=True)
class OpenVinoOptions:
    """Options of the target."""

    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    device: str = "CPU"
    hint: Literal["throughput", "latency"] = "throughput"
    threads: int | None = None  # CPU: inside one run; 0: all cores
    streams: int | None = None  # runs at the same time
    batch: int | None = None  # fixed batch size
    allow_fallback: bool = False
    tolerance: float | None = None  # largest error, relative to the spread of an output
    exclude: list[str] = field(default_factory=list)  # int8: ONNX nodes that stay in float
    accuracy_budget: float | None = None
    preset: Literal["mixed", "performance"] = "mixed"
    range: Literal["mean_minmax", "minmax", "quantile", "histogram"] = "mean_minmax"

    @property
    def fixed_batch(self) -> int | None:
        """The one batch size that the compiled network takes; None where it takes any."""
        return self.batch or (1 if self.device.upper().startswith("NPU") else None)


class OpenVino(Target):
    """Run networks with OpenVINO."""

    Options = OpenVinoOptions
    options: OpenVinoOptions

    def missing(self) -> str:
        """Say what to install."""
        extra = "int8" if self.calibrates else "cpu"
        cure = f"pip install 'faceport-openvino[{extra}]'"
        keep_nncf_to_itself()
        return not_importable(cure, "openvino", *(["nncf"] if self.calibrates else []))

    @property
    def calibrates(self) -> bool:
        """Calls are needed to find the ranges of int8."""
        return self.options.precision == "int8"

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        shaping: dict[str, Any] = {
            "openvino": installed_version("openvino"),
            "precision": options.precision,
            "device": options.device,
            "allow_fallback": options.allow_fallback,
        }
        if self.calibrates:
            shaping |= {
                "nncf": installed_version("nncf"),
                "exclude": sorted(options.exclude),
                "preset": options.preset,
                "range": options.range,
            }
        return shaping

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Convert the exported network, and quantise it where int8 is asked for."""
        import openvino

        onnx_model = load(source.onnx())
        kept = excluded(onnx_model, source.network.name, self.options.exclude)
        try:
            model = openvino.Core().read_model(BytesIO(onnx_model.SerializeToString()))
            if self.calibrates:
                model = self._quantise(model, kept, need_calls(calibration, source.network))
            openvino.save_model(model, out / MODEL, compress_to_fp16=self.options.precision == "fp16")
        except RuntimeError as error:
            raise cannot_compile("OpenVINO", installed_version("openvino"), source.network, error) from error

    def _quantise(self, model: Any, kept: list[str], calls: Sequence[Tensors]) -> Any:
        """Let NNCF put 8-bit ranges, drawn from recorded calls, around the layers."""
        nncf = _nncf()
        options = self.options
        parameters = nncf.quantization.range_estimator.RangeEstimatorParametersSet
        estimator = getattr(parameters, RANGES[options.range])
        advanced = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=estimator, weights_range_estimator_params=parameters.MINMAX
        )
        named = [operation.get_friendly_name() for operation in model.get_ops()]
        ignored = [name for name in named for node in kept if name == node or name.startswith(f"{node}/")]
        with redirect_stdout(StringIO()):  # its progress bars
            return nncf.quantize(
                model,
                nncf.Dataset(calls, dict),
                preset=nncf.QuantizationPreset(options.preset),
                subset_size=len(calls),
                ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
                advanced_parameters=advanced,
            )

    def open(self, artifact: Artifact) -> Session:
        """Compile the graph for the device."""
        from faceport_openvino.session import OpenVinoSession

        session = OpenVinoSession(artifact, self.options)
        return FixedBatch(session, self.options.fixed_batch) if self.options.fixed_batch else session


RANGES = {
    "mean_minmax": "MEAN_MINMAX",
    "minmax": "MINMAX",
    "quantile": "MEAN_QUANTILE",
    "histogram": "HISTOGRAM",
}


def keep_nncf_to_itself() -> None:
    """Throw NNCF's own switch for its reports to its makers; before it is imported."""
    os.environ.setdefault("NNCF_CI", "1")


def _nncf() -> Any:
    """Import NNCF without its progress reports, and without its reports to its makers."""
    keep_nncf_to_itself()
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
