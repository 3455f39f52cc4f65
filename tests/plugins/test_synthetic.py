from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceport.errors import ConfigError
from faceport.ops.boxes import iou
from faceport.ops.landmarks import CONVERSIONS, FLIPS
from faceport.plugins.loading import create
from faceport.types import Faces, Sample
from faceport_synthetic import geometry as g
from faceport_synthetic import scene
from faceport_synthetic.dataset import Synthetic, SyntheticOptions, describe
from faceport_synthetic.people import OCCLUDERS, Face, make_faces, make_person

FLAGS = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")


def dataset(**options: object) -> Synthetic:
    return Synthetic(SyntheticOptions(**{"size": [96, 128], "count": 8} | options))  # type: ignore[arg-type]


def truth(sample: Sample) -> Faces:
    assert sample.truth is not None
    return sample.truth


def assert_same(first: Sample, second: Sample) -> None:
    assert first.id == second.id
    np.testing.assert_array_equal(first.image, second.image)
    for name in truth(first).fields - {"attributes"}:
        np.testing.assert_array_equal(getattr(truth(first), name), getattr(truth(second), name))
    for name, values in truth(first).attributes.items():
        np.testing.assert_array_equal(values, truth(second).attributes[name])


def test_a_picture_depends_on_seed_and_index_alone() -> None:
    straight = list(dataset())
    for index in (5, 0, 7):  # in any order, and whatever the number of pictures
        assert_same(straight[index], dataset(count=10**9).sample(index))
    assert (straight[0].image != straight[1].image).any()
    assert (straight[0].image != dataset(seed=1).sample(0).image).any()


def test_threads_paint_the_same_pictures() -> None:
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda sample: sample.image, dataset()))
    for image, sample in zip(images, dataset(), strict=True):
        np.testing.assert_array_equal(image, sample.image)


def test_pictures_do_not_depend_on_the_threads_that_opencv_uses() -> None:
    before = cv2.getNumThreads()
    try:
        images = []
        for threads in (1, 2, 3):
            cv2.setNumThreads(threads)
            images.append([sample.image for sample in dataset()])
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


def test_nothing_is_painted_until_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = []
    original = scene.paint_scene
    monkeypatch.setattr(
        "faceport_synthetic.dataset.paint_scene", lambda *given: painted.append(given[1]) or original(*given)
    )
    samples = list(dataset())
    assert painted == []
    _ = samples[3].image
    assert painted == [3]


def test_encoded_samples_carry_jpeg_and_decode_it_when_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = list(dataset(count=2))
    pictures = [sample.image for sample in plain]
    samples = list(dataset(count=2, encoded=True, quality=95))
    monkeypatch.delattr(scene, "paint_face")  # nothing is left to paint
    for sample, original, picture in zip(samples, plain, pictures, strict=True):
        assert len(truth(sample)) == len(truth(original))
        assert sample.image.shape == picture.shape
        assert np.abs(sample.image.astype(int) - picture).mean() < 6


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (300, 900), (640, 640), (1080, 607)])
@pytest.mark.parametrize("faces", [(0, 0), (1, 1), (2, 9)])
def test_any_size_and_number_of_faces(size: tuple[int, int], faces: tuple[int, int]) -> None:
    for sample in dataset(size=list(size), faces=list(faces), count=3):
        known = truth(sample)
        assert sample.image.shape == (*size, 3)
        assert sample.image.dtype == np.uint8
        assert faces[0] <= len(known) <= faces[1]
        assert known.boxes is not None and known.landmarks is not None and known.points is not None
        assert known.boxes.shape == (len(known), 4)
        height, width = size
        assert (known.boxes >= 0).all()
        assert (known.boxes <= [width, height, width, height]).all()
        low, high = known.boxes[:, None, :2], known.boxes[:, None, 2:]
        for points in (known.landmarks, known.points):
            assert ((points >= low - 1e-3) & (points <= high + 1e-3)).all()
        if len(known) > 1:
            assert np.triu(iou(known.boxes, known.boxes), 1).max() == 0


@pytest.mark.parametrize("landmarks", [5, 68, 98])
def test_landmarks_come_as_the_set_that_was_asked_for(landmarks: int) -> None:
    known, full = truth(dataset(landmarks=landmarks).sample(0)), truth(dataset().sample(0))
    assert known.landmarks is not None and full.landmarks is not None and known.points is not None
    assert known.landmarks.shape == (len(full), landmarks, 2)
    if landmarks == 68:
        np.testing.assert_array_equal(known.landmarks, full.landmarks[:, CONVERSIONS[98, 68]])
    eyes = np.stack([full.landmarks[:, 60:68].mean(axis=1), full.landmarks[:, 68:76].mean(axis=1)], axis=1)
    np.testing.assert_allclose(known.points[:, :2], eyes, atol=1e-3)
    np.testing.assert_allclose(known.points[:, 2:], full.landmarks[:, [54, 76, 82]], atol=1e-3)
    if landmarks == 5:
        np.testing.assert_array_equal(known.landmarks, known.points)


