import subprocess
import sys

import numpy as np
import pytest

from faceport.errors import ConfigError, FaceportError
from faceport.networks.modules import load_module
from faceport.ops.landmarks import FLIPS, neighbours
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.types import Call, Faces, Sample
from faceport_pipnet import BACKBONES
from faceport_pipnet.decode import ballot, decode, published_mean_faces, read_mean_face
from faceport_pipnet.model import Pipnet, PipnetOptions, crop_regions
from tests.reference import load_network, run_onnxruntime, run_torch, save_weights

NETWORKS = {  # reference -> options
    "pipnet_resnet18_98": {"backbone": "resnet18"},
    "pipnet_resnet50_98": {"backbone": "resnet50"},
    "pipnet_resnet101_98": {"backbone": "resnet101"},
    "pipnet_mobilenet_v2_98": {"backbone": "mobilenet_v2"},
    "pipnet_mobilenet_v3_98": {"backbone": "mobilenet_v3"},
    "pipnet_resnet18_68": {"backbone": "resnet18", "landmarks": 68},
    "pipnet_resnet18_98_stride64": {"backbone": "resnet18", "stride": 64},
    "pipnet_resnet18_98_stride128": {"backbone": "resnet18", "stride": 128},
    "pipnet_ir18_68": {"backbone": "ir18", "landmarks": 68},
    "pipnet_ir50_68": {"backbone": "ir50", "landmarks": 68},
    "pipnet_ir100_68": {"backbone": "ir100", "landmarks": 68},
}
HEAVY = ("resnet50", "resnet101", "ir50", "ir100")
PUBLISHED_MILLIONS = {"resnet18": 12.333, "resnet101": 47.119, "mobilenet_v2": 5.111, "mobilenet_v3": 5.138}


def model(weights: str = "random", backbone: str = "resnet18", **options) -> Pipnet:
    return create("model", f"pipnet_{backbone}", weights=weights, **options)


def forward(pipnet: Pipnet, call: Call) -> dict[str, np.ndarray]:
    import torch

    with torch.inference_mode():
        outputs = load_module(pipnet.network)(*(torch.from_numpy(value) for value in call.inputs.values()))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return {spec.name: out.numpy() for spec, out in zip(pipnet.network.outputs, outputs, strict=True)}


def run(pipnet: Pipnet, sample: Sample) -> Faces:
    steps = pipnet.predict(sample)
    try:
        call = next(steps)
        steps.send(forward(pipnet, call))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("one call is expected")


@pytest.fixture(scope="module")
def photo() -> Sample:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 40, 3), np.uint8)
    image = np.kron(coarse, np.ones((10, 10, 1), np.uint8))
    boxes = np.array([[40, 30, 180, 190], [200, 100, 370, 270]], np.float32)
    return Sample("photo", image, faces=Faces(boxes=boxes))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_gives_the_official_numbers(name, reference_dir):
    reference, options = load_network(reference_dir, name), NETWORKS[name]
    assert reference.deviation(run_torch(model(**options).network.build(), reference)) <= 1e-4


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if options["backbone"] in HEAVY else ())
        for name, options in NETWORKS.items()
    ],
)
def test_export_gives_the_official_numbers(name, reference_dir, tmp_path):
    reference = load_network(reference_dir, name)
    weights = save_weights(reference, tmp_path / "weights.safetensors")
    network = model(weights, **NETWORKS[name]).network
    deviation = reference.deviation(run_onnxruntime(network, reference, tmp_path))
    if deviation > 1e-4:  # made-up weights let rounding grow; how far depends on the processor
        rounding = reference.rounding(network.build())
        assert rounding < 2e-4 and deviation <= 2 * rounding


def test_other_numbers_of_landmarks_are_explained(reference_dir, tmp_path):
    weights = save_weights(load_network(reference_dir, "pipnet_resnet18_68"), tmp_path / "w.safetensors")
    with pytest.raises(FaceportError, match=r"would fit model=pipnet_resnet18 model.landmarks=68\b"):
        load_module(model(weights).network)


def test_checkpoints_as_training_leaves_them_are_loaded(reference_dir, tmp_path):
    import torch

    reference = load_network(reference_dir, "pipnet_resnet18_98")
    half = {f"module.{key}": torch.from_numpy(value).half() for key, value in reference.weights().items()}
    torch.save({"epoch": 60, "state_dict": half}, tmp_path / "epoch59.pth")
    loaded = load_module(model(str(tmp_path / "epoch59.pth")).network).state_dict()
    for key, value in half.items():
        torch.testing.assert_close(loaded[key.removeprefix("module.")], value.float(), check_dtype=False)


