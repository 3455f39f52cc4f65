"""An inference session of ONNX Runtime, and what it says of itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from onnx import TensorProto

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.targets.machine import share_cores, silence
from faceport.targets.precision import int8_layers, main_precision, refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.types import Tensors
from faceport_onnxruntime.options import MODEL, PROVIDERS, OnnxRuntimeOptions
from faceport_onnxruntime.sums import EXACT, sums_of

LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
FLOAT_LAYERS = ("Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul")
INT8_LAYERS = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
    "MatMulIntegerToFloat",
)
TYPES = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
UNASKED = ["WeightBiasQuantization"]  # it would round layers that are to stay in float
COMPILING = ("tensorrt", "openvino", "coreml", "cann", "directml")  # nodes vanish into their own formats


class OnnxRuntimeSession(Session):
    """One inference session; it may be run from several threads."""

    def __init__(self, artifact: Artifact, options: OnnxRuntimeOptions) -> None:
        import onnxruntime as ort

        self._network, self._version = artifact.network, ort.__version__
        providers = available(ort.get_available_providers(), options)
        threads, self.streams = share_cores(options.threads, options.streams)
        config = ort.SessionOptions()
        config.intra_op_num_threads = threads
        config.inter_op_num_threads = 1
        config.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[options.graph])
        config.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.spinning)))
        config.log_severity_level = 4  # errors come as exceptions, and are not printed too
        self._sums = None
        with TemporaryDirectory() as folder:
            optimised = Path(folder, MODEL)
            readable = options.precision != "fp32" and not set(options.providers) & set(COMPILING)
            if readable:
                config.optimized_model_filepath = str(optimised)
            try:
                path = str(artifact.path / MODEL)
                if options.on_processor:
                    self._sums = sums_of(artifact.path / MODEL)
                    config.add_session_config_entry(EXACT, str(int(not self._sums.exact)))
                with nullcontext([""]) if options.cpu_only else silence() as said:
                    self._session = ort.InferenceSession(
                        path, config, providers=providers, disabled_optimizers=UNASKED
                    )
                self._layers = count_precisions(onnx.load(optimised)) if readable else Counter()
            except Exception as error:  # onnxruntime's own classes differ between versions
                raise cannot_open("ONNX Runtime", self._version, artifact, error) from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._facts = self._read(options)
        running = self._session.get_providers()
        for name in options.providers:
            found = name if PROVIDERS[name].name in running else self._facts["device"].lower()
            why = "" if found == name else why_not(name, said[0])
            refuse_fallback("ONNX Runtime", "provider", name, found, options.allow_fallback, why)
        precision = self._facts["precision"]
        refuse_fallback("ONNX Runtime", "precision", options.precision, precision, options.allow_fallback)

    def _read(self, options: OnnxRuntimeOptions) -> dict[str, str]:
        """Ask for the providers that the session really has, and what its graph became."""
        short = {provider.name: name for name, provider in PROVIDERS.items()}
        running = [short.get(name, name) for name in self._session.get_providers()]
        return {
            "runtime": "onnxruntime",
            "version": self._version,
            "device": ", ".join(running).upper(),
            "precision": main_precision(self._layers) if self._layers else options.precision,
            **int8_layers(self._layers),
            **(self._sums.facts(options.reduce_range, "slower kernels run it") if self._sums else {}),
        }

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the providers of the session and the precision of its layers."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        try:
            outputs: list[Any] = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # onnxruntime's own classes differ between versions
            raise cannot_run("ONNX Runtime", self._network, inputs, error) from error
        return dict(zip(self._outputs, outputs, strict=True))


def why_not(provider: str, said: str) -> str:
    """Pick from what ONNX Runtime printed why a provider was not taken."""
    name = PROVIDERS[provider].name.removesuffix("ExecutionProvider").lower()
    lines = [line for line in said.splitlines() if name in line.lower()]
    found = re.search(r"with error: (.+)|(Require .+?)\. ", "\n".join(lines))
    return next(filter(None, found.groups()), "") if found else ""


def available(present: list[str], options: OnnxRuntimeOptions) -> list[tuple[str, dict[str, Any]]]:
    """List the providers to ask for, with their options; refuse those that this build does not have."""
    chosen: list[tuple[str, dict[str, Any]]] = []
    for name in options.providers:
        provider = PROVIDERS[name]
        if provider.name in present:
            chosen.append((provider.name, dict(options.provider_options.get(name) or {})))
        elif not options.allow_fallback:
            have = [short for short, one in PROVIDERS.items() if one.name in present]
            raise FaceportError(
                f"this build of ONNX Runtime has no provider '{name}' (it has {', '.join(have)}): "
                f"uninstall its package, then pip install '{provider.package}'"
            )
    if options.precision == "fp32":
        for name, given in chosen:
            if name == PROVIDERS["cuda"].name:
                given.setdefault("use_tf32", "0")  # else fp32 is computed with 10 bits of mantissa
    return chosen or [(PROVIDERS["cpu"].name, {})]


def count_precisions(optimised: onnx.ModelProto) -> Counter[str]:
    """Count the precisions in which the optimised graph computes its layers."""
    types = {tensor.name: tensor.data_type for tensor in optimised.graph.initializer}
    for node in optimised.graph.node:
        if node.op_type == "Cast":
            types[node.output[0]] = next(a.i for a in node.attribute if a.name == "to")
    counts: Counter[str] = Counter()
    for node in optimised.graph.node:
        if node.op_type in INT8_LAYERS:
            counts["int8"] += 1
        elif node.op_type in FLOAT_LAYERS:
            counts[TYPES.get(types.get(node.input[1], TensorProto.FLOAT), "fp32")] += 1
    return counts