def test_a_face_that_looks_ahead_is_its_own_mirror_image_in_the_order_of_wflw() -> None:
    head = g.build_head(g.Shape(), g.Expression(smile=0.5, mouth_open=0.3, brows=0.4)).landmarks
    np.testing.assert_allclose(head[FLIPS[98]] * (-1, 1, 1), head, atol=1e-9)


def test_landmarks_lie_like_those_of_the_official_mean_face(real_dir: Path) -> None:
    official = np.loadtxt(real_dir / "pipnet" / "meanface" / "WFLW" / "meanface.txt").reshape(98, 2)
    ours = g.project(g.build_head(g.Shape(), g.Expression(smile=0.3, mouth_open=0.1)), g.Pose()).landmarks
    affine = np.column_stack([ours, np.ones(98)])
    fitted = affine @ np.linalg.lstsq(affine, official, rcond=None)[0]
    distance = np.linalg.norm(fitted - official, axis=1) / np.linalg.norm(official[60] - official[72])
    assert distance.mean() < 0.06
    assert distance.max() < 0.2


def test_head_turns_the_way_it_is_told() -> None:
    head = g.build_head(g.Shape(), g.Expression())
    ahead = g.project(head, g.Pose()).landmarks
    right, down = g.project(head, g.Pose(yaw=30)).landmarks, g.project(head, g.Pose(pitch=15)).landmarks
    clockwise = g.project(head, g.Pose(roll=20)).landmarks
    nose, eyes = g.NOSE_TIP, slice(60, 76)
    assert right[nose, 0] - right[eyes, 0].mean() > ahead[nose, 0] + 0.15
    assert down[nose, 1] - down[eyes, 1].mean() > ahead[nose, 1] - ahead[eyes, 1].mean()
    tilt = np.rad2deg(np.arctan2(*(clockwise[72] - clockwise[60])[::-1]))
    assert tilt == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("yaw", [-40, -20, 0, 20, 40])
def test_jaw_lies_on_the_contour_that_is_seen(yaw: float) -> None:
    head = g.project(g.build_head(g.Shape(), g.Expression()), g.Pose(yaw=yaw, roll=10))
    skin = head.skin.astype(np.float32)
    for point in head.landmarks[4:29].astype(np.float32):
        assert abs(cv2.pointPolygonTest(skin, point.tolist(), True)) < 0.03


def test_expressions_move_what_they_should() -> None:
    def look(**muscles: float) -> np.ndarray:
        return g.build_head(g.Shape(), g.Expression(**muscles)).landmarks

    neutral = look()
    gap = neutral[94, 1] - neutral[90, 1]
    assert look(mouth_open=1.0)[94, 1] - neutral[90, 1] > gap + 0.2
    assert look(mouth_open=1.0)[16, 1] > neutral[16, 1]
    assert look(smile=1.0)[76, 1] < neutral[76, 1]
    closed = look(blink=1.0)
    assert closed[66, 1] - closed[62, 1] < 0.3 * (neutral[66, 1] - neutral[62, 1])
    assert look(brows=1.0)[35, 1] < neutral[35, 1]


def test_smooth_curves_pass_through_their_points() -> None:
    points = np.random.default_rng(0).normal(size=(8, 2))
    np.testing.assert_allclose(g.smooth(points, steps=5)[::5], points, atol=1e-12)
    np.testing.assert_allclose(g.smooth(points, closed=False, steps=3)[::3], points, atol=1e-12)


def one_face(index: int, size: int = 320) -> Face:
    (face,) = make_faces(0, index, (size, size), (1, 1), 50)
    return face


def test_truth_lies_on_what_is_painted() -> None:
    dark, red = [], []
    for index in range(40):
        face = one_face(index)
        known = describe([face], 98).attributes
        if any(known[name][0] for name in FLAGS) or face.view.expression.blink > 0.3 or face.person.beard:
            continue
        image = scene.paint_scene(0, index, (320, 320), [face]).astype(int)
        mean = cv2.blur(image.astype(np.float32), (3, 3))

        def at(point: np.ndarray, mean: np.ndarray = mean) -> np.ndarray:
            x, y = np.rint(point).astype(int)
            return mean[y, x]

        points = face.head.landmarks
        between = points[51]  # skin, between the eyes
        dark += [at(points[pupil]).mean() < at(between).mean() for pupil in (96, 97)]
        lip, chin = at((points[85] + points[94]) / 2), at(0.5 * points[85] + 0.5 * points[16])
        red.append(lip[0] / lip[1] > chin[0] / chin[1])
    assert len(red) >= 8
    assert np.mean(dark) == 1
    assert np.mean(red) > 0.9


def test_a_person_keeps_features_from_picture_to_picture() -> None:
    seen: dict[int, list[Face]] = {}
    for index in range(60):
        face = one_face(index)
        seen.setdefault(face.person.identity, []).append(face)
    again = [faces for faces in seen.values() if len(faces) > 1]
    assert again
    for faces in again:
        assert len({face.person for face in faces}) == 1
        assert len({face.view for face in faces}) == len(faces)
    assert len({make_person(0, identity) for identity in range(50)}) == 50


