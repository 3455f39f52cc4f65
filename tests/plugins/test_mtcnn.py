import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceport.api import Network
from faceport.files import file_sha256
from faceport.networks.modules import load_module
from faceport.plugins.loading import create
from faceport.types import Call, Faces, Sample, Tensors
from faceport_facenet.area import AreaTable
from faceport_facenet.mtcnn import OFFICIAL, SHA256, Mtcnn, MtcnnOptions
from faceport_facenet.stages import merge, propose, pyramid, regions, select
from tests.reference import load_network, run_onnxruntime, run_torch

NETWORKS = ("pnet", "rnet", "onet")
PHOTOS = {  # reference -> photo below real_dir
    "data_multiface": "photos/multiface.jpg",
    "angelina_jolie_1": "facenet_golden/test_images/angelina_jolie/1.jpg",
    "paul_rudd_1": "facenet_golden/test_images/paul_rudd/1.jpg",
}


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


class TorchRunner:
    """Run calls in torch."""

    def __init__(self, networks: dict[str, Network]) -> None:
        self.modules = {name: load_module(network) for name, network in networks.items()}
        self.outputs = {name: [spec.name for spec in network.outputs] for name, network in networks.items()}

    def __call__(self, call: Call) -> Tensors:
        import torch

        with torch.inference_mode():
            found = self.modules[call.network](torch.from_numpy(call.inputs["image"]))
        return {name: out.numpy() for name, out in zip(self.outputs[call.network], found, strict=True)}


class OnnxRunner:
    """Run calls in ONNX Runtime, on networks exported once for all sizes."""

    def __init__(self, networks: dict[str, Network], folder: Path) -> None:
        import onnxruntime

        from faceport.networks.export import export_onnx

        self.sessions = {}
        for name, network in networks.items():
            export_onnx(network, folder / f"{name}.onnx")
            providers = ["CPUExecutionProvider"]
            self.sessions[name] = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=providers)

    def __call__(self, call: Call) -> Tensors:
        session = self.sessions[call.network]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(call.inputs)), strict=True))


def detect(model: Mtcnn, image: np.ndarray, run) -> Faces:
    steps = model.predict(Sample("picture", image))
    try:
        calls = next(steps)
        while True:
            calls = steps.send(run(calls) if isinstance(calls, Call) else [run(call) for call in calls])
    except StopIteration as stop:
        return stop.value


@pytest.fixture(scope="module")
def mtcnn(real_dir) -> Mtcnn:
    return create("model", "mtcnn", weights=str(real_dir / "weights" / "mtcnn"))


@pytest.fixture(scope="module", params=["torch", "onnxruntime"])
def run(request, mtcnn, tmp_path_factory):
    if request.param == "torch":
        return TorchRunner(mtcnn.networks)
    return OnnxRunner(mtcnn.networks, tmp_path_factory.mktemp("onnx"))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_gives_the_official_numbers(name, reference_dir):
    reference = load_network(reference_dir, f"mtcnn_{name}")
    module = create("model", "mtcnn", weights="random").networks[name].build()
    assert reference.deviation(run_torch(module, reference)) <= 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_export_gives_the_official_numbers(name, reference_dir, tmp_path):
    import torch

    reference = load_network(reference_dir, f"mtcnn_{name}")
    state = {key: torch.from_numpy(value) for key, value in reference.weights().items()}
    torch.save(state, tmp_path / f"{name}.pt")
    network = create("model", "mtcnn", weights=str(tmp_path)).networks[name]
    assert reference.deviation(run_onnxruntime(network, reference, tmp_path)) <= 1e-4


@pytest.mark.parametrize("photo", PHOTOS)
def test_faces_on_photos_are_the_official_ones(photo, mtcnn, run, real_dir, reference_dir):
    with np.load(reference_dir / "algorithms" / f"mtcnn_real_{photo}.npz") as file:
        expected = dict(file)
    faces = detect(mtcnn, read(real_dir / PHOTOS[photo]), run)
    assert len(faces) == len(expected["boxes"])
    np.testing.assert_allclose(faces.boxes, expected["boxes"], rtol=0, atol=0.05)
    np.testing.assert_allclose(faces.points, expected["landmarks"], rtol=0, atol=0.05)
    np.testing.assert_allclose(faces.scores, expected["probs"], rtol=0, atol=1e-4)


def test_faces_of_a_crowd_are_the_official_ones(mtcnn, real_dir):
    expected = json.loads((real_dir / "reference_runs" / "mtcnn.json").read_text())
    run = TorchRunner(mtcnn.networks)
    for picture in ("photos/biubug6_test.jpg", "lfw/raw250/Anthony_Hopkins/Anthony_Hopkins_0001.jpg"):
        faces, official = detect(mtcnn, read(real_dir / picture), run), expected[picture]["faces"]
        assert len(faces) == expected[picture]["n"]
        np.testing.assert_allclose(faces.boxes, [face["box"] for face in official], atol=0.05)
        np.testing.assert_allclose(faces.scores, [face["prob"] for face in official], atol=1e-4)


