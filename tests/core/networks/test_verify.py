import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import faceport
from faceport.artifacts.builder import Builder
from faceport.artifacts.probe import probes
from faceport.artifacts.store import Store
from faceport.errors import FaceportError
from faceport.networks.reference import evaluator
from faceport.networks.verify import check_export
from tests.core.toys import old_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = faceport.create("model", "retinaface_mobilenet", weights="random", size=160)
    builder = Builder(model, None, "", store=Store(tmp_path_factory.mktemp("store")))
    network = model.networks["retinaface"]
    return builder, network, builder.exporter.onnx(network)


def test_the_evaluator_takes_old_operators_for_what_they_meant(tmp_path):
    onnx.save(old_network(2), tmp_path / "old.onnx")
    x = np.array([[[[-1, 2], [3, -4]]]], np.float32)
    leaky = np.where(x < 0, 0.1 * x, x).repeat(2, 2).repeat(2, 3)
    expected = (leaky - 2) / np.sqrt(2 + 1e-5) * 2 + 2
    np.testing.assert_allclose(evaluator(tmp_path / "old.onnx")({"x": x})["y"], expected, rtol=1e-5)


def test_an_export_keeps_its_parity(exported):
    builder, _, path = exported
    entry = builder.store.entries()[0]
    assert entry.path == path.parent
    assert set(entry.manifest["parity"]["outputs"]) == {"loc", "conf", "landms"}
    assert max(o["max_rel"] for o in entry.manifest["parity"]["outputs"].values()) < 1e-4


@pytest.mark.parametrize("victim", [0, 7, 20])
def test_the_first_node_that_differs_is_named(exported, tmp_path, victim):
    builder, network, path = exported
    graph = onnx.load(path)
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    node = convolutions[victim]
    weight = next(tensor for tensor in graph.graph.initializer if tensor.name == node.input[1])
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.5), weight.name))
    broken = tmp_path / "broken.onnx"
    onnx.save(graph, broken)
    with pytest.raises(FaceportError, match="was exported wrongly") as caught:
        check_export(network, broken, builder.trials.inputs(network))
    assert f"The first node that differs is '{node.name}' (Conv)" in str(caught.value)


def test_probes_tell_a_model_what_it_needs():
    landmarks = faceport.create("model", "pipnet_resnet18", weights="random")
    assert all(sample.faces is not None and len(sample.faces) == 1 for sample in probes(landmarks))
    detector = faceport.create("model", "retinaface_mobilenet", weights="random")
    assert all(sample.faces is None for sample in probes(detector))