def test_pictures_of_one_person_are_more_alike_than_pictures_of_two() -> None:
    colours, names = [], []
    for index in range(80):
        face = one_face(index, 160)
        if face.view.occluder or face.view.ambient < 0.4:
            continue
        face = replace(face, person=make_person(0, face.person.identity % 8))
        image = scene.paint_scene(0, index, (160, 160), [face])
        x, y = np.rint(face.head.landmarks[51:54].mean(axis=0)).astype(int)
        colours.append(image[y - 3 : y + 4, x - 3 : x + 4].mean(axis=(0, 1)))
        names.append(face.person.identity)
    apart = np.linalg.norm(np.array(colours)[:, None] - np.array(colours), axis=-1)
    same = np.equal.outer(names, names)
    off = ~np.eye(len(names), dtype=bool)
    assert apart[same & off].mean() < 0.6 * apart[~same].mean()


def test_attributes_occur_and_say_what_the_picture_shows() -> None:
    known = [truth(sample).attributes for sample in dataset(count=150, size=[240, 320])]
    for name in (*FLAGS, "easy", "medium", "hard"):
        values = np.concatenate([attributes[name] for attributes in known])
        assert values.dtype == bool
        if name not in ("medium", "hard"):
            assert 0.03 < values.mean() < 0.97, name
    yaw, pose = (np.concatenate([attributes[name] for attributes in known]) for name in ("yaw", "pose"))
    np.testing.assert_array_equal(np.abs(yaw) > 25, pose)


def test_blur_blurs_and_darkness_darkens() -> None:
    face = one_face(2)
    clear = replace(face, view=replace(face.view, occluder="", blur=0.0, ambient=0.7, exposure=1.0))
    x1, y1, x2, y2 = describe([clear], 98).boxes[0].astype(int)

    def crop(**changes: float) -> np.ndarray:
        changed = replace(clear, view=replace(clear.view, **changes))
        return scene.paint_scene(0, 2, (320, 320), [changed])[y1:y2, x1:x2]

    def detail(image: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), 1), cv2.CV_32F).var())

    assert detail(crop(blur=0.08)) < 0.3 * detail(crop())
    assert crop(ambient=0.25, exposure=0.6).mean() < 0.7 * crop().mean()


@pytest.mark.parametrize("occluder", OCCLUDERS)
def test_occluders_hide_a_part_of_the_face_and_only_a_part(occluder: str) -> None:
    face = one_face(2)
    clear = replace(face, view=replace(face.view, occluder="", blur=0.0))
    hidden = replace(face, view=replace(face.view, occluder=occluder, blur=0.0))  # type: ignore[arg-type]
    x1, y1, x2, y2 = describe([clear], 98).boxes[0].astype(int)
    pictures = [scene.paint_scene(0, 2, (320, 320), [f])[y1:y2, x1:x2].astype(int) for f in (clear, hidden)]
    share = (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 12).mean()
    assert 0.03 < share < 0.8


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": [640]}, r"'size' must be \[height, width\]"),
        ({"size": [8, 640]}, "at least 16 pixels"),
        ({"faces": [3, 1]}, r"'faces' must be \[fewest, most\]"),
        ({"landmarks": 106}, "'landmarks' is 106.*98, 68, 5"),
        ({"identities": 0}, "identities 1 or more"),
        ({"sizes": [64, 64]}, "Did you mean size"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        create("dataset", "synthetic", **options)


def test_both_variants_can_be_created_by_name() -> None:
    crowd, people = create("dataset", "synthetic", count=3), create("dataset", "synthetic_people", count=30)
    assert len(list(crowd)) == len(crowd) == 3
    assert crowd.facts()["size"] == [480, 640]
    assert {len(sample.truth) for sample in people} == {1}
    identities = [int(sample.truth.identities[0]) for sample in people]
    assert len(set(identities)) < len(identities)


def test_a_real_landmark_network_sees_the_points_where_the_truth_has_them(real_dir: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = next((real_dir / "weights" / "pfld_wflw98").glob("*.onnx"))
    session = ort.InferenceSession(str(path), options)  # trained on WFLW, published NME 0.052
    errors = []
    for sample in dataset(size=[256, 256], faces=[1, 1], count=40):
        known = truth(sample)
        assert known.landmarks is not None
        points = known.landmarks[0]
        middle, side = (points.min(axis=0) + points.max(axis=0)) / 2, 1.2 * np.ptp(points, axis=0).max()
        warp = np.array([[1, 0, side / 2 - middle[0]], [0, 1, side / 2 - middle[1]]]) * 112 / side
        crop = cv2.warpAffine(sample.image, warp, (112, 112))[..., ::-1]
        image = (crop.astype(np.float32) / 255).transpose(2, 0, 1)[None]
        seen = session.run(None, {session.get_inputs()[0].name: image})[0].reshape(98, 2) * side
        error = np.linalg.norm(seen + middle - side / 2 - points, axis=1).mean()
        errors.append(error / np.linalg.norm(points[60] - points[72]))
    assert np.median(errors) < 0.06
    assert np.mean(errors) < 0.08
