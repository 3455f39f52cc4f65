"""RetinaFace's network: official numbers, official detections, export."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceport.networks.modules import load_module

torch = pytest.importorskip("torch", reason="networks need torch")

from faceport.ops.boxes import iou  # noqa: E402
from faceport.plugins.loading import create  # noqa: E402
from faceport.types import Call, Faces, Sample  # noqa: E402
from faceport_retinaface.model import RetinaFace  # noqa: E402
from faceport_retinaface.net import RetinaFaceNet  # noqa: E402
from tests.reference import load_network, run_torch  # noqa: E402

OUTPUTS = ("loc", "conf", "landms")
PHOTOS = ("multiface", "biubug6_test", "pipnet_2")
SUBSET = (2, 13, 20)  # a crowd of 931, a match with 6, a dance with 53


@pytest.fixture(scope="module")
def official(real_dir: Path) -> str:
    return str(real_dir / "weights" / "retinaface" / "RetinaFace_mobilenet025.pth")


def detect(path: Path, **options: Any) -> Faces:
    """Read a picture and drive the model over torch by hand."""
    model: RetinaFace = create("model", "retinaface_mobilenet", **options)
    pixels = cv2.imread(str(path))
    assert pixels is not None, path
    steps = model.predict(Sample("picture", np.ascontiguousarray(pixels[..., ::-1])))
    call = next(steps)
    assert isinstance(call, Call)
    with torch.inference_mode():
        outputs = load_module(model.network)(torch.from_numpy(call.inputs["image"]))
    with pytest.raises(StopIteration) as stop:
        steps.send({name: value.numpy() for name, value in zip(OUTPUTS, outputs, strict=True)})
    faces: Faces = stop.value.value
    return faces


def assert_same_faces(faces: Faces, expected: np.ndarray[Any, Any]) -> None:
    assert faces.boxes is not None and faces.scores is not None and faces.points is not None
    assert len(faces) == len(expected)
    np.testing.assert_allclose(faces.scores, expected[:, 4], atol=1e-4)
    np.testing.assert_allclose(faces.boxes, expected[:, :4], atol=0.5)
    np.testing.assert_allclose(faces.points.reshape(-1, 10), expected[:, 5:], atol=0.5)


@pytest.mark.parametrize("size", [320, 640])
@pytest.mark.parametrize("backbone", ["mobilenet0.25", "resnet50"])
def test_network_is_the_official_one(reference_dir: Path, backbone: str, size: int) -> None:
    reference = load_network(reference_dir, f"retinaface_{backbone}_{size}")
    outputs = run_torch(RetinaFaceNet(backbone), reference)
    assert reference.deviation(outputs) < 1e-4


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_give_the_official_faces(
    reference_dir: Path, real_dir: Path, official: str, name: str
) -> None:
    with np.load(reference_dir / "algorithms" / f"retinaface_mnet_real_{name}.npz") as reference:
        expected = reference["detections"]
    assert_same_faces(detect(real_dir / "photos" / f"{name}.jpg", weights=official), expected)


@pytest.mark.parametrize("position", SUBSET)
def test_wider_pictures_give_the_official_faces(
    reference_dir: Path, real_dir: Path, official: str, position: int
) -> None:
    with np.load(reference_dir / "algorithms" / "retinaface_mnet_wider_subset.npz") as reference:
        name, counts = str(reference["names"][position]), reference["counts"]
        start = counts[:position].sum()
        expected = reference["detections"][start : start + counts[position]]
    faces = detect(real_dir / "wider" / "WIDER_val" / "images" / name, weights=official)
    assert_same_faces(faces, expected)


@pytest.mark.parametrize("options", [{"size": 640}, {"size": 640, "pad": "none"}, {"pad": "square"}])
def test_other_sizes_find_the_same_faces(
    reference_dir: Path, real_dir: Path, official: str, options: dict[str, Any]
) -> None:
    with np.load(reference_dir / "algorithms" / "retinaface_mnet_real_multiface.npz") as reference:
        expected = reference["detections"][reference["detections"][:, 4] > 0.5]
    faces = detect(real_dir / "photos" / "multiface.jpg", weights=official, confidence=0.5, **options)
    assert faces.boxes is not None and faces.points is not None
    overlap = iou(expected[:, :4], faces.boxes)
    assert len(faces) == len(expected)
    assert overlap.max(axis=1).min() > 0.85
    widths = expected[:, 2] - expected[:, 0]
    moved = np.abs(faces.points[overlap.argmax(axis=1)].reshape(-1, 10) - expected[:, 5:]).max(axis=1)
    assert (moved / widths).max() < 0.15


def test_a_checkpoint_with_other_anchors_needs_them(reference_dir: Path, real_dir: Path) -> None:
    with np.load(reference_dir / "algorithms" / "retinaface_mnet_real_multiface.npz") as reference:
        expected = reference["detections"][reference["detections"][:, 4] > 0.9, :4]
    options = {"weights": str(real_dir / "weights/retinaface/other_anchors/mobilenet0.25_Final.pth")}
    photo = real_dir / "photos" / "multiface.jpg"
    known = detect(photo, confidence=0.5, **options)
    wrong = detect(photo, confidence=0.5, anchors=[[16, 32], [64, 128], [256, 512]], **options)
    assert known.boxes is not None and wrong.boxes is not None
    assert iou(expected, known.boxes).max(axis=1).min() > 0.6
    assert iou(expected, wrong.boxes).max(axis=1).max() < 0.35


@pytest.mark.parametrize("name", ["retinaface_mobilenet", "retinaface_resnet50"])
def test_random_weights_look_at_the_picture_and_call_few_anchors_faces(name: str) -> None:
    module = load_module(create("model", name, weights="random").network)
    torch.manual_seed(0)
    with torch.inference_mode():
        first, second = (module(torch.randn(1, 3, 320, 320) * 60) for _ in range(2))
    assert (first[0] - second[0]).std() > 0.05 * first[0].std()  # offsets differ from picture to picture
    assert (first[1][..., 1] > 0.02).float().mean() < 0.5


def test_outputs_have_the_shapes_that_the_model_declares() -> None:
    model: RetinaFace = create("model", "retinaface_mobilenet", weights="random", size=96)
    with torch.inference_mode():
        outputs = load_module(model.network)(torch.zeros(2, 3, 96, 96))
    assert [tuple(output.shape) for output in outputs] == [(2, *o.shape[1:]) for o in model.network.outputs]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_export_takes_any_batch_and_any_size(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime", reason="checks the exported network")
    model: RetinaFace = create("model", "retinaface_mobilenet", weights="random")
    module, path = load_module(model.network), tmp_path / "retinaface.onnx"
    torch.onnx.export(
        module,
        (torch.randn(1, 3, 64, 96),),
        path,
        input_names=["image"],
        output_names=list(OUTPUTS),
        dynamic_axes={"image": {0: "batch", 2: "height", 3: "width"}, **{n: {0: "batch"} for n in OUTPUTS}},
        dynamo=False,
    )
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, height, width in ((1, 64, 96), (2, 97, 131), (3, 33, 70), (1, 1, 1)):
        image = torch.randn(batch, 3, height, width) * 60
        with torch.inference_mode():
            expected = module(image)
        for found, value in zip(session.run(OUTPUTS, {"image": image.numpy()}), expected, strict=True):
            np.testing.assert_allclose(found, value, atol=1e-4 * max(1.0, float(value.std())))
