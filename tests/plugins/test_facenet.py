import cv2
import numpy as np
import pytest

from faceport.errors import FaceportError
from faceport.networks.modules import load_module
from faceport.plugins.index import installed
from faceport.plugins.loading import create
from faceport.types import Call, Faces, Sample
from faceport_facenet.facenet import FaceNet, FaceNetOptions, crop
from tests.reference import load_network, run_onnxruntime, run_torch, save_weights

NETWORKS = {"facenet_inception_resnet_v1": 0, "facenet_inception_resnet_v1_classify8631": 8631}
PHOTOS = {
    "data_multiface": "photos/multiface.jpg",
    "angelina_jolie_1": "facenet_golden/test_images/angelina_jolie/1.jpg",
    "paul_rudd_1": "facenet_golden/test_images/paul_rudd/1.jpg",
}


def model(weights: str = "random", **options) -> FaceNet:
    return create("model", "facenet", weights=weights, **options)


def forward(facenet: FaceNet, call: Call) -> dict[str, np.ndarray]:
    import torch

    with torch.inference_mode():
        out = load_module(facenet.network)(torch.from_numpy(np.ascontiguousarray(call.inputs["image"])))
    return {facenet.network.outputs[0].name: out.numpy()}


def run(facenet: FaceNet, sample: Sample) -> Faces:
    steps = facenet.predict(sample)
    try:
        steps.send(forward(facenet, next(steps)))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("one call is expected")


@pytest.fixture(scope="module")
def photo() -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    image = np.kron(image, np.ones((8, 8, 1), np.uint8))
    boxes = np.array([[40, 30, 130, 150], [150, 60, 310, 230]], np.float32)
    points = np.array([[[60, 70], [105, 70], [82, 95], [65, 120], [100, 120]]] * 2, np.float32)
    return Sample("photo", image, faces=Faces(boxes=boxes, points=points))


@pytest.mark.parametrize("name", NETWORKS)
def test_network_gives_the_official_numbers(name, reference_dir):
    reference = load_network(reference_dir, name)
    module = model(classify=NETWORKS[name]).network.build()
    assert reference.deviation(run_torch(module, reference)) <= 1e-4


def test_card_has_the_numbers_of_the_reference(reference_dir):
    card, reference = (
        installed().find("model", "facenet").card,
        load_network(reference_dir, next(iter(NETWORKS))),
    )
    faces = reference.input_shape[0]
    assert (card["parameters"], card["macs"]) == (reference.params, reference.macs // faces)


@pytest.mark.parametrize("name", NETWORKS)
def test_export_gives_the_official_numbers(name, reference_dir, tmp_path):
    reference = load_network(reference_dir, name)
    weights = save_weights(reference, tmp_path / "weights.safetensors")
    network = model(weights, classify=NETWORKS[name]).network
    assert reference.deviation(run_onnxruntime(network, reference, tmp_path)) <= 1e-4


def test_embeddings_need_no_classifier_of_the_checkpoint(reference_dir, tmp_path):
    # both references were made by one rule, so that they differ in the classifier alone
    with_classifier = load_network(reference_dir, "facenet_inception_resnet_v1_classify8631")
    weights = save_weights(with_classifier, tmp_path / "weights.safetensors")
    embedding = load_network(reference_dir, "facenet_inception_resnet_v1")
    facenet = model(weights)
    out = forward(facenet, Call("facenet", {"image": embedding.input()}))
    assert embedding.deviation(out) <= 1e-4


def test_missing_classifier_is_explained(reference_dir, tmp_path):
    reference = load_network(reference_dir, "facenet_inception_resnet_v1")
    weights = save_weights(reference, tmp_path / "weights.safetensors")
    with pytest.raises(FaceportError, match=r"missing \(logits.weight, logits.bias\).*fit model=facenet\b"):
        load_module(model(weights, classify=8631).network)


@pytest.mark.parametrize("photo", PHOTOS)
def test_crop_is_the_official_one(photo, real_dir, reference_dir):
    with np.load(reference_dir / "algorithms" / f"mtcnn_real_{photo}.npz") as file:
        box, expected = file["boxes"][0], file["crop160_margin14_sample"]
    image = cv2.cvtColor(cv2.imread(str(real_dir / PHOTOS[photo])), cv2.COLOR_BGR2RGB)
    sample = crop(image, box, margin=14).transpose(2, 0, 1).ravel()[::37]
    assert np.abs(sample - expected).mean() < 0.1  # grey levels


def test_embeddings_are_unit_vectors_beside_what_was_known(photo):
    faces = run(model(), photo)
    assert faces.fields == {"boxes", "points", "embeddings"}
    np.testing.assert_allclose(np.linalg.norm(faces.embeddings, axis=1), 1, rtol=1e-5)


def test_flip_makes_a_face_and_its_mirror_image_the_same(photo):
    width = photo.image.shape[1]
    boxes = photo.faces.boxes
    mirrored = np.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), axis=1)
    other = Sample("mirrored", photo.image[:, ::-1].copy(), faces=Faces(boxes=mirrored))
    facenet = model(flip=True, margin=0)
    np.testing.assert_allclose(run(facenet, photo).embeddings, run(facenet, other).embeddings, atol=1e-4)


def test_aligned_crop_puts_the_points_into_their_places(photo):
    facenet = model(align=True)
    assert facenet.needs == {"points"}
    assert next(facenet.predict(photo)).inputs["image"].shape == (2, 3, 160, 160)
    # a picture that is white where the eyes are: so must the crop be, where eyes belong
    image = np.zeros_like(photo.image)
    for x, y in photo.faces.points[0, :2].astype(int):
        cv2.circle(image, (int(x), int(y)), 5, (255, 255, 255), -1)
    aligned = facenet.crops(Sample("eyes", image, faces=photo.faces))[0]
    for x, y in ((38.3, 51.7), (73.5, 51.5)):
        assert aligned[round(y * 160 / 112), round(x * 160 / 112)].min() > 200


def test_classifier_names_the_class(photo):
    facenet = model(classify=7)
    assert facenet.provides == {"identities"}
    call = next(facenet.predict(photo))
    faces = facenet.postprocess(photo, {"logits": np.eye(7, dtype=np.float32)[[3, 5]]})
    assert call.size == 2 and faces.identities.tolist() == [3, 5]


@pytest.mark.parametrize("classes, field", [(0, "embeddings"), (7, "identities")])
def test_picture_without_faces_needs_no_network(classes, field):
    nobody = Faces(boxes=np.empty((0, 4), np.float32))
    found = run(model(classify=classes), Sample("nobody", np.zeros((50, 60, 3), np.uint8), faces=nobody))
    assert len(getattr(found, field)) == 0


@pytest.mark.parametrize("options", [{"margin": 160}, {"margin": -1}, {"classify": -1}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match=f"option '{next(iter(options))}'"):
        FaceNetOptions(**options)
