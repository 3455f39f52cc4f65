"""Targets that run nothing but what their graph has fixed, as chips do: one of each kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faceport.api import Artifact, Session, Source, Target
from faceport.errors import FaceportError, FreeSizesError
from faceport.types import Tensors

FILE = "model.onnx"


class Strict(Target):
    """Run ONNX in NumPy, with the batch and the sizes that are written in the graph."""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Keep the graph, if it fixes what this target cannot keep free."""
        for name, (rows, *sizes) in read_shapes(source.onnx()).items():
            if "dynamic_batch" not in self.capabilities and rows is None:
                raise FaceportError(f"the batch of '{name}' is not fixed in the graph")
            if "dynamic_shape" not in self.capabilities and None in sizes:
                self.refuse(f"the sizes of '{name}' are not fixed in the graph")
        for inputs in calibration:
            check_shapes(read_shapes(source.onnx()), inputs)
        shutil.copyfile(source.onnx(), out / FILE)

    def refuse(self, why: str) -> None:
        """Say that a graph has free sizes, which should never have come here."""
        raise FaceportError(why)

    def open(self, artifact: Artifact) -> Session:
        """Read the graph."""
        return StrictSession(artifact.path / FILE)


class FixedBatch(Strict):
    """Take any size, and two rows."""

    capabilities = frozenset({"dynamic_shape"})
    batch = 2


class FixedSizes(Strict):
    """Take any number of rows, of one size."""

    capabilities = frozenset({"dynamic_batch"})


class FixedShapes(Strict):
    """Take one row of one size."""

    capabilities = frozenset[str]()


class Reluctant(Strict):
    """Take any number of rows; try free sizes, and refuse them."""

    capabilities = frozenset({"dynamic_batch", "some_dynamic_shapes"})

    def refuse(self, why: str) -> None:
        """Ask for fixed sizes."""
        raise FreeSizesError(why)


KINDS: tuple[type[Target], ...] = (FixedBatch, FixedSizes, FixedShapes, Reluctant)


class StrictSession(Session):
    """Refuse every tensor that has not the very shape of the graph."""

    def __init__(self, path: Path) -> None:
        from onnx.reference import ReferenceEvaluator

        self._shapes = read_shapes(path)
        self._evaluator: Any = ReferenceEvaluator(str(path))

    @property
    def facts(self) -> Mapping[str, str]:
        """Say what runs."""
        return {"runtime": "strict", "version": "1", "device": "CPU", "precision": "fp32"}

    def run(self, inputs: Tensors) -> Tensors:
        """Run one batch."""
        check_shapes(self._shapes, inputs)
        outputs = self._evaluator.run(None, dict(inputs))
        return dict(zip(self._evaluator.output_names, outputs, strict=True))


def read_shapes(path: Path) -> dict[str, list[int | None]]:
    """Read the shape of each input of a graph; None stands for what is free."""
    import onnx

    return {
        value.name: [size.dim_value or None for size in value.type.tensor_type.shape.dim]
        for value in onnx.load(path).graph.input
    }


def check_shapes(shapes: Mapping[str, Sequence[int | None]], inputs: Tensors) -> None:
    """Refuse inputs that do not have the shapes of a graph."""
    for name, wanted in shapes.items():
        if any(size not in (None, have) for size, have in zip(wanted, inputs[name].shape, strict=True)):
            raise FaceportError(f"'{name}' has shape {inputs[name].shape}, the graph has {wanted}")
