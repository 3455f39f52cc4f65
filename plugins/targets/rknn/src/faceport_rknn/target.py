"""Rockchip's NPUs: a .rknn for one chip is the artifact; beside it lies what the simulation starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import onnx

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError
from faceport.graph.names import excluded, load
from faceport.graph.normalise import Normalisation
from faceport.targets.sentences import cannot_compile, need_calls
from faceport.types import Tensors
from faceport_rknn.environment import INSTALLATIONS, lacking, start, toolkit_version
from faceport_rknn.options import ABOUT, COMPILED, RknnOptions
from faceport_rknn.toolkit import NETWORK


class Rknn(Target):
    """Compile networks for Rockchip's NPUs, and run them on Rockchip's simulation."""

    Options = RknnOptions
    options: RknnOptions
    capabilities: ClassVar[frozenset[str]] = frozenset()
    soundest = "fp16"
    apart = INSTALLATIONS

    def missing(self) -> str:
        """Say what to install."""
        return lacking(self.options)

    def recipe(self) -> Mapping[str, Any]:
        """Name what shapes the artifact and its numbers."""
        options = self.options
        own = {"chip": options.chip, "pixels": options.pixels}
        return {**super().recipe(), "rknn-toolkit2": toolkit_version(options), **own}

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Let the toolkit compile the network, rounded to integers where they are asked for."""
        options, network = self.options, source.network
        model = load(source.onnx())
        way = Normalisation.of(network.preprocessing) if options.pixels else None
        wide = set(excluded(model, network.name, options.exclude)) if self.calibrates else set()
        wanted = [(node.name, name) for node in model.graph.node if node.name in wide for name in node.output]
        told = {
            "folder": str(out),
            "compiled": COMPILED,
            "chip": options.chip,
            "precision": options.precision,
            "range": options.range,
            "mean": way.mean if way else (),
            "deviation": way.deviation if way else (),
            "floats": [name for _, name in wanted],
        }
        onnx.save(model, out / NETWORK)
        with TemporaryDirectory() as folder:
            if self.calibrates:
                inputs = [value.name for value in model.graph.input]
                told["dataset"] = str(_write(need_calls(calibration, network), inputs, way, Path(folder)))
            worker = start(options)
            try:
                results, _ = worker.call("build", told, {})
            except FaceportError as error:
                raise cannot_compile("RKNN", toolkit_version(options), network, error) from error
            finally:
                worker.close()
        if not (out / COMPILED).is_file():
            raise cannot_compile("RKNN", toolkit_version(options), network, "it made no .rknn")
        kept = {node for node, name in wanted if name in results["kept"]}
        if lost := wide - kept:
            raise cannot_compile(
                "RKNN",
                toolkit_version(options),
                network,
                f"node '{min(lost)}' of target.exclude is part of another after its optimisation",
            )
        about: dict[str, Any] = {
            **{key: told[key] for key in ("chip", "precision", "range", "mean", "deviation")},
            "outputs": [output.name for output in model.graph.output],
            "float16_nodes": f"{len(kept)} of {len(model.graph.node)}" if kept else "",
        }
        (out / ABOUT).write_text(json.dumps(about))

    def open(self, artifact: Artifact) -> Session:
        """Start the simulation of the compiled network."""
        from faceport_rknn.session import RknnSession

        return RknnSession(artifact, self.options)


def _write(calls: Sequence[Tensors], inputs: Sequence[str], way: Normalisation | None, folder: Path) -> Path:
    """Write calls as the toolkit reads them: NCHW, before mean and deviation, a line for each row."""
    lines = []
    for number, call in enumerate(calls):
        for row in range(len(call[inputs[0]])):
            files = []
            for at, name in enumerate(inputs):
                value = call[name][row : row + 1]
                if way:
                    value = np.ascontiguousarray(way.pixels(value).transpose(0, 3, 1, 2))
                files.append(folder / f"{number}-{row}-{at}.npy")
                np.save(files[-1], value)
            lines.append(" ".join(map(str, files)))
    listed = folder / "dataset.txt"
    listed.write_text("\n".join(lines) + "\n")
    return listed
