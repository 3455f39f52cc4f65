"""faceport from Python: pictures in, faces out, as a notebook or a service uses it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import faceport
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.networks.modules import load_module, run_module
from faceport.types import Faces, Sample

DETECTOR = ["size=96", "keep_top_k=3", "confidence=0.0"]  # random weights score low
ALONE = ["model.weights=random", *(f"model.{word}" for word in DETECTOR)]
CASCADE = ["model.weights=random", "detector.weights=random", *(f"detector.{word}" for word in DETECTOR)]


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEPORT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def cascade():
    with faceport.pipeline("pipnet_mobilenet_v2", "retinaface_mobilenet", "torch", CASCADE) as opened:
        yield opened


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (90 + 5 * n, 160 - 7 * n, 3), np.uint8) for n in range(12)]


def assert_same(one: Faces, other: Faces) -> None:
    assert one.fields == other.fields
    for name in one.fields:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=2e-4)


def test_a_picture_in_faces_out(cascade, images):
    faces = cascade(images[0])
    assert faces.boxes.shape == (3, 4)
    assert faces.scores.shape == (3,)
    assert faces.landmarks.shape == (3, 98, 2)
    assert cascade.facts.keys() == {"retinaface", "pipnet"}
    assert cascade.facts["pipnet"]["runtime"] == "torch"
    assert cascade.notes == ("weights of retinaface, pipnet are random: its accuracy means nothing",)


def test_the_detector_tells_the_model_where_to_look(cascade, images):
    words = [word.replace("detector.", "model.") for word in CASCADE if word.startswith("detector.")]
    with faceport.pipeline(model="retinaface_mobilenet", target="torch", overrides=words) as detector:
        found = detector(images[0])
    faces = cascade(images[0])
    assert_same(faces.only(found.fields), found)
    model = faceport.create("model", "pipnet_mobilenet_v2", weights="random")
    steps = model.predict(Sample("", images[0], faces=found))
    call = next(steps)
    assert len(call.inputs["image"]) == 3
    with pytest.raises(StopIteration) as stop:
        steps.send(run_module(model.network, load_module(model.network), call.inputs))
    assert_same(stop.value.value, faces)


def test_onnx_runtime_is_the_target_that_is_taken(images, cascade):
    with faceport.pipeline("pipnet_mobilenet_v2", "retinaface_mobilenet", overrides=CASCADE) as opened:
        assert {fact["runtime"] for fact in opened.facts.values()} == {"onnxruntime"}
        np.testing.assert_allclose(opened(images[0]).boxes, cascade(images[0]).boxes, atol=0.01)


def test_a_stream_gives_what_single_pictures_give_in_order(cascade, images):
    alone = [cascade(image) for image in images]
    words = [*CASCADE, "batch_size=4", "workers=3"]
    with faceport.pipeline("pipnet_mobilenet_v2", "retinaface_mobilenet", "torch", words) as batched:
        for one, other in zip(alone, batched.stream(iter(images)), strict=True):
            assert_same(one, other)
    assert list(cascade.stream([])) == []


def test_a_stream_holds_few_pictures_and_stops_with_its_reader(images):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield images[0]

    words = [*ALONE, "workers=2", "in_flight=4"]
    before = threading.active_count()
    with faceport.pipeline("retinaface_mobilenet", target="torch", overrides=words) as opened:
        stream = opened.stream(endless())
        for read in range(1, 21):
            next(stream)
            assert taken <= read + 2 * 4  # those in flight, and as many that were handed on together
        stream.close()
    assert threading.active_count() == before


def test_an_error_of_the_source_reaches_the_reader(cascade, images):
    def broken():
        yield images[0]
        raise OSError("camera unplugged")

    with pytest.raises(OSError, match="camera unplugged"):
        list(cascade.stream(broken()))


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (np.zeros((8, 8, 3), np.float32), r"float32 array of shape \(8, 8, 3\)"),
        (np.zeros((8, 8), np.uint8), r"uint8 array of shape \(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"uint8 array of shape \(8, 8, 4\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"uint8 array of shape \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 3), np.uint8), r"uint8 array of shape \(0, 8, 3\)"),
        ("photo.jpg", "str"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(cascade, images, wrong, what):
    with pytest.raises(FaceportError, match=f"must be an RGB uint8 array .* not .*{what}"):
        cascade(wrong)
    with pytest.raises(FaceportError, match=f"must be an RGB uint8 array .* not .*{what}"):
        list(cascade.stream([images[0], wrong]))


def test_views_and_tiny_pictures_are_fine(cascade, images):
    bgr = np.ascontiguousarray(images[0][..., ::-1])
    assert_same(cascade(bgr[..., ::-1]), cascade(images[0]))
    frozen = images[0].copy()
    frozen.setflags(write=False)
    assert_same(cascade(frozen), cascade(images[0]))
    assert len(cascade(images[0][:1, :1])) == 3


def test_a_pipeline_may_be_called_from_several_threads(cascade, images):
    alone = [cascade(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(cascade, images), strict=True):
            assert_same(one, other)


def test_pipelines_may_be_opened_from_several_threads(tmp_path, images):
    import torch

    module = load_module(faceport.create("model", "retinaface_mobilenet", weights="random").network)
    torch.save(module.state_dict(), tmp_path / "net.pth")

    def count(most: int) -> int:
        words = [f"model.weights={tmp_path}/net.pth", "model.confidence=0.0", f"model.keep_top_k={most}"]
        with faceport.pipeline("retinaface_mobilenet", target="torch", overrides=words) as opened:
            return len(opened(images[0]))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(count, [1, 2, 3])) == [1, 2, 3]


def test_a_model_that_must_be_told_boxes_asks_for_a_detector():
    with pytest.raises(ConfigError, match=r"pipnet_mobilenet_v2 must be told boxes\. .*detector=mtcnn or"):
        faceport.pipeline("pipnet_mobilenet_v2", overrides=["model.weights=random"])


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["model.wieghts=random"], ConfigError, "no option 'wieghts'.*Did you mean weights"),
        (["model.weights=/nowhere.pth"], MissingError, "weights file /nowhere.pth does not exist"),
        (["dataset=synthetic"], ConfigError, "dataset"),
        (["detector=pipnet_resnet18"], ConfigError, "finds no faces by itself"),
    ],
)
def test_a_mistake_is_an_exception_with_a_sentence(words, error, sentence):
    with pytest.raises(error, match=sentence):
        faceport.pipeline("retinaface_mobilenet", overrides=words)


def test_a_module_has_the_official_keys():
    model = faceport.create("model", "retinaface_mobilenet", weights="random")
    module = load_module(model.networks["retinaface"])
    keys = module.state_dict().keys()
    assert {"body.stage1.0.0.weight", "fpn.output1.0.weight", "BboxHead.0.conv1x1.bias"} <= keys
    assert not module.training


def test_run_does_what_the_command_does_and_gives_the_record(tmp_path):
    words = ["model=retinaface_mobilenet", *ALONE, "target=torch", "dataset=synthetic", "dataset.count=2"]
    record = faceport.run([*words, f"out={tmp_path}"])
    assert record["status"] == "done"
    written = json.loads((Path(record["folder"]) / "record.json").read_text())
    assert written["samples"] == record["samples"]
    assert written["metrics"].keys() == {"widerface_ap"}
    with pytest.raises(ConfigError, match=r"choose a dataset: dataset=NAME\. Available: "):
        faceport.run(words[:4])


def test_the_package_has_no_other_names():
    assert set(faceport.__all__) == {"Faces", "Pipeline", "create", "load_module", "pipeline", "run"}
    for name in faceport.__all__:
        assert getattr(faceport, name).__module__.startswith("faceport.")
    with pytest.raises(AttributeError, match="has no attribute 'piepline'"):
        faceport.piepline  # noqa: B018
