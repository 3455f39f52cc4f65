"""Vastai: vamc compiles ONNX for a card, vamp runs it over files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import cv2
import onnx
import yaml

from faceport.api import Artifact, Network, Session, Source, Target
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.files import expand
from faceport.graph.names import load
from faceport.graph.normalise import Normalisation
from faceport.graph.sizes import fix_sizes
from faceport.targets.reach import LOCAL, carrier_of, finds, in_environment, lacking_ssh
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.targets.tool import Tool, ToolError
from faceport.types import Tensors
from faceport_vastai.about import About, to_rgb
from faceport_vastai.configs import vamc_config, vdsp_params
from faceport_vastai.cures import COMPILE, RUN
from faceport_vastai.options import (
    CONFIG,
    ONNX,
    PARTS,
    PICTURES,
    PREFIX,
    RUNTIME,
    SUITE,
    VDSP,
    VastaiOptions,
)

VERSION = Path("/opt/vastai/vaststream/version.txt")
ORIGIN = "it comes with Vastai's SDK, from Vastai itself ('vastai' on PyPI is something else)"


class Vastai(Target):
    """Run networks on Vastai cards."""

    Options = VastaiOptions
    options: VastaiOptions
    capabilities: ClassVar[frozenset[str]] = frozenset()
    soundest = "fp16"

    @property
    def calibrates(self) -> bool:
        """Tell whether vamc wants pictures."""
        return self.options.precision == "int8"

    def missing(self) -> str:
        """Say what is not here; compiler and runtime are apart, and only the runtime is needed to open."""
        if self.options.reach != LOCAL:
            return lacking_ssh(self.options.reach)
        if finds("vamp", self.options.run_scripts):
            return ""
        lacking = "" if self._has_vamc() else "; vamc, which compiles, is not here either"
        return (
            f"vamp is needed to run here{lacking}: {ORIGIN}. Name its activate.sh in target.run_scripts, or "
            "let another machine run: target.reach=exchange or ssh://host, target.dry_run=true to compile "
            "there too"
        )

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact."""
        elsewhere = {"reach", "folder", "device", "instances", "limit", "tolerance", "run_scripts"}
        shaping = {name: value for name, value in asdict(self.options).items() if name not in elsewhere}
        return {**super().recipe(), "toolkit": _toolkit(), **shaping}

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Write what vamc reads, and let it compile, here or later."""
        options, network = self.options, source.network
        normalisation = _normalisation(network)
        [spec] = network.inputs
        shape = (1, *(int(size) for size in spec.shape[1:]))
        model = fix_sizes(load(source.onnx()), {spec.name: shape})
        name = f"{network.name}_{options.precision}"
        config = vamc_config(name, spec.name, shape, normalisation, options)
        letterbox = "padding" in network.preprocessing
        (out / VDSP).write_text(json.dumps(vdsp_params(shape, normalisation, letterbox), indent=4))
        (out / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
        about = About(
            name,
            _toolkit(),
            options.precision,
            normalisation.mean,
            normalisation.deviation,
            normalisation.colour,
            [output.name for output in model.graph.output],
            [[size.dim_value for size in one.type.tensor_type.shape.dim] for one in model.graph.output],
        )
        about.write(out)
        if options.dry_run:
            self._prepare(out, model, normalisation, calibration, network)
            self._vamc(print).run(self._command(), folder=out)
            return
        if not self._has_vamc():
            raise MissingError(
                f"vamc is not on PATH: {ORIGIN}. Name what activates its environment in "
                "target.compile_script, or write everything down with target.dry_run=true"
            )
        with TemporaryDirectory() as place:
            folder = Path(place)
            shutil.copyfile(out / CONFIG, folder / CONFIG)
            self._prepare(folder, model, normalisation, calibration, network)
            try:
                self._vamc().run(self._command(), folder=folder)
                made = suite(folder / "deploy_weights" / name)
            except ToolError as error:
                raise cannot_compile(RUNTIME, _toolkit() or "vamc", network, error) from error
            (out / SUITE).mkdir()
            for path in made:
                shutil.copyfile(path, out / SUITE / path.name)

    def _prepare(
        self,
        folder: Path,
        model: onnx.ModelProto,
        normalisation: Normalisation,
        calibration: Iterable[Tensors],
        network: Network,
    ) -> None:
        """Write the graph, and the pictures of recorded calls."""
        onnx.save(model, folder / ONNX)
        if not self.calibrates:
            return
        calls = need_calls(calibration, network)
        (folder / PICTURES).mkdir()
        rows = (row for call in calls for value in call.values() for row in to_rgb(value, normalisation))
        for number, row in enumerate(islice(rows, self.options.pictures)):
            path = folder / PICTURES / f"{number:05}.png"
            if not cv2.imwrite(str(path), row.transpose(1, 2, 0)[..., ::-1]):
                raise FaceportError(f"{path} cannot be written")

    def _vamc(self, dry_run: Any = None) -> Tool:
        return Tool("vamc", self.options.limit, cures=COMPILE, dry_run=dry_run)

    def _command(self) -> list[str]:
        return in_environment(["vamc", "compile", CONFIG], self.options.compile_script)

    def _has_vamc(self) -> bool:
        return finds("vamc", [self.options.compile_script])

    def open(self, artifact: Artifact) -> Session:
        """Open the network here, or the box that is carried."""
        from faceport_vastai.session import Vamp

        options = self.options
        compiled = (artifact.path / SUITE).is_dir()
        program = Tool("vamp", options.limit, cures={**RUN, **({} if compiled else COMPILE)})
        root = None if options.reach == LOCAL else expand(options.folder)
        return Vamp(artifact, options, root, carrier_of(options.reach, program))


def suite(folder: Path) -> list[Path]:
    """List the three files that vamc makes, or say that it did not; only their prefix is known."""
    found = sorted(path for path in folder.glob(f"{PREFIX}*") if path.is_file() and path.stat().st_size)
    if len(found) != PARTS:
        raise ToolError(f"vamc ended with {len(found)} of the {PARTS} files {PREFIX}*")
    return found


def _normalisation(network: Network) -> Normalisation:
    """Read what the card has to do with pixels; only networks of one picture say it."""
    shape = network.inputs[0].shape
    if len(network.inputs) != 1 or len(shape) != 4 or shape[1] != 3:
        raise ConfigError(f"vastai: network '{network.name}' does not take one picture of three channels")
    if network.preprocessing.get("layout") != "NCHW":
        raise ConfigError(f"vastai: network '{network.name}' does not take a picture in NCHW")
    try:
        return Normalisation.of(network.preprocessing)
    except FaceportError as error:
        raise ConfigError(f"vastai: network '{network.name}': {error}") from error


def _toolkit() -> str:
    """Read the version of the SDK, where it is installed."""
    try:
        return VERSION.read_text(errors="replace").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