@pytest.mark.parametrize("backbone", PUBLISHED_MILLIONS)
def test_parameters_are_those_of_the_published_table(backbone):
    parameters = sum(p.numel() for p in model(backbone=backbone).network.build().parameters())
    assert round(parameters / 1e6, 3) == PUBLISHED_MILLIONS[backbone]


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "slim"])
def test_card_has_the_numbers_of_the_reference(backbone, reference_dir):
    choice = installed().find("model", f"pipnet_{backbone}")
    reference = load_network(reference_dir, f"pipnet_{backbone}_{choice.content['landmarks']}")
    assert (choice.card["parameters"], choice.card["macs"]) == (reference.params, reference.macs)


def test_export_folds_the_batch_norms_that_can_be_folded(tmp_path):
    import onnx

    from faceport.networks.export import export_onnx

    export_onnx(model(backbone="ir18").network, tmp_path / "ir18.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "ir18.onnx").graph.node]
    # those before a convolution that pads with zeros must stay: one in each of the eight blocks
    assert operators.count("BatchNormalization") == 8
    assert operators.count("PRelu") == 9


def test_decode_gives_the_official_landmarks(reference_dir):
    with np.load(reference_dir / "algorithms" / "pipnet_decode_98.npz") as file:
        expected = dict(file)
    maps = [expected[name] for name in ("cls", "x", "y", "nb_x", "nb_y")]
    nearest = neighbours(published_mean_faces()[98], 10)
    np.testing.assert_array_equal(nearest, expected["neighbour_index"])
    table = ballot(nearest)
    np.testing.assert_allclose(decode(*maps, table), expected["landmarks"], rtol=0, atol=1e-5)
    alone = decode(*maps, table[:, :1])
    np.testing.assert_allclose(alone, expected["landmarks_without_neighbours"], rtol=0, atol=1e-5)


def test_decode_takes_any_number_of_faces():
    rng = np.random.default_rng(1)
    table = ballot(neighbours(published_mean_faces()[19], 3))
    maps = [rng.standard_normal((4, count, 4, 4), np.float32) for count in (19, 19, 19, 57, 57)]
    together = decode(*maps, table)
    assert together.shape == (4, 19, 2)
    for i in range(4):
        np.testing.assert_array_equal(decode(*(m[i : i + 1] for m in maps), table)[0], together[i])
    assert decode(*(m[:0] for m in maps), table).shape == (0, 19, 2)


def test_voters_are_repeated_in_turn():
    nearest = np.array([[1], [0], [0], [0]])  # landmark 0 has three voters, 1 has one, 2 and 3 have none
    table = ballot(nearest)
    assert table.tolist() == [[0, 5, 6, 7], [1, 4, 4, 4], [2, 2, 2, 2], [3, 3, 3, 3]]


@pytest.mark.parametrize(
    "folder, count", [("WFLW", 98), ("data_300W", 68), ("COFW", 29), ("AFLW", 19), ("LaPa", 106)]
)
def test_mean_faces_choose_the_official_neighbours(folder, count, real_dir):
    official = read_mean_face(real_dir / "pipnet" / "meanface" / folder / "meanface.txt", count)
    ours = published_mean_faces()[count]
    for around in (5, 10, count - 1):
        np.testing.assert_array_equal(neighbours(ours, around), neighbours(official, around))


def test_mean_face_is_averaged_from_training_faces(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("a.jpg 0.1 0.2 0.3 0.4\nb.jpg 0.3 0.4 0.5 0.6\n")
    np.testing.assert_allclose(read_mean_face(path, 2), [[0.2, 0.3], [0.4, 0.5]])
    with pytest.raises(ConfigError, match="has 2 points, expected 3"):
        read_mean_face(path, 3)


def test_crops_of_annotated_boxes_grow_and_those_of_detections_lose_their_top():
    boxes = np.array([[100, 100, 200, 300]], np.float32)
    assert crop_regions(boxes, 1.2, False, 1000, 1000).tolist() == [[90, 80, 210, 320]]
    assert crop_regions(boxes, 1.2, True, 1000, 1000).tolist() == [[90, 120, 210, 320]]
    image = np.zeros((1000, 1000, 3), np.uint8)
    annotated = Sample("a", image, faces=Faces(boxes=boxes))
    detected = Sample("b", image, faces=Faces(boxes=boxes, scores=np.ones(1, np.float32)))
    pipnet = model()
    assert pipnet.regions(annotated)[0, 1] == pytest.approx(80)
    assert pipnet.regions(detected)[0, 1] == pytest.approx(120)


@pytest.mark.parametrize(
    "box", [[-50, -50, 20, 20], [390, 290, 500, 500], [-90, -90, -10, -10], [600, 600, 700, 700]]
)
def test_boxes_beyond_the_picture_give_crops_inside_it(box, photo):
    sample = Sample("edge", photo.image, faces=Faces(boxes=np.array([box], np.float32)))
    region = model().regions(sample)[0]
    assert (region[:2] >= 0).all() and (region[2:] <= (400, 300)).all() and (region[2:] > region[:2]).all()
    assert model().preprocess(sample)["image"].shape == (1, 3, 256, 256)


def test_folded_network_gives_the_same_landmarks(photo, tmp_path, reference_dir):
    weights = save_weights(load_network(reference_dir, "pipnet_resnet18_98"), tmp_path / "w.safetensors")
    plain, folded = run(model(weights), photo), run(model(weights, fuse=True), photo)
    assert plain.landmarks.shape == (2, 98, 2)
    scale = np.abs(plain.landmarks).max()  # made-up weights place landmarks far outside
    np.testing.assert_allclose(folded.landmarks / scale, plain.landmarks / scale, rtol=0, atol=1e-5)


def test_folded_export_takes_bytes_and_gives_landmarks(photo, tmp_path, reference_dir):
    import onnxruntime

    from faceport.networks.export import export_onnx

    weights = save_weights(load_network(reference_dir, "pipnet_resnet18_68"), tmp_path / "w.safetensors")
    folded = model(weights, landmarks=68, fuse=True)
    export_onnx(folded.network, tmp_path / "folded.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "folded.onnx", providers=["CPUExecutionProvider"])
    call = next(folded.predict(photo))
    assert call.inputs["crop"].dtype == np.uint8
    (landmarks,) = session.run(None, dict(call.inputs))
    expected = forward(folded, call)["landmarks"]
    np.testing.assert_allclose(landmarks, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_flip_averages_with_the_mirrored_crop(photo, tmp_path, reference_dir):
    weights = save_weights(load_network(reference_dir, "pipnet_resnet18_98"), tmp_path / "w.safetensors")
    upside = Sample("mirrored", photo.image[:, ::-1].copy(), faces=mirrored_boxes(photo.faces.boxes, 400))
    # with averaging on, a mirrored picture must give the mirrored landmarks
    once = run(model(weights, flip=True), photo).landmarks
    again = run(model(weights, flip=True), upside).landmarks[:, FLIPS[98]] * (-1, 1) + (400, 0)
    np.testing.assert_allclose(again / np.abs(once).max(), once / np.abs(once).max(), rtol=0, atol=1e-4)


def mirrored_boxes(boxes: np.ndarray, width: int) -> Faces:
    return Faces(boxes=np.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), axis=1))


def test_subset_of_landmarks_votes_among_itself(photo):
    eyes = list(range(36, 48))
    pipnet = model(landmarks=68, subset=eyes, neighbours=5)
    assert [spec.shape[1] for spec in pipnet.network.outputs] == [12, 12, 12, 60, 60]
    # each eye has six points: with five neighbours they keep to their own eye
    assert {int(i) // 6 for i in neighbours(published_mean_faces()[68][eyes], 5)[:6].ravel()} == {0}
    assert run(pipnet, photo).landmarks.shape == (2, 12, 2)


def test_picture_without_faces_needs_no_network():
    empty = Faces(boxes=np.empty((0, 4), np.float32))
    found = run(model(), Sample("nobody", np.zeros((50, 60, 3), np.uint8), faces=empty))
    assert found.landmarks.shape == (0, 98, 2) and found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "options, complaint",
    [
        ({"subset": [1, 1]}, "each once"),
        ({"subset": [98], "neighbours": 1}, "must be 0 to 97"),
        ({"subset": [36, 37, 38], "neighbours": 3}, "must be 1 to 2"),
        ({"subset": [36, 37], "neighbours": 1, "flip": True}, "mirror image"),
    ],
)
def test_options_that_cannot_work_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        PipnetOptions("resnet18", "random", **options)


def test_weights_must_be_given_where_no_address_is_published():
    with pytest.raises(ConfigError, match="'weights' must be given"):
        create("model", "pipnet_resnet50")


def test_importing_the_model_imports_no_torch():
    code = "import sys, faceport_pipnet.model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
