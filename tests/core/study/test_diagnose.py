"""The diagnosis must name the node that a test breaks on purpose, in networks of three kinds."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import faceport
from faceport.artifacts.builder import Builder
from faceport.artifacts.store import Store
from faceport.plugins.loading import find_class
from faceport.study.diagnose import departs, diagnose

MODELS = {
    "retinaface": ("retinaface_mobilenet", {"size": 160}),
    "pipnet": ("pipnet_mobilenet_v3", {}),
    "onet": ("mtcnn", {}),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request, tmp_path_factory):
    name, options = MODELS[request.param]
    model = faceport.create("model", name, weights="random", **options)
    builder = Builder(model, None, "", store=Store(tmp_path_factory.mktemp("store")))
    network = model.networks[request.param]
    return network, builder.exporter.onnx(network), builder.trials.inputs(network)[:1]


def onnxruntime(**options):
    target = faceport.create("target", "onnxruntime", **options)
    if target.missing():
        pytest.skip(target.missing())
    return target


def broken(damage):
    """Make a target that damages what it compiles."""

    class Broken(find_class("target", "onnxruntime")):
        def compile(self, source, out, calibration):
            super().compile(source, out, calibration)
            file = next(out.glob("*.onnx"))
            graph = onnx.load(file)
            damage(graph)
            onnx.save(graph, file)

    return Broken(onnxruntime().options)


def convolutions(graph):
    return [node for node in graph.graph.node if node.op_type == "Conv"]


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_perturbed_weight_is_found(case, share):
    network, path, calls = case
    names = [node.name for node in convolutions(onnx.load(path))]
    victim = names[int(share * len(names))]

    def damage(graph):
        node = next(node for node in graph.graph.node if node.name == victim)
        weight = next(tensor for tensor in graph.graph.initializer if tensor.name == node.input[1])
        values = numpy_helper.to_array(weight) * np.float32(1.2)
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    first = departs(diagnose(network, path, broken(damage), calls, ()), "fp32")
    assert first is not None
    assert first.node == victim


def test_a_clipped_range_is_found(case):
    network, path, calls = case
    victim = convolutions(onnx.load(path))[2].name

    def damage(graph):
        node = next(node for node in graph.graph.node if node.name == victim)
        output, wide = node.output[0], f"{node.output[0]}_wide"
        node.output[0] = wide
        for name, value in (("low", -0.1), ("high", 0.1)):
            graph.graph.initializer.append(numpy_helper.from_array(np.float32(value), f"clip_{name}"))
        clip = onnx.helper.make_node("Clip", [wide, "clip_low", "clip_high"], [output], "clip")
        graph.graph.node.insert(list(graph.graph.node).index(node) + 1, clip)

    reports = diagnose(network, path, broken(damage), calls, ())
    first = departs(reports, "fp32")
    assert first is not None
    assert first.node == victim
    assert first.saturation > 0.05


def test_a_sound_target_departs_nowhere(case):
    network, path, calls = case
    reports = diagnose(network, path, onnxruntime(), calls, ())
    assert departs(reports, "fp32") is None
    assert len(reports) > 5
    assert all(report.accumulated < 1e-3 for report in reports)


def test_the_error_of_int8_is_its_own_at_every_node(case):
    network, path, calls = case
    reports = diagnose(network, path, onnxruntime(precision="int8"), calls, calls)
    own = [report.introduced for report in reports if report.introduced]
    assert own
    assert max(report.accumulated for report in reports) > np.median(own)
