"""One tiny network twice, as a torch module and as an ONNX file, with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from faceport.api import Network, Source
from faceport.networks.reference import reference_session, source_of
from faceport.types import Array, Tensors, TensorSpec

if TYPE_CHECKING:
    from torch import nn

HIDDEN = 4
HEIGHT, WIDTH = 12, 16  # of the input, where it is not free
OPSET, IR = 17, 8  # what runtimes of the last years read
Form = Literal["torch", "onnx"]


def draw_weights() -> dict[str, Array]:
    """Draw the weights, by their names in the torch module."""
    rng = np.random.default_rng(0)
    shapes = {
        "convolution.weight": (HIDDEN, 3, 3, 3),
        "convolution.bias": (HIDDEN,),
        "head.weight": (2, HIDDEN),
        "head.bias": (2,),
    }
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def build() -> nn.Module:
    """Build the torch module."""
    from faceport.testing.net import TinyNet

    return TinyNet(HIDDEN)


def tiny_network(form: Form, free: bool, folder: Path) -> Network:
    """Make the network; its files go into the folder."""
    height, width = ("height", "width") if free else (HEIGHT, WIDTH)
    inputs = (TensorSpec("image", ("batch", 3, height, width)),)
    outputs = (
        TensorSpec("features", ("batch", HIDDEN, height, width)),
        TensorSpec("scores", ("batch", 2)),
    )
    example = {"height": HEIGHT, "width": WIDTH}
    if form == "onnx":
        path = write_onnx(folder / "tiny.onnx", inputs, outputs)
        return Network("tiny", inputs, outputs, onnx=path, example=example)
    from faceport.testing.net import save_weights

    weights = folder / "tiny.pth"
    save_weights(draw_weights(), weights)
    return Network("tiny", inputs, outputs, build=build, weights=str(weights), example=example)


def write_onnx(path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Path:
    """Write the network as ONNX, with nothing but the onnx package."""
    import onnx
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node(
            "Conv", ["image", "convolution.weight", "convolution.bias"], ["sums"], pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["sums"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "head.weight", "head.bias"], ["scores"], transB=1),
    ]
    ins, outs = (
        [helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, spec.shape) for spec in specs]
        for specs in (inputs, outputs)
    )
    held = [numpy_helper.from_array(value, name) for name, value in draw_weights().items()]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", ins, outs, held), opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def tiny_source(form: Form, free: bool, folder: Path) -> Source:
    """Offer the network to a target as the builder does; its files go into the empty folder."""
    network = tiny_network(form, free, folder)

    def export() -> Path:
        if network.onnx is not None:
            return network.onnx
        from faceport.networks.export import export_onnx

        path = folder / "exported.onnx"
        if not path.is_file():
            export_onnx(network, path)
        return path

    return source_of(network, export)


def draw_inputs(batch: int, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> Tensors:
    """Draw a batch."""
    rng = np.random.default_rng([seed, batch, height, width])
    return {"image": rng.standard_normal((batch, 3, height, width)).astype(np.float32)}


def right_outputs(network: Network, inputs: Tensors) -> Tensors:
    """Compute what every target must answer."""
    return reference_session(network).run(inputs)
