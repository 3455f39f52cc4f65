"""A network that a board runs over files, here or elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceport.api import Artifact
from faceport.errors import FaceportError
from faceport.targets.exchange import Box, Carrier, FilesSession, key_of
from faceport.targets.reach import LOCAL
from faceport.types import Tensors
from faceport_drpai.about import About
from faceport_drpai.options import ABOUT, MADE, ONNX, RUNTIME, SCRIPT, DrpaiOptions
from faceport_drpai.scripts import BOARD, run_script

AGAIN = "Compile it again"


class Board(FilesSession):
    """All calls of a stage in one process of the board."""

    def __init__(
        self, artifact: Artifact, options: DrpaiOptions, root: Path | None, carrier: Carrier
    ) -> None:
        self._about, self._options, self._folder = About.read(artifact.path), options, artifact.path
        for name in ("product", "release", "mode"):
            made_for, asked = getattr(self._about, name), getattr(options, name)
            if made_for != asked:
                raise FaceportError(
                    f"drpai cannot open {artifact.path}: it was compiled for target.{name}={made_for}, "
                    f"not {asked}"
                )
        made = artifact.path / MADE
        self._compiled = made.is_dir()
        files = sorted(path for path in artifact.path.rglob("*") if path.is_file() and path.name != ABOUT)
        if not self._compiled:  # what compile.sh makes in a box later is no part of what it is made of
            wanted = [artifact.path / ONNX, artifact.path / SCRIPT]
        else:
            wanted = [artifact.path / BOARD] if options.runner == "mera" else [made / "runner"]
            if not (made / "model/mera.plan").is_file():
                wanted += [made / "model" / f"deploy.{end}" for end in ("json", "so", "params")]
        for path in wanted:
            if not path.is_file() or not path.stat().st_size:
                raise FaceportError(f"drpai cannot open {artifact.path}: {path.name} is missing. {AGAIN}")
        self._needed = files
        super().__init__(artifact.network.name, key_of(files, self._about.precision), root, carrier)
        [self._input] = [spec.name for spec in artifact.network.inputs]

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what ran, with the speed that the program on the board measured."""
        options, about = self._options, self._about
        return {
            "runtime": RUNTIME,
            "version": f"DRP-AI TVM {about.release}",
            "device": about.product if options.reach == LOCAL else f"{about.product}, {options.reach}",
            "mode": about.mode,
            "precision": about.precision,
            **reported(self._box.folder / "report" / "log", about),
        }

    @property
    def outputs(self) -> int:
        """Count the outputs of the network."""
        return len(self._about.outputs)

    def encode(self, inputs: Tensors) -> tuple[list[bytes], str, str]:
        """Write the input as SetInput() takes it: float32, as it lies in memory."""
        return [np.ascontiguousarray(inputs[self._input], np.float32).tobytes()], ".bin", ""

    def decode(self, files: Sequence[Path], inputs: Tensors) -> Tensors:
        """Read the outputs, and refuse those of another size."""
        about, found = self._about, {}
        for name, shape, path in zip(about.outputs, about.shapes, files, strict=True):
            size, wanted = path.stat().st_size, 4 * int(np.prod(shape))
            if size != wanted:
                raise FaceportError(
                    f"{path} has {size} bytes, output '{name}' of network '{self._network_name}' has "
                    f"{wanted} (outputs in another order, or another network). {AGAIN}"
                )
            found[name] = np.fromfile(path, np.float32).reshape(shape)
        return found

    def script(self, box: Box) -> tuple[str, Mapping[str, Path]]:
        """Run everything; what was not compiled here was compiled by the box's other script."""
        needed = {path.relative_to(self._folder).as_posix(): path for path in self._needed}
        return run_script(self._options), needed

    def dispatch(self) -> str:
        """Make the box complete; what is not compiled yet goes by way of the machine that compiles."""
        said = super().dispatch()
        if not said or self._compiled:
            return said
        return f"First run `sh {self._box.folder}/{SCRIPT}` where DRP-AI TVM is, unless that is done. {said}"


def reported(log: Path, about: About) -> dict[str, str]:
    """Read the mean time of one run: of Run() alone, without copies and files."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return {}
    times = [float(one) for one in re.findall(r"AI Processing Time: *([\d.]+(?:e[-+]?\d+)?) *msec", text)]
    if not times:
        return {}
    mean = sum(times) / len(times)
    return {"reported": f"{mean:.4g} ms for each run on {about.product} ({about.mode}), without copies"}
