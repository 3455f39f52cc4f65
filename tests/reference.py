"""Reference networks: weights and inputs made by rule, and what the official implementations answer."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from faceport.api import Network


@dataclass(frozen=True)
class ReferenceNetwork:
    """Hold what is known of one official network."""

    name: str
    salt: str
    params: int
    macs: int  # multiply-adds for input_shape
    input_shape: tuple[int, ...]
    keys: dict[str, tuple[tuple[int, ...], str]]  # state dict: key -> (shape, dtype), in the official order
    samples: dict[str, NDArray[np.float32]]  # output -> evenly spaced values of the flattened array
    shapes: dict[str, tuple[int, ...]]  # output -> shape, in the official order
    stds: dict[str, float]

    def input(self) -> NDArray[np.float32]:
        """Make the input that the official network was run on."""
        return _generator(self.salt, "input").standard_normal(self.input_shape).astype(np.float32)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Make every tensor of the state dict."""
        return {key: _tensor(self.salt, key, shape, dtype) for key, (shape, dtype) in self.keys.items()}

    def deviation(self, outputs: Mapping[str, NDArray[np.float32]]) -> float:
        """Return the largest difference over all outputs, in standard deviations of the official output."""
        shapes = {name: array.shape for name, array in outputs.items()}
        if list(shapes.items()) != list(self.shapes.items()):
            raise AssertionError(f"{self.name}: expected outputs {self.shapes}, got {shapes}")
        return max(self._deviation(name, array) for name, array in outputs.items())

    def rounding(self, module: "nn.Module", runs: int = 5) -> float:
        """Return how far outputs move, in float64, when every weight moves by up to one step of float32.

        It is the same on every processor; two runs in float32 may be twice as far apart.
        """
        import torch

        exact, image = module.double().eval(), torch.from_numpy(self.input()).double()
        weights = self.weights()
        outputs = []
        for run in range(runs + 1):
            rng, step = np.random.default_rng(run), 2.0**-23 if run else 0.0
            moved = {
                key: value * (1 + step * rng.uniform(-1, 1, value.shape)) for key, value in weights.items()
            }
            exact.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in moved.items()})
            with torch.inference_mode():
                outputs.append(dict(zip(self.shapes, exact(image), strict=True)))
        return max(
            float((found[name] - outputs[0][name]).abs().max()) / std
            for found in outputs[1:]
            for name, std in self.stds.items()
        )

    def _deviation(self, name: str, array: NDArray[np.float32]) -> float:
        flat = array.ravel().astype(np.float64)
        index = np.linspace(0, flat.size - 1, min(flat.size, 2048)).astype(np.int64)
        return float(np.abs(flat[index] - self.samples[name]).max() / self.stds[name])


def load_network(reference_dir: Path, name: str) -> ReferenceNetwork:
    """Read one network of `reference_dir/models`."""
    facts = json.loads((reference_dir / "models" / f"{name}.json").read_text())
    with np.load(reference_dir / "models" / f"{name}.npz") as samples:
        return ReferenceNetwork(
            name=name,
            salt=facts["salt"],
            params=facts["params"],
            macs=facts["macs"],
            input_shape=tuple(facts["input_shape"]),
            keys={key: (tuple(shape), dtype) for key, shape, dtype in facts["state_dict"]},
            samples={key: samples[key] for key in samples.files},
            shapes={key: tuple(output["shape"]) for key, output in facts["outputs"].items()},
            stds={key: output["std"] for key, output in facts["outputs"].items()},
        )


def run_torch(module: "nn.Module", reference: ReferenceNetwork) -> dict[str, NDArray[np.float32]]:
    """Load the reference weights, which must fit the state dict exactly, and run the reference input."""
    import torch

    keys = {
        key: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for key, tensor in module.state_dict().items()
    }
    assert keys == reference.keys, sorted(set(keys.items()) ^ set(reference.keys.items()))[:8]
    assert sum(p.numel() for p in module.parameters()) == reference.params
    module.load_state_dict({key: torch.from_numpy(value) for key, value in reference.weights().items()})
    with torch.inference_mode():
        outputs = module.eval()(torch.from_numpy(reference.input()))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {name: output.numpy() for name, output in zip(reference.shapes, outputs, strict=True)}


def save_weights(reference: ReferenceNetwork, path: Path) -> str:
    """Write the reference weights as the checkpoint (.safetensors) that a user would give."""
    from safetensors.numpy import save_file

    save_file(reference.weights(), path)
    return str(path)


def run_onnxruntime(
    network: "Network", reference: ReferenceNetwork, folder: Path
) -> dict[str, NDArray[np.float32]]:
    """Export a network, whatever weights it has, and run the reference input on ONNX Runtime."""
    import onnxruntime

    from faceport.networks.export import export_onnx

    export_onnx(network, folder / "network.onnx")
    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(
        [spec.name for spec in network.outputs], {network.inputs[0].name: reference.input()}
    )
    return dict(zip(reference.shapes, outputs, strict=True))


def _generator(salt: str, key: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{salt}:{key}".encode()))


def _tensor(salt: str, key: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    if not dtype.startswith("float"):
        return np.zeros(shape, dtype)
    rng = _generator(salt, key)
    if len(shape) >= 2:
        values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    elif "relu" in key.lower():
        values = rng.uniform(0.1, 0.4, shape)
    elif key.endswith(("running_var", "weight")):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.standard_normal(shape) * 0.1
    return np.asarray(values, np.float32)
