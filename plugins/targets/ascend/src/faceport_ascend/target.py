"""Huawei Ascend: atc compiles ONNX into an .om for one chip; ais_bench or msame runs it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import ConfigError, FreeSizesError, MissingError
from faceport.files import expand
from faceport.graph.names import load
from faceport.targets.reach import carrier_of, finds, in_environment, lacking_ssh
from faceport.targets.sentences import cannot_compile
from faceport.targets.sizes import has_free_sizes
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_ascend.about import About
from faceport_ascend.cures import COMPILE, RUN
from faceport_ascend.graph import out_nodes, plain_names, prepare
from faceport_ascend.options import AIPP, OM, ONNX, RUNTIME, SKELETON, AscendOptions
from faceport_ascend.ranges import is_static, ranges_of, shape_option, skeleton
from faceport_ascend.scripts import atc

ENVIRONMENT = (
    "source CANN's set_env.sh (from Huawei's Ascend toolkit or nnrt package), or set target.env_script"
)


class Ascend(Target):
    """Run networks on Ascend NPUs."""

    Options = AscendOptions
    options: AscendOptions
    capabilities = frozenset({"dynamic_batch", "some_dynamic_shapes"})

    @property
    def batch(self) -> int | None:
        """Name the batch of a static .om."""
        return self.options.batch or (1 if self.options.fixed_sizes else None)

    def missing(self) -> str:
        """Say what is not here; compiler and runtime are apart, and only the runtime is needed to open."""
        if self.options.reach != "local":
            return lacking_ssh(self.options.reach)
        if self._runner():
            return ""
        lacking = "" if self._has_atc() else "; atc, which compiles, is not here either"
        chosen = "ais_bench or msame" if self.options.runner == "auto" else self.options.runner
        return (
            f"{chosen} is needed to run here{lacking}: {ENVIRONMENT}. Or let another machine run: "
            "target.reach=exchange or ssh://host, target.dry_run=true to compile there too"
        )

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact."""
        options = self.options
        return {
            **super().recipe(),
            "toolkit": _toolkit(),
            **{
                name: getattr(options, name)
                for name in (
                    "soc_version",
                    "precision_mode",
                    "ranges",
                    "fixed_sizes",
                    "aipp",
                    "host_softmax",
                    "dry_run",
                )
            },
        }

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the graph as atc wants it, and let atc compile it, here or later."""
        options, network = self.options, source.network
        if not options.soc_version:
            raise ConfigError(
                "target.soc_version is needed to compile: 'Ascend' and the name that `npu-smi info` "
                "shows on the "
                "machine that runs, e.g. target.soc_version=Ascend310P3"
            )
        if options.fixed_sizes and has_free_sizes(network):
            raise FreeSizesError("target.fixed_sizes asks for one .om for each size")
        model = load(source.onnx())
        ranges = ranges_of(network, options.ranges)
        if options.aipp and not is_static(ranges):
            raise ConfigError("target.aipp takes static shapes only: target.fixed_sizes=true target.batch=1")
        plain_names(model)
        softmax = prepare(model, options.host_softmax)
        mean, std = _write_aipp(network, ranges, out) if options.aipp else ((), ())
        command = atc(shape_option(ranges), options, out_nodes(model))
        onnx.save(skeleton(model), out / SKELETON)
        names = [output.name for output in model.graph.output]
        About(options.soc_version, _toolkit(), command, ranges, names, softmax, mean, std).write(out)
        if options.dry_run:
            onnx.save(model, out / ONNX)
            self._atc(print).run(in_environment(command, options.env_script), folder=out)
            return
        if not self._has_atc():
            raise MissingError(
                f"atc is not on PATH: {ENVIRONMENT}, or write the command down with target.dry_run=true"
            )
        with TemporaryDirectory() as place:
            folder = Path(place)
            onnx.save(model, folder / ONNX)
            if options.aipp:
                shutil.copyfile(out / AIPP, folder / AIPP)
            try:
                self._atc().run(
                    in_environment(command, options.env_script), products=[folder / OM], folder=folder
                )
            except ToolError as error:
                raise cannot_compile(RUNTIME, _toolkit() or "atc", network, error) from error
            shutil.copyfile(folder / OM, out / OM)

    def _atc(self, dry_run: Any = None) -> Tool:
        return Tool("atc", self.options.limit, closing="ATC run success", cures=COMPILE, dry_run=dry_run)

    def _has_atc(self) -> bool:
        return finds("atc", [self.options.env_script])

    def _runner(self) -> str:
        """Choose what runs here; empty where there is nothing."""
        options, module = self.options, find_spec("ais_bench") is not None
        there = {
            "infer_session": module,
            "ais_bench": module or options.python != "python3",
            "msame": finds("msame", [options.env_script]),
        }
        if options.runner == "auto":
            return next((name for name, found in there.items() if found), "")
        return options.runner if there[options.runner] else ""

    def open(self, artifact: Artifact) -> Session:
        """Open the network here, or the box that is carried."""
        from faceport_ascend.session import Files, InferSession

        options = self.options
        runner = (options.reach == "local" and self._runner()) or options.runner
        compiled = (artifact.path / OM).is_file()
        if options.reach == "local" and runner == "infer_session" and compiled:
            return InferSession(artifact, options)
        tool = "msame" if runner == "msame" else "ais_bench"
        program = Tool(tool, options.limit, cures={**RUN, **({} if compiled else COMPILE)})
        carrier = carrier_of(options.reach, program)
        root = None if options.reach == "local" else expand(options.folder)
        return Files(artifact, options, tool, root, carrier)


def _toolkit() -> str:
    """Read the version of CANN out of the folder that its environment names."""
    home = os.environ.get("ASCEND_TOOLKIT_HOME", "")
    name = Path(home).resolve().name if home else ""
    return name if re.match(r"\d", name) else ""


def _write_aipp(
    network: Network, ranges: Mapping[str, list[tuple[int, int]]], out: Path
) -> tuple[list[float], list[float]]:
    """Write AIPP's configuration: bytes in NHWC, in the order of channels that the network has."""
    given = network.preprocessing
    mean, std = list(map(float, given.get("mean", ()))), list(map(float, given.get("std", ())))
    [axes] = ranges.values() if len(ranges) == 1 else [[]]
    if (
        len(axes) != 4
        or axes[1] != (3, 3)
        or len(mean) != 3
        or len(std) != 3
        or given.get("layout") != "NCHW"
    ):
        raise ConfigError(
            f"target.aipp: network '{network.name}' does not take pictures with a mean and a deviation"
        )
    if any(not value.is_integer() for value in mean):
        raise ConfigError(
            f"target.aipp: the means of network '{network.name}' are {mean}, AIPP is known to take "
            f"whole numbers only: "
            "use target.aipp=false"
        )
    lines = ["aipp_mode: static", "input_format: RGB888_U8"]
    lines += [f"src_image_size_w: {axes[3][0]}", f"src_image_size_h: {axes[2][0]}"]
    lines += [f"mean_chn_{channel}: {value:g}" for channel, value in enumerate(mean)]
    lines += [f"var_reci_chn_{channel}: {1 / value:.9g}" for channel, value in enumerate(std)]
    (out / AIPP).write_text("aipp_op {\n" + "".join(f"    {line}\n" for line in lines) + "}\n")
    return mean, std
