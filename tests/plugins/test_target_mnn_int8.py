"""int8 on MNN, operator by operator: what lies between two layers must be as exact as the layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from faceport.api import Network
from faceport.errors import FaceportError
from faceport.networks.parity import compare
from faceport.plugins.loading import create
from tests.plugins.toys import builder, network, reference

if TYPE_CHECKING:
    from torch import nn

BETWEEN = (
    *("max", "relu max", "prelu max", "sigmoid max", "leaky max", "add max", "cat max"),
    *("leaky up", "prelu avg", "add relu", "add relu max", "prelu norm"),
)


def net_with(between: str) -> "nn.Module":
    """Put operators between two convolutions."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.aside = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
            self.slopes, self.second = nn.PReLU(8), nn.Conv2d(8, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.norm.running_mean.uniform_(-1, 1)
            self.heat, self.linear = nn.Conv2d(8, 4, 1), nn.Linear(8, 2)

        def forward(self, image):  # type: ignore[no-untyped-def]
            steps = {
                "prelu": self.slopes,
                "relu": torch.relu,
                "sigmoid": torch.sigmoid,
                "leaky": lambda x: functional.leaky_relu(x, 0.1),
                "norm": self.norm,
                "add": lambda x: x + self.aside(image),
                "cat": lambda x: torch.cat([x[:, :4], self.aside(image)[:, :4]], 1),
                "max": lambda x: functional.max_pool2d(x, 2),
                "avg": lambda x: functional.avg_pool2d(x, 2),
                "up": lambda x: functional.interpolate(x, scale_factor=2.0),
            }
            features = self.first(image)
            for name in between.split():
                features = steps[name](features)
            features = self.second(features).relu()
            return self.heat(features), self.linear(features.mean((2, 3)))

    return Net()


@pytest.mark.parametrize("between", BETWEEN)
def test_what_lies_between_layers_is_exact_in_8_bits(between: str, tmp_path: Path) -> None:
    made = network("free", lambda: net_with(between))
    target = create("target", "mnn", precision="int8", streams=1, tolerance=1e3)  # judged below
    kit = builder(target, "mnn", made, tmp_path)
    session = kit.build().sessions["free"]
    layers = 5 if {"add", "cat", "norm"} & set(between.split()) else 4
    assert session.facts["int8_layers"] == f"{layers} of {layers}"
    for call in kit.trials.calls(network("free"))[:2]:
        assert compare(reference(made, call)["heat"], session.run(call)["heat"])["snr_db"] > 35


@pytest.mark.parametrize(("inner", "layers"), [(300, "4 of 4"), (70_000, "3 of 4")])
def test_large_linear_layers_stay_in_float(inner: int, layers: str, tmp_path: Path) -> None:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.heat = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1)
            self.wide, self.last = nn.Linear(8, inner // 8), nn.Linear(inner // 8, 2)

        def forward(self, image):  # type: ignore[no-untyped-def]
            features = self.first(image).relu()
            return self.heat(features), self.last(self.wide(features.mean((2, 3))))

    made = network("free", Net)
    target = create("target", "mnn", precision="int8", streams=1, tolerance=1e3)
    kit = builder(target, "mnn", made, tmp_path)
    session = kit.build().sessions["free"]
    assert session.facts["int8_layers"] == layers
    (call,) = kit.trials.calls(network("free"))[:1]
    assert compare(reference(made, call)["mean"], session.run(call)["mean"])["snr_db"] > 25


def test_half_a_file_of_the_converter_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import faceport_mnn.target

    whole = faceport_mnn.target.run_tool

    def cut(network: Network, out: Path, kind: str, *words: Any) -> None:
        whole(network, out, kind, *words)
        if out.suffix == ".json":
            out.write_bytes(out.read_bytes()[:100])

    monkeypatch.setattr(faceport_mnn.target, "run_tool", cut)
    target = create("target", "mnn", precision="int8")
    with pytest.raises(
        FaceportError, match="cannot compile network 'fixed': .* half a file: is the disk full"
    ):
        builder(target, "mnn", network("fixed"), tmp_path).build()
