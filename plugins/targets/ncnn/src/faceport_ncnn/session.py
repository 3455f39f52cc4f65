"""Networks of ncnn: one for any size, or one for each size that was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceport.api import Artifact, Session
from faceport.runtimes import cannot_open, cannot_run, refuse_fallback, share_cores
from faceport.shapes import Item, describe, item_shape, mismatch, not_compiled
from faceport.types import Array, Tensors
from faceport_ncnn.target import INDEX, PARAM, WEIGHTS

if TYPE_CHECKING:
    from faceport_ncnn.target import NcnnOptions


class NcnnSession(Session):
    """Nets that may be run from several threads, each run with an extractor of its own."""

    def __init__(self, artifact: Artifact, options: NcnnOptions) -> None:
        import ncnn

        self._ncnn, self._network = ncnn, artifact.network
        self._version = ncnn.__version__
        threads, self.streams = share_cores(options.threads, options.streams)
        vulkan = options.device == "vulkan" and ncnn.get_gpu_count() > 0
        self._nets: dict[Item, Any] = {}
        self._free: Any = None
        self._smallest: dict[str, list[int]] = {}
        try:
            index = json.loads((artifact.path / INDEX).read_text())
            if index["free"]:
                self._smallest = index["smallest"]
                self._free = self._load(artifact.path / "free", options, threads, vulkan)
            for entry in index.get("sizes", ()):
                item = tuple(sorted((name, tuple(shape)) for name, shape in entry["inputs"].items()))
                self._nets[item] = self._load(artifact.path / entry["folder"], options, threads, vulkan)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise cannot_open("ncnn", self._version, artifact, error) from error
        arithmetic = vulkan or ncnn.cpu_support_arm_asimdhp()  # elsewhere 16 bits are storage only
        precision = "fp16" if options.precision == "fp16" and arithmetic else "fp32"
        self._facts = {
            "runtime": "ncnn",
            "version": self._version,
            "device": "VULKAN" if vulkan else "CPU",
            "precision": precision,
            "sizes": "any" if self._free else ", ".join(sorted(map(str, map(_plain, self._nets)))),
        }
        device = self._facts["device"].lower()
        refuse_fallback("ncnn", "device", options.device, device, options.allow_fallback)
        refuse_fallback("ncnn", "precision", options.precision, precision, options.allow_fallback)

    def _load(self, folder: Path, options: NcnnOptions, threads: int, vulkan: bool) -> Any:
        net, half = self._ncnn.Net(), options.precision == "fp16"
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = vulkan
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = half
        for file, read in ((PARAM, net.load_param), (WEIGHTS, net.load_model)):
            if not (folder / file).is_file() or read(str(folder / file)):
                raise RuntimeError(f"{folder.name}/{file} is damaged")
        return net

    @property
    def facts(self) -> Mapping[str, str]:
        """Report device, precision and the sizes that can be run."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run the rows of a batch one after the other."""
        wrong = mismatch(self._network, inputs) or self._too_small(inputs)  # ncnn itself would crash
        item = item_shape(inputs)
        net = self._nets.get(item, self._free)
        if wrong or net is None:
            why = wrong or not_compiled(item, self._nets)
            raise cannot_run("ncnn", self._network, inputs, why)
        ordered = [np.ascontiguousarray(inputs[spec.name]) for spec in self._network.inputs]
        rows = [self._run_row(net, row, inputs) for row in zip(*ordered, strict=True)]
        names = [spec.name for spec in self._network.outputs]
        return {name: np.stack(parts) for name, parts in zip(names, zip(*rows, strict=True), strict=True)}

    def _run_row(self, net: Any, row: tuple[Array, ...], inputs: Tensors) -> list[Array]:
        found = []
        with net.create_extractor() as extractor:
            for number, value in enumerate(row):
                extractor.input(f"in{number}", self._ncnn.Mat(value))
            for number in range(len(self._network.outputs)):
                code, output = extractor.extract(f"out{number}")
                if code:
                    raise cannot_run("ncnn", self._network, inputs, f"out{number} fails with code {code}")
                found.append(np.array(output))
        return found

    def _too_small(self, inputs: Tensors) -> str:
        for name, least in self._smallest.items():
            shape = inputs[name].shape[1:]
            if any(size < bound for size, bound in zip(shape, least, strict=True)):
                return f"'{name}' must be at least {describe(least)}, it is {describe(shape)}"
        return ""


def _plain(item: Item) -> str:
    return " and ".join(describe(shape) for _, shape in item)