@pytest.mark.parametrize("shape, size", [((97, 131), (40, 53)), ((48, 36), (48, 36)), ((31, 17), (50, 20))])
def test_area_resize_is_that_of_torch(shape, size):
    import torch
    from torch.nn.functional import interpolate

    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    table = AreaTable(image)
    expected = (interpolate(planes, size=size, mode="area") - 127.5) / 128
    np.testing.assert_allclose(table.resize(*size), expected.numpy(), rtol=0, atol=1e-6)
    boxes = np.array([[0, 0, 9, 5], [3, 7, 16, 28], [10, 2, 11, 3]])
    crops = table.crops(boxes, 24)
    for crop, (x1, y1, x2, y2) in zip(crops, boxes, strict=True):
        expected = (interpolate(planes[:, :, y1:y2, x1:x2], size=(24, 24), mode="area") - 127.5) / 128
        np.testing.assert_allclose(crop, expected[0].numpy(), rtol=0, atol=1e-6)


def test_sums_of_large_pictures_do_not_overflow():
    white = np.full((3000, 3000, 3), 255, np.uint8)
    table = AreaTable(white)
    assert (table.resize(7, 5) == np.float32(127.5 / 128)).all()
    assert (table.crops(np.array([[2990, 2990, 3000, 3000]]), 24) == np.float32(127.5 / 128)).all()


def test_pyramid_has_the_official_sizes():
    sides = [level.height for level in pyramid(250, 250, 20, 0.709)]
    assert sides == [151, 107, 76, 54, 38, 27, 20, 14]
    assert pyramid(19, 500, 20, 0.709) == []


def test_picture_smaller_than_a_face_has_none(mtcnn):
    def never(call):
        raise AssertionError(f"no network is needed, '{call.network}' was asked for")

    faces = detect(mtcnn, np.zeros((10, 300, 3), np.uint8), never)
    assert faces.boxes.shape == (0, 4) and faces.points.shape == (0, 5, 2) and faces.scores.shape == (0,)


def test_plain_picture_has_no_faces(mtcnn):
    faces = detect(mtcnn, np.full((120, 160, 3), 90, np.uint8), TorchRunner(mtcnn.networks))
    assert len(faces) == 0 and faces.fields == {"boxes", "scores", "points"}


def test_no_candidates_give_no_boxes():
    nothing = propose(np.zeros((4, 5, 6), np.float32), np.zeros((2, 5, 6), np.float32), 0.6, 0.6)
    assert nothing.shape == (0, 9)
    assert merge([nothing, nothing]).shape == (0, 4)


def test_boxes_are_cut_at_the_borders_and_dropped_beyond_them():
    boxes = np.array(
        [[-5.7, -0.2, 10.9, 8.1], [90, 40, 130, 80], [105, 0, 120, 20], [-9, -9, -2, -2]], np.float32
    )
    kept, pixels = regions(boxes, height=60, width=100)
    assert pixels.tolist() == [[0, 0, 10, 8], [89, 39, 100, 60]]
    np.testing.assert_array_equal(kept, boxes[:2])


@pytest.mark.parametrize(
    "rule, chosen",
    [
        ("keep_all", [0, 1, 2]),
        ("largest", [0]),
        ("largest_over_threshold", [1]),
        ("probability", [2]),
        ("center_weighted", [1]),
    ],
)
def test_one_face_is_chosen_by_the_rules_of_the_original(rule, chosen):
    boxes = np.array([[0, 0, 60, 60], [75, 80, 115, 120], [150, 150, 180, 180]], np.float32)
    scores = np.array([0.8, 0.95, 0.99], np.float32)
    assert select(boxes, scores, rule, height=200, width=200).tolist() == chosen
    assert select(boxes[:0], scores[:0], rule, height=200, width=200).tolist() == []


def test_hashes_belong_to_the_official_weights(real_dir):
    for name in NETWORKS:
        assert file_sha256(real_dir / "weights" / "mtcnn" / f"{name}.pt") == SHA256[name]
    networks = create("model", "mtcnn", weights=OFFICIAL).networks
    assert {name: network.sha256 for name, network in networks.items()} == SHA256
    assert networks["pnet"].weights == f"{OFFICIAL}/pnet.pt"


@pytest.mark.parametrize(
    "options, complaint",
    [
        ({"min_face_size": 0}, "at least 1"),
        ({"factor": 1.0}, "between"),
        ({"thresholds": [0.5]}, "per network"),
    ],
)
def test_options_that_cannot_work_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        MtcnnOptions(**options)


def test_importing_the_models_imports_no_torch():
    code = "import sys, faceport_facenet.mtcnn, faceport_facenet.facenet; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
