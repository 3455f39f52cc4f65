"""A compiled network of OpenVINO and its infer requests, which run side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import Any

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.files import cache_dir
from faceport.targets.machine import installed_version, share_cores
from faceport.targets.precision import PRECISIONS, int8_layers, main_precision, refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.types import Tensors
from faceport_openvino.options import MODEL, OpenVinoOptions
from faceport_openvino.sums import sums_of

VIRTUAL = ("AUTO", "MULTI", "HETERO", "BATCH")  # devices that are made of others
LAYERS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "Gemm")  # where the work is
CUT_OFF = "its outputs are less exact than they could be"
HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}  # int8: of what stays in float


class OpenVinoSession(Session):
    """Infer requests of one compiled network; as many threads as there are requests may call."""

    def __init__(self, artifact: Artifact, options: OpenVinoOptions) -> None:
        import openvino

        self._network = artifact.network
        self._version = installed_version("openvino")
        core = openvino.Core()
        device = usable_device(core.available_devices, options.device, options.allow_fallback)
        try:
            model = core.read_model(artifact.path / MODEL)
            self._compiled = core.compile_model(model, device, settings(options, device))
        except RuntimeError as error:
            raise cannot_open("OpenVINO", self._version, artifact, error) from error
        self._sums = sums_of(model).facts(options.reduce_range, CUT_OFF) if options.on_processor else {}
        self.streams = int(self._get("OPTIMAL_NUMBER_OF_INFER_REQUESTS", 1))
        self._requests: LifoQueue[Any] = LifoQueue()
        for _ in range(self.streams):
            self._requests.put(self._compiled.create_infer_request())
        self._outputs = [spec.name for spec in artifact.network.outputs]
        self._layers = self._count_precisions()
        precision = self.facts["precision"]
        refuse_fallback("OpenVINO", "precision", options.precision, precision, options.allow_fallback)

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the devices that execute and the precision that their layers were compiled to."""
        asked = str(self._get("INFERENCE_PRECISION_HINT", "f32"))
        hinted = PRECISIONS.get(asked.removeprefix("<Type: '").removesuffix("'>"), asked)
        return {
            "runtime": "openvino",
            "version": self._version,
            "device": ", ".join(self._get("EXECUTION_DEVICES", ["unknown"])),
            "precision": main_precision(self._layers) if self._layers else hinted,
            **int8_layers(self._layers),
            **self._sums,
        }

    def _get(self, name: str, default: Any) -> Any:
        try:
            return self._compiled.get_property(name)
        except RuntimeError:  # not every device has every property
            return default

    def _count_precisions(self) -> Counter[str]:
        """Count the precisions of the layers that were compiled; empty on devices that do not tell."""
        counts: Counter[str] = Counter()
        try:
            operations = self._compiled.get_runtime_model().get_ordered_ops()
        except RuntimeError:
            return counts
        for operation in operations:
            told = operation.get_rt_info()
            if "layerType" in told and told["layerType"].astype(str) in LAYERS:
                precision = told["runtimePrecision"].astype(str)
                counts[PRECISIONS.get(precision, precision)] += 1
        return counts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch on a free request."""
        return self.run_many([inputs])[0]

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        """Start batches on all requests that are free, and collect them in their order."""
        found: list[Tensors] = []
        while len(found) < len(batches):
            requests = self._take(len(batches) - len(found))
            pairs = list(zip(requests, batches[len(found) :], strict=False))
            try:
                for request, inputs in pairs:
                    request.start_async(dict(inputs), share_inputs=True)
                for request, _ in pairs:
                    request.wait()
                    found.append({name: request.get_tensor(name).data.copy() for name in self._outputs})
            except RuntimeError as error:
                raise cannot_run("OpenVINO", self._network, inputs, error) from error
            finally:
                for request in requests:
                    request.cancel()
                    self._requests.put(request)
        return found

    def _take(self, most: int) -> list[Any]:
        """Wait for one free request, and take others that are free too."""
        requests = [self._requests.get()]
        with suppress(Empty):
            while len(requests) < most:
                requests.append(self._requests.get_nowait())
        return requests


def usable_device(present: Sequence[str], asked: str, allow_fallback: bool) -> str:
    """Check that the machine has the device; the CPU stands in where that is allowed."""
    parts = asked.upper().partition(":")
    if parts[0].partition(".")[0] in VIRTUAL:
        return asked.upper()
    if any(asked.upper() in (name, name.partition(".")[0]) for name in present):
        return asked.upper()
    if allow_fallback:
        return "CPU"
    raise FaceportError(
        f"OpenVINO finds no device '{asked}' on this machine; it finds {', '.join(present) or 'none'}. "
        "GPU and NPU need Intel's drivers; target.allow_fallback=true runs on the CPU instead"
    )


def settings(options: OpenVinoOptions, device: str) -> dict[str, Any]:
    """Write the options as OpenVINO's properties."""
    chosen: dict[str, Any] = {
        "PERFORMANCE_HINT": options.hint.upper(),
        "INFERENCE_PRECISION_HINT": HINTS[options.precision],  # else a CPU with bf16 uses it unasked
    }
    if options.streams:
        chosen["NUM_STREAMS"] = options.streams
    if device != "CPU":
        return chosen | {"CACHE_DIR": str(cache_dir() / "openvino")}  # compiling for them takes long
    one = options.hint == "latency"
    threads = options.threads if options.threads is not None else 0 if one else 1
    threads, streams = share_cores(threads, options.streams or (1 if one else None))
    return chosen | {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads * streams}
