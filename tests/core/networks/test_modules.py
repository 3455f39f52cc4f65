import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from faceport.api import Network
from faceport.errors import FaceportError, MissingError
from faceport.networks.modules import load_module
from faceport.networks.state_dicts import read_state_dict
from faceport.types import TensorSpec


def build(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def network(weights, width=4):
    spec = (TensorSpec("x", ("batch", 3, "h", "w")),)
    return Network("toy", spec, spec, lambda: build(width), weights=str(weights))


@pytest.fixture
def state():
    torch.manual_seed(3)
    return build().state_dict()


def weight_of(path):
    return load_module(network(path))[0].weight.detach().numpy()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {"net_state_dict": state},
        lambda state: {"state_dict": {"model": {f"module.{key}": value for key, value in state.items()}}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
    ],
)
def test_what_is_meant_is_loaded(tmp_path, state, wrap):
    torch.save(wrap(state), tmp_path / "net.pth")
    assert np.array_equal(weight_of(tmp_path / "net.pth"), state["0.weight"].numpy())


def test_half_precision_becomes_float(tmp_path, state):
    torch.save(
        {key: value.half() if value.is_floating_point() else value for key, value in state.items()},
        tmp_path / "net.pth",
    )
    found = weight_of(tmp_path / "net.pth")
    assert found.dtype == np.float32
    assert np.allclose(found, state["0.weight"].numpy(), atol=1e-3)


def test_safetensors(tmp_path, state):
    save_file(state, tmp_path / "net.safetensors")
    assert np.array_equal(weight_of(tmp_path / "net.safetensors"), state["0.weight"].numpy())
    (tmp_path / "net.safetensors").write_bytes((tmp_path / "net.safetensors").read_bytes()[:100])
    with pytest.raises(MissingError, match="not a whole checkpoint"):
        weight_of(tmp_path / "net.safetensors")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_truncated_checkpoint_is_named(tmp_path, state, keep):
    path = tmp_path / "net.pth"
    torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(
        MissingError, match=r"net\.pth \([\d,]+ bytes\) is not a whole checkpoint.*fetch it again"
    ):
        weight_of(path)


def test_wrong_keys_are_counted_and_shapes_named(tmp_path, state):
    state["0.wight"] = state.pop("0.weight")
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(FaceportError, match=r"1 missing \(0\.weight\); 1 unexpected \(0\.wight\)"):
        weight_of(tmp_path / "net.pth")
    torch.save(build(8).state_dict(), tmp_path / "net.pth")
    with pytest.raises(FaceportError, match=r"0\.weight has shape \(8, 3, 3, 3\), expected \(4, 3, 3, 3\)"):
        weight_of(tmp_path / "net.pth")


def test_the_model_that_would_fit_is_named(tmp_path):
    import faceport

    other = load_module(
        faceport.create("model", "retinaface_mobilenet", weights="random").networks["retinaface"]
    )
    torch.save(other.state_dict(), tmp_path / "net.pth")
    with pytest.raises(FaceportError, match="They would fit model=retinaface_mobilenet"):
        weight_of(tmp_path / "net.pth")


class Evil:
    def __reduce__(self):
        return (print, ("run!",))


def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": Evil()}, tmp_path / "net.pth")
    with pytest.raises(FaceportError, match="could run any code"):
        read_state_dict(tmp_path / "net.pth")
    assert capsys.readouterr().out == ""


def test_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(FaceportError, match="holds no state dict.*epoch"):
        read_state_dict(tmp_path / "net.pth")


def test_random_weights_follow_their_seed():
    one, same, other = (load_module(network(f"random:{seed}"))[0].weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
