"""Sessions of MNN, one for each run at the same time: they are not safe to share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from queue import LifoQueue
from typing import Any

import numpy as np

from faceport.api import Artifact, Session
from faceport.targets.machine import share_cores, silence
from faceport.targets.precision import int8_layers, refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.targets.sizes import mismatch
from faceport.types import Array, Tensors
from faceport_mnn.options import MODEL, MnnOptions

BACKENDS = {0: "cpu", 13: "cpu", 1: "metal", 2: "cuda", 3: "opencl", 7: "vulkan"}  # by MNN's numbers
BACKEND_IN_USE = 2  # numbers that MNN's interface has no names for
WINOGRAD_LEVEL = 3
LAYERS = ("Convolution", "ConvolutionDepthwise", "Deconvolution", "MatMul")
INT8 = "[ DT_INT8 ]"  # what the runtime writes behind the operator of a layer that runs in 8 bits


class MnnSession(Session):
    """As many sessions as there are streams, each used by one thread at a time."""

    def __init__(self, artifact: Artifact, options: MnnOptions) -> None:
        with silence():
            import MNN

            self._network, self._version = artifact.network, MNN.version()
            threads, self.streams = share_cores(options.threads, options.streams)
            path = str(artifact.path / MODEL)
            try:
                made = [_Run(MNN, path, options, threads) for _ in range(self.streams)]
                self._facts = self._read(MNN, path, options, made[0])
            except Exception as error:  # MNN raises no class of its own
                raise cannot_open("MNN", self._version, artifact, error) from error
        self._free: LifoQueue[_Run] = LifoQueue()
        for run in made:
            self._free.put(run)
        for what, asked in (("backend", options.backend), ("precision", options.precision)):
            found = self._facts["device" if what == "backend" else what].lower()
            refuse_fallback("MNN", what, asked, found, options.allow_fallback)

    def _read(self, MNN: Any, path: str, options: MnnOptions, run: _Run) -> dict[str, str]:  # noqa: N803
        """Find out what runs: the backend is told, the precision shows in layers and in results."""
        inputs = self._network.example_inputs()
        layers = run.layers(inputs)
        precision = "int8" if layers["int8"] else "fp32"
        if options.precision == "fp16":
            exact = _Run(MNN, path, options, 1, precision="high")
            same = all((run(inputs)[name] == value).all() for name, value in exact(inputs).items())
            precision = "fp32" if same else "fp16"  # asked for less precision and got the same bits
        return {
            "runtime": "mnn",
            "version": self._version,
            "device": BACKENDS.get(run.backend, str(run.backend)).upper(),
            "precision": precision,
            **int8_layers(layers),
        }

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the backend that MNN chose and the precision that its layers have."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch on a free session."""
        wrong = mismatch(self._network, inputs)  # MNN would not check
        if wrong:
            raise cannot_run("MNN", self._network, inputs, wrong)
        run = self._free.get()
        try:
            return run(inputs)
        except RuntimeError as error:
            raise cannot_run("MNN", self._network, inputs, error) from error
        finally:
            self._free.put(run)


class _Run:
    """One session; its tensors have the size of the last call."""

    def __init__(self, MNN: Any, path: str, options: MnnOptions, threads: int, precision: str = "") -> None:  # noqa: N803
        self._mnn = MNN
        self._interpreter = MNN.Interpreter(path)
        self._interpreter.setSessionHint(WINOGRAD_LEVEL, options.tiles)
        level = precision or {"fp16": "low"}.get(options.precision, "high")
        config = {"backend": options.backend.upper(), "numThread": threads, "precision": level}
        self._session = self._interpreter.createSession(config)
        self.backend = int(self._interpreter.getSessionInfo(self._session, BACKEND_IN_USE))
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __call__(self, inputs: Tensors) -> dict[str, Array]:
        self._fill(inputs)
        code = self._interpreter.runSession(self._session)
        outputs = self._interpreter.getSessionOutputAll(self._session)
        if code or not all(all(tensor.getShape()) for tensor in outputs.values()):
            sizes = ", ".join("x".join(map(str, value.shape)) for value in inputs.values())
            raise RuntimeError(f"it gives nothing for inputs of {sizes}")
        return {name: self._fetched(tensor) for name, tensor in outputs.items()}

    def layers(self, inputs: Tensors) -> Counter[str]:
        """Count the layers of a run by their precision."""
        counts: Counter[str] = Counter()

        def before(tensors: Any, info: Any) -> bool:
            operator = info.getType()
            if operator.split(" ")[0] in LAYERS:
                counts["int8" if INT8 in operator else "float"] += 1
            return True

        self._fill(inputs)
        self._interpreter.runSessionWithCallBackInfo(self._session, before, lambda tensors, info: True)
        return counts

    def _fill(self, inputs: Tensors) -> None:
        tensors = {name: self._interpreter.getSessionInput(self._session, name) for name in inputs}
        shapes = {name: value.shape for name, value in inputs.items()}
        if shapes != self._shapes:
            for name, tensor in tensors.items():
                self._interpreter.resizeTensor(tensor, shapes[name])
            self._interpreter.resizeSession(self._session)
            self._shapes = shapes
        for name, tensor in tensors.items():
            tensor.copyFrom(self._host(np.ascontiguousarray(inputs[name])))

    def _host(self, value: Array) -> Any:
        kinds = {"float32": self._mnn.Halide_Type_Float, "int32": self._mnn.Halide_Type_Int}
        kind = kinds[value.dtype.name]
        return self._mnn.Tensor(value.shape, kind, value, self._mnn.Tensor_DimensionType_Caffe)

    def _fetched(self, tensor: Any) -> Array:
        host = self._host(np.empty(tensor.getShape(), np.float32))
        tensor.copyToHostTensor(host)
        return np.array(host.getNumpyData())
