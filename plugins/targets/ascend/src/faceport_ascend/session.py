"""Sessions of Ascend: in this process through ais_bench's InferSession, or over files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faceport.api import Artifact, Session
from faceport.errors import FaceportError
from faceport.files import file_sha256
from faceport.targets.exchange import Box, Carrier, FilesSession
from faceport.targets.reach import sourced
from faceport.targets.sentences import cannot_open, cannot_run
from faceport.targets.sessions import join
from faceport.types import Array, Tensors
from faceport_ascend.about import About
from faceport_ascend.options import AIPP, OM, ONNX, RUNTIME, SKELETON, AscendOptions
from faceport_ascend.ranges import OutputShapes, refuse_outside
from faceport_ascend.scripts import ais_bench, compile_first, msame


def _facts(about: About, runtime: str, device: str, precision_mode: str) -> dict[str, str]:
    precision = "fp32" if precision_mode == "force_fp32" else "fp16"
    return {
        "runtime": runtime,
        "version": about.toolkit or "not known",
        "device": device,
        "precision": precision,
        "precision_mode": precision_mode,
        "soc_version": about.soc_version,
    }


class InferSession(Session):
    """A network in this process."""

    def __init__(self, artifact: Artifact, options: AscendOptions) -> None:
        from ais_bench.infer.interface import InferSession as Vendors

        self._network, self._about = artifact.network, About.read(artifact.path)
        self._shapes = OutputShapes(artifact.path / SKELETON)
        try:
            self._session = Vendors(options.device, str((artifact.path / OM).resolve()))
        except Exception as error:  # RuntimeError, and what pyACL raises
            raise cannot_open(RUNTIME, self._about.toolkit, artifact, error) from error
        self._facts = _facts(self._about, "ais_bench", f"NPU {options.device}", options.precision_mode)

    @property
    def facts(self) -> Mapping[str, str]:
        """Report the chip that the network is for."""
        return self._facts

    def run(self, inputs: Tensors) -> Tensors:
        """Run a batch, in pieces where it has more rows than the network takes."""
        refuse_outside(self._network.name, self._about.ranges, inputs)
        total, most = len(next(iter(inputs.values()))), self._about.rows
        return join(
            [
                self._piece({name: value[at : at + most] for name, value in inputs.items()})
                for at in range(0, total, most)
            ]
        )

    def _piece(self, inputs: Tensors) -> Tensors:
        arrays = self._about.enter(inputs)
        shapes = self._shapes.of({name: value.shape for name, value in inputs.items()})
        ranged: dict[str, Any] = {}
        if not self._about.static:  # a dynamic .om reports outputs of size 0
            ranged = {"mode": "dymshape", "custom_sizes": max(4 * int(np.prod(one)) for one in shapes)}
        try:
            outputs = self._session.infer(arrays, **ranged)
        except Exception as error:
            raise cannot_run(RUNTIME, self._network, inputs, error) from error
        found = [np.array(output) for output in outputs]
        _check_shapes(self._network.name, [one.shape for one in found], shapes)
        return self._about.leave(found)

    def close(self) -> None:
        """Give the NPU back; the two generations of the tool call that differently."""
        release = getattr(self._session, "free_resource", None) or getattr(self._session, "finalize", None)
        if release:
            release()


class Files(FilesSession):
    """A network that ais_bench or msame runs over files, here or elsewhere."""

    def __init__(
        self, artifact: Artifact, options: AscendOptions, tool: str, root: Path | None, carrier: Carrier
    ) -> None:
        self._about, self._options, self._tool = About.read(artifact.path), options, tool
        self._folder, self._network = artifact.path, artifact.network
        self._shapes = OutputShapes(artifact.path / SKELETON)
        self._om = artifact.path / OM
        made = self._om if self._om.is_file() else artifact.path / ONNX
        if not made.is_file() or not made.stat().st_size:
            raise FaceportError(
                f"ascend cannot open {artifact.path}: {made.name} is missing. Compile it again"
            )
        super().__init__(artifact.network.name, file_sha256(made), root, carrier)
        self._sizes: dict[str, list[int]] = {}
        self._groups: dict[str, str] = {}
        where = options.reach if options.reach != "local" else f"NPU {options.device}"
        self._facts = _facts(self._about, tool, where, options.precision_mode)

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what ran, with the speed that the tool itself told."""
        return {**self._facts, **_reported(self._box.folder / "report")}

    @property
    def outputs(self) -> int:
        """Count the outputs of the network."""
        return len(self._about.outputs)

    def rows(self, inputs: Tensors) -> int:
        """Say how many rows the network takes."""
        return self._about.rows

    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Refuse what was not compiled for before it travels."""
        refuse_outside(self._network.name, self._about.ranges, inputs)
        return super().answer(call, inputs)

    def encode(self, inputs: Tensors) -> tuple[list[bytes], str, str]:
        """Write .npy for ais_bench, which reads shapes there, raw bytes for msame; one folder a shape."""
        arrays = self._about.enter(inputs)
        shapes = self._shapes.of({name: value.shape for name, value in inputs.items()})
        text = ";".join(f"{name}:{','.join(map(str, inputs[name].shape))}" for name in self._about.ranges)
        place = "" if self._tool != "msame" else re.sub(r"[^\w]+", "_", text)
        sizes = self._sizes.setdefault(place, [0] * len(shapes))
        self._groups[place] = text
        for number, shape in enumerate(shapes):
            sizes[number] = max(sizes[number], 4 * int(np.prod(shape)))
        if self._tool == "msame":
            return [array.tobytes() for array in arrays], ".bin", place
        return [_npy(array) for array in arrays], ".npy", place

    def decode(self, files: Sequence[Path], inputs: Tensors) -> Tensors:
        """Read outputs, and refuse those of another size, which are of another order or another batch."""
        shapes = self._shapes.of({name: value.shape for name, value in inputs.items()})
        arrays = [_read(path, shape) for path, shape in zip(files, shapes, strict=True)]
        return self._about.leave(arrays)

    def script(self, box: Box) -> tuple[str, Mapping[str, Path]]:
        """Compile there what was not compiled here, then run everything."""
        text, options, about = sourced(self._options.env_script), self._options, self._about
        needed = {OM: self._om} if self._om.is_file() else {ONNX: self._folder / ONNX}
        if not self._om.is_file():
            text += compile_first(about.command)
            if about.mean:
                needed[AIPP] = self._folder / AIPP
        inputs = len(about.ranges)
        if self._tool == "msame":
            groups = [
                (place, "" if about.static else self._groups[place], self._sizes[place])
                for place in sorted(box.places)
            ]
            return text + msame(options, inputs, groups), needed
        return text + ais_bench(options, inputs, [] if about.static else self._sizes[""]), needed


def _npy(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _read(path: Path, shape: tuple[int, ...]) -> Array:
    try:
        value = np.load(path) if path.suffix == ".npy" else np.fromfile(path, np.float32)
    except (OSError, EOFError, ValueError) as error:
        raise FaceportError(f"{path} is damaged. Delete it and its seal, and run there again") from error
    if value.dtype != np.float32 or value.size != int(np.prod(shape)):
        raise FaceportError(
            f"{path} holds {value.size} numbers of {value.dtype}, its output has "
            f"{int(np.prod(shape))} of float32 "
            "(outputs in another order, or an .om of another batch). Compile the network again"
        )
    return value.reshape(shape)


def _check_shapes(network: str, found: Sequence[tuple[int, ...]], wanted: Sequence[tuple[int, ...]]) -> None:
    if list(found) != list(wanted):
        raise FaceportError(
            f"ascend answers wrongly for network '{network}': outputs of {list(found)} instead of "
            f"{list(wanted)} "
            "(outputs in another order, or an .om of another batch). Compile the network again"
        )


def _reported(folder: Path) -> dict[str, str]:
    """Read what ais_bench's summary or msame's log says of speed: NPU time only, without copies."""
    try:
        told = json.loads((folder / "summary.json").read_text())
        spent = told["NPU_compute_time"]
        return {
            "reported": (
                f"ais_bench: {spent['mean']:.4g} ms of NPU time for each run on one chip, without copies"
            )
        }
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        log = (folder / "log").read_text(errors="replace")
    except OSError:
        return {}
    found = re.findall(r"Inference average time ?: ?([\d.]+) ms", log)
    return {"reported": f"msame: {float(found[-1]):.4g} ms for each run on one chip"} if found else {}
