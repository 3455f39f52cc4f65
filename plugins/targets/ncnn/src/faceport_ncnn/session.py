"""A network of ncnn, for any size or for one."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from faceport.api import Artifact, Session
from faceport.targets.machine import share_cores
from faceport.targets.precision import refuse_fallback
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.targets.sizes import describe
from faceport.types import Array, Tensors
from faceport_ncnn.options import PARAM, SMALLEST, WEIGHTS, NcnnOptions


class NcnnSession(Session):
    """A net that may be run from several threads, each run with an extractor of its own."""

    def __init__(self, artifact: Artifact, options: NcnnOptions) -> None:
        import ncnn

        self._ncnn, self._network, folder = ncnn, artifact.network, artifact.path
        threads, self.streams = share_cores(options.threads, options.streams)
        half = options.precision == "fp16"
        vulkan = options.device == "vulkan" and ncnn.get_gpu_count() > 0
        self._net = net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = vulkan
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = half
        try:
            for file, read in ((PARAM, net.load_param), (WEIGHTS, net.load_model)):
                if not (folder / file).is_file() or read(str(folder / file)):
                    raise ValueError(f"{file} is damaged")
            least = folder / SMALLEST
            self._smallest: dict[str, list[int]] = json.loads(least.read_text()) if least.is_file() else {}
        except (OSError, ValueError) as error:
            raise cannot_open("ncnn", ncnn.__version__, artifact, error) from error
        arithmetic = vulkan or ncnn.cpu_support_arm_asimdhp()  # elsewhere 16 bits are storage only
        device, precision = "vulkan" if vulkan else "cpu", "fp16" if half and arithmetic else "fp32"
        self._facts = {
            "runtime": "ncnn",
            "version": ncnn.__version__,
            "device": device.upper(),
            "precision": precision,
        }
        refuse_fallback("ncnn", "device", options.device, device, options.allow_fallback)
        refuse_fallback("ncnn", "precision", options.precision, precision, options.allow_fallback)

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the device, and the precision that it has arithmetic for."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run one row, which is all that ncnn takes at once."""
        self._refuse_small(inputs)
        row = [np.ascontiguousarray(inputs[spec.name][0]) for spec in self._network.inputs]
        outputs: dict[str, Array] = {}
        with self._net.create_extractor() as extractor:
            for number, value in enumerate(row):  # which must stay in memory: ncnn reads it where it lies
                extractor.input(f"in{number}", self._ncnn.Mat(value))
            for number, spec in enumerate(self._network.outputs):
                code, output = extractor.extract(f"out{number}")
                if code:
                    raise cannot_run("ncnn", self._network, inputs, f"out{number} fails with code {code}")
                outputs[spec.name] = np.array(output)[None]
        return outputs

    def _refuse_small(self, inputs: Tensors) -> None:
        """Refuse what would crash the process."""
        for name, least in self._smallest.items():
            shape = inputs[name].shape[1:]
            if any(size < bound for size, bound in zip(shape, least, strict=True)):
                why = f"'{name}' must be at least {describe(least)}, it is {describe(shape)}"
                raise cannot_run("ncnn", self._network, inputs, why)
