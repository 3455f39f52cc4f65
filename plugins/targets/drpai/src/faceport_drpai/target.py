"""Renesas DRP-AI: DRP-AI TVM compiles ONNX on a PC for one chip, a program on the board runs files."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import cv2
import onnx

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.files import expand
from faceport.graph.names import load
from faceport.graph.normalise import Normalisation
from faceport.graph.sizes import fix_sizes
from faceport.targets.reach import LOCAL, carrier_of, lacking_ssh
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_drpai.about import About
from faceport_drpai.chips import CHIPS
from faceport_drpai.cures import COMPILE, RUN
from faceport_drpai.options import MADE, ONNX, PICTURES, PIXELS, RUNTIME, SCRIPT, DrpaiOptions
from faceport_drpai.scripts import BOARD, PROGRAM, compile_script, pixels

ORIGIN = (
    "DRP-AI TVM (github.com/renesas-rz/rzv_drp-ai_tvm), Renesas' DRP-AI Translator and the SDK of the board"
)


class Drpai(Target):
    """Run networks on Renesas RZ/V boards."""

    Options = DrpaiOptions
    options: DrpaiOptions
    capabilities: ClassVar[frozenset[str]] = frozenset()
    soundest = "fp16"

    @property
    def calibrates(self) -> bool:
        """Tell whether the quantiser wants pictures."""
        return self.options.precision == "int8"

    def missing(self) -> str:
        """Say what is not here; compiler and board are two machines, and only the board is needed to open."""
        options = self.options
        if options.reach != LOCAL:
            return lacking_ssh(options.reach)
        if options.mode == "accelerator" and Path(options.driver).exists():
            return ""
        if options.mode == "cpu" and (platform.machine() == "aarch64" or self._has_tvm()):
            return ""
        lacking = "" if self._has_tvm() else f"; {ORIGIN}, which compile, are not here either"
        same = " (target=tvm runs the same on the cores of this machine)" if options.mode == "cpu" else ""
        return (
            f"this machine is no RZ/V board, it has no {options.driver}{lacking}: let the board run, with "
            f"target.reach=exchange or ssh://board, and target.dry_run=true to compile elsewhere too{same}"
        )

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact."""
        elsewhere = {"reach", "folder", "driver", "threads", "frequency", "limit", "tolerance"}
        if self.options.release == 2:  # which is told its address when it loads
            elsewhere.add("address")
        shaping = {name: value for name, value in asdict(self.options).items() if name not in elsewhere}
        return {**super().recipe(), **shaping}

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write the graph and the script that compiles it, and run that, here or later."""
        options, network = self.options, source.network
        if not options.product:
            raise ConfigError(
                f"target.product is needed to compile, the chip of your board: {', '.join(CHIPS)}"
            )
        options.check_chip()
        if len(network.inputs) != 1:
            raise ConfigError(
                f"drpai: network '{network.name}' has {len(network.inputs)} inputs, DRP-AI TVM's scripts "
                "compile networks of one"
            )
        [spec] = network.inputs
        shape = (1, *(int(size) for size in spec.shape[1:]))
        model = fix_sizes(load(source.onnx()), {spec.name: shape})
        About(
            options.product,
            options.release,
            options.mode,
            options.precision,
            hex(options.baked),
            [output.name for output in model.graph.output],
            [[size.dim_value for size in one.type.tensor_type.shape.dim] for one in model.graph.output],
        ).write(out)
        script = compile_script(options, spec.name, shape)
        if options.dry_run:
            self._prepare(out, model, script, calibration, network)
            self._tool(print).run(["sh", SCRIPT], folder=out)
            return
        if not self._has_tvm():
            raise MissingError(
                f"TVM_ROOT names no DRP-AI TVM: {ORIGIN} are needed to compile. Name what exports it in "
                "target.compile_script, or write everything down with target.dry_run=true"
            )
        with TemporaryDirectory() as place:
            folder = Path(place)
            self._prepare(folder, model, script, calibration, network)
            try:
                self._tool().run(["sh", SCRIPT], folder=folder)
                if not (folder / MADE / "model").is_dir():
                    raise ToolError(f"{SCRIPT} ended without making {MADE}/model")
            except ToolError as error:
                raise cannot_compile(RUNTIME, f"TVM {options.release}", network, error) from error
            shutil.copytree(folder / MADE, out / MADE)
        if options.runner == "mera":
            shutil.copyfile(Path(__file__).with_name(BOARD), out / BOARD)

    def _prepare(
        self,
        folder: Path,
        model: onnx.ModelProto,
        script: str,
        calibration: Iterable[Tensors],
        network: Network,
    ) -> None:
        """Write all that the machine with the compiler needs."""
        onnx.save(model, folder / ONNX)
        (folder / SCRIPT).write_text(script)
        own = BOARD if self.options.runner == "mera" else PROGRAM
        shutil.copyfile(Path(__file__).with_name(own), folder / own)
        if not self.calibrates:
            return
        calls = need_calls(calibration, network)
        normalisation = _normalisation(network)
        (folder / PIXELS).write_text(pixels(normalisation))
        (folder / PICTURES).mkdir()
        rows = (row for call in calls for value in call.values() for row in normalisation.pixels(value))
        for number, row in enumerate(islice(rows, self.options.pictures)):
            path = folder / PICTURES / f"{number:05}.png"
            if not cv2.imwrite(str(path), row if normalisation.colour == "BGR" else row[..., ::-1]):
                raise FaceportError(f"{path} cannot be written")

    def _tool(self, dry_run: Any = None) -> Tool:
        return Tool("DRP-AI TVM", self.options.limit, cures=COMPILE, dry_run=dry_run)

    def _has_tvm(self) -> bool:
        options = self.options
        script = options.compile_script
        return bool((script and Path(script).is_file()) or options.tvm_root or os.environ.get("TVM_ROOT"))

    def open(self, artifact: Artifact) -> Session:
        """Open the box of the network, which the board runs."""
        from faceport_drpai.session import Board

        options = self.options
        program = Tool("the runner", options.limit, cures=RUN)
        root = None if options.reach == LOCAL else expand(options.folder)
        return Board(artifact, options, root, carrier_of(options.reach, program))


def _normalisation(network: Network) -> Normalisation:
    """Read what was done to pixels; the quantiser reads pictures."""
    if network.preprocessing.get("layout") != "NCHW":
        raise ConfigError(
            f"drpai: network '{network.name}' takes no picture in NCHW, and int8 is calibrated on pictures"
        )
    try:
        return Normalisation.of(network.preprocessing)
    except FaceportError as error:
        raise ConfigError(f"drpai: network '{network.name}': {error}") from error
