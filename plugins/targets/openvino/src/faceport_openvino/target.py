"""OpenVINO: its own graph format is the artifact, int8 comes from NNCF. https://docs.openvino.ai"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Session, Source, Target
from faceport.graph.names import excluded, load
from faceport.targets.machine import installed_version, not_importable
from faceport.targets.saturation import settle
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.types import Tensors
from faceport_openvino.options import MODEL, OpenVinoOptions


class OpenVino(Target):
    """Run networks with OpenVINO."""

    Options = OpenVinoOptions
    options: OpenVinoOptions

    def missing(self) -> str:
        """Say what to install."""
        extra = "int8" if self.calibrates else "cpu"
        cure = f"pip install 'faceport-openvino[{extra}]'"
        turn_off_telemetry()
        return not_importable(cure, "openvino", *(["nncf"] if self.calibrates else []))

    @property
    def batch(self) -> int | None:
        """Fix the batch where that is asked for, and on an NPU, which takes no free one."""
        return self.options.batch or (1 if self.options.device.upper().startswith("NPU") else None)

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        own: dict[str, Any] = {"openvino": installed_version("openvino"), "device": self.options.device}
        if self.calibrates:
            own |= {"nncf": installed_version("nncf"), "preset": self.options.preset}
            own["reduce_range"] = self._reduces()
        return {**super().recipe(), **own}

    def _reduces(self) -> bool:
        """Settle whether weights get 7 bits: where this processor runs them, and would cut off sums of 8."""
        from faceport_openvino.sums import saturates

        asks = self.options.on_processor and not self.missing()
        return settle(self.options.reduce_range, lambda: asks and saturates())

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
        seven_bits = nncf.OverflowFix.ENABLE if self._reduces() else nncf.OverflowFix.DISABLE
        advanced = nncf.AdvancedQuantizationParameters(
            overflow_fix=seven_bits,
            activations_range_estimator_params=estimator,
            weights_range_estimator_params=parameters.MINMAX,
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

        return OpenVinoSession(artifact, self.options)


RANGES = {
    "mean_minmax": "MEAN_MINMAX",
    "minmax": "MINMAX",
    "quantile": "MEAN_QUANTILE",
    "histogram": "HISTOGRAM",
}


def turn_off_telemetry() -> None:
    """Turn off NNCF's telemetry; it looks at this variable when it is imported."""
    os.environ.setdefault("NNCF_CI", "1")


def _nncf() -> Any:
    """Import NNCF without its progress reports, and without its telemetry."""
    turn_off_telemetry()
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf
