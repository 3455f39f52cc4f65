"""Small models and sessions that tests of the core drive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from faceport.api import Model, Network, Session, Steps
from faceport.types import Call, Faces, Sample, Tensors, TensorSpec


def network(name: str) -> Network:
    return Network(name, (TensorSpec("x", ("batch", "n")),), (TensorSpec("y", ("batch", "n")),))


def old_network(constant: int) -> onnx.ModelProto:
    """Double the size in operators of version 8, once with a node that newer versions replace."""
    nodes = [
        helper.make_node("Upsample", ["x"], ["u"], name="up", scales=[1.0, 1.0, 2.0, 2.0]),
        helper.make_node("LeakyRelu", ["u"], ["v"], name="leaky", alpha=0.1),
        helper.make_node("BatchNormalization", ["v", *"abcd"], ["y"], name="norm"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [constant]) for name in "abcd"],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=4)


class Doubling(Session):
    """Doubles its input and adds one, after a pause."""

    facts: Mapping[str, str] = {"runtime": "toy", "version": "1", "device": "none", "precision": "fp32"}

    def __init__(self, streams: int = 1, window: int = 1, pause: float = 0.0) -> None:
        self.streams, self.window, self.pause = streams, window, pause
        self.batches: list[int] = []
        self.groups: list[int] = []

    def run(self, inputs: Tensors) -> Tensors:
        time.sleep(self.pause)
        self.batches.append(len(inputs["x"]))
        return {"y": inputs["x"] * 2 + 1}

    def run_many(self, batches: Sequence[Tensors]) -> list[Tensors]:
        self.groups.append(len(batches))
        return super().run_many(batches)


class TwoStages(Model):
    """Ask `first` for n rows in two shapes, then `second` for what came out; n: the sample's number mod 5."""

    provides = frozenset({"scores"})

    @property
    def networks(self) -> Mapping[str, Network]:
        return {"first": network("first"), "second": network("second")}

    def predict(self, sample: Sample) -> Steps:
        number, count = int(sample.id), int(sample.id) % 5
        assert sample.image.shape == (4, 4, 3)
        if not count:
            return Faces(scores=np.zeros(0, np.float32))
        rows = np.full((count, 3), number, np.float32)
        narrow, _ = yield [
            Call("first", {"x": rows}),
            Call("first", {"x": np.ones((count * 3, 2), np.float32)}),
        ]
        out = yield Call("second", {"x": narrow["y"]})
        return Faces(scores=out["y"][:, 0])


def expected(number: int) -> list[float]:
    return [(number * 2 + 1) * 2 + 1.0] * (number % 5)


def blank() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8)
