"""Tiny models for tests of targets: they are compiled in a blink and their answers are known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from faceport.api import Model, Network, Steps, Target
from faceport.artifacts.builder import Builder, Built
from faceport.artifacts.store import Store
from faceport.types import Call, Faces, Sample, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

FREE = Network(
    name="free",
    inputs=(TensorSpec("image", ("batch", 3, "height", "width")),),
    outputs=(TensorSpec("heat", ("batch", 4, "h", "w")), TensorSpec("mean", ("batch", 2))),
    example={"height": 20, "width": 28},
)
FIXED = Network(
    name="fixed",
    inputs=(TensorSpec("image", ("batch", 3, 16, 16)),),
    outputs=(TensorSpec("mean", ("batch", 2)),),
)


def conv_net() -> "nn.Module":
    """Build what every target must know: convolution, PReLU, pooling with ceil, means, a linear layer."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.prelu = nn.PReLU(8)
            self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
            self.second = nn.Conv2d(8, 8, 3, padding=1)
            self.heat = nn.Conv2d(8, 4, 1)
            self.linear = nn.Linear(8, 2)

        def forward(self, image):  # type: ignore[no-untyped-def]
            features = self.second(self.pool(self.prelu(self.first(image)))).relu()
            return self.heat(features), self.linear(features.mean((2, 3)))

    return Net()


def mean_net() -> "nn.Module":
    """Build the part of it that answers with two numbers."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)
    )


def pyramid_net() -> "nn.Module":
    """Build what few compilers take for any size: a map brought to the size of another."""
    from torch import nn
    from torch.nn import functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, 2, 1)
            self.linear = nn.Linear(4, 2)

        def forward(self, image):  # type: ignore[no-untyped-def]
            fine = self.fine(image)
            heat = fine + functional.interpolate(self.coarse(fine), size=fine.shape[2:])
            return heat, self.linear(heat.mean((2, 3)))

    return Net()


class Toy(Model):
    """Run one network on the whole picture."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    @property
    def networks(self) -> Mapping[str, Network]:
        return {self._network.name: self._network}

    def predict(self, sample: Sample) -> Steps:
        _, _, height, width = self._network.inputs[0].shape
        image = sample.image if isinstance(height, str) else sample.image[:height, :width]
        image = image.astype(np.float32).transpose(2, 0, 1)[None] / 128 - 1
        yield Call(self._network.name, {"image": image})
        return Faces()


def network(name: str, build: Callable[[], "nn.Module"] | None = None) -> Network:
    """Give a fresh toy network: 'free' takes any size, 'fixed' takes 16x16."""
    base = {"free": FREE, "fixed": FIXED}[name]
    builders = {"free": conv_net, "fixed": mean_net}
    return Network(base.name, base.inputs, base.outputs, build or builders[name], example=base.example)


def pictures(count: int, height: int, width: int) -> list[Sample]:
    """Make pictures of noise."""
    rng = np.random.default_rng(0)
    return [Sample(str(n), rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for n in range(count)]


def builder(target: Target, name: str, made: Network, folder: Path, **options: object) -> Builder:
    """Give a builder for a toy, or skip with the sentence of a target whose runtime is absent."""
    if target.missing():
        pytest.skip(target.missing())
    size = (20, 28) if made.name == "free" else (16, 16)
    return Builder(Toy(made), target, name, pictures(4, *size), count=4, store=Store(folder), **options)  # type: ignore[arg-type]


def build(target: Target, name: str, made: Network, folder: Path, **options: object) -> Built:
    """Compile and open a toy."""
    return builder(target, name, made, folder, **options).build()


def reference(made: Network, inputs: Tensors) -> Tensors:
    """Run the torch module of a toy."""
    from faceport.networks.reference import reference_session

    return reference_session(made).run(inputs)


def images(*shape: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Draw an input."""
    return {"image": np.random.default_rng(seed).standard_normal(shape).astype(np.float32)}


def unsupported(folder: Path) -> Network:
    """Give a network with an operator that nobody has."""
    import onnx
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2, 2, 2])
        for name in ("image", "out")
    ]
    node = helper.make_node("Nonesuch", ["image"], ["out"], domain="nowhere")
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "nonesuch.onnx")
    specs = [(TensorSpec(name, ("batch", 2, 2, 2)),) for name in ("image", "out")]
    return Network("nonesuch", *specs, onnx=folder / "nonesuch.onnx")


def missing_without(target: Target, module: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask a target what is missing on a machine that lacks a module."""
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    return target.missing()
