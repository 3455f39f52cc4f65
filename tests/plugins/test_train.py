"""Training: targets and losses against formulas in numpy, augmentation, schedules, and one whole training."""

import json
import math

import numpy as np
import pytest
import torch

from faceport.errors import ConfigError
from faceport.ops.landmarks import FLIPS
from faceport.plugins.loading import create
from faceport.shell.compose import compose_config
from faceport.shell.verb import make_verb
from faceport_pipnet.decode import decode
from faceport_train.augment import WAYS, Manner, spoil
from faceport_train.order import Order
from faceport_train.recipe import Schedule
from faceport_train.training import loop
from faceport_train.training.steps import rate

DATA = ["dataset=synthetic", "dataset.faces=[1,1]", "dataset.size=[96,96]", "validation.share=0"]
SLIM = ["recipe=pipnet", "model=pipnet_slim", "model.weights=random"]


def act(words, folder):
    config = compose_config("train", [*SLIM, *DATA, *words, f"out={folder}", "threads=1"])
    return make_verb("train", config).act(config)


@pytest.fixture
def lesson():
    return create("model", "pipnet_slim", weights="random").lesson


def numpy_losses(maps, landmarks, nearest, grid):
    """Write the published losses out, one landmark after the other."""
    scores, x, y, nb_x, nb_y = (np.asarray(part, np.float64) for part in maps)
    batch, count = landmarks.shape[:2]
    n = nearest.shape[1]
    wanted = np.zeros_like(scores)
    errors = {name: [] for name in ("x", "y", "nb_x", "nb_y")}
    for b in range(batch):
        for k in range(count):
            column, row = (min(max(math.floor(value * grid), 0), grid - 1) for value in landmarks[b, k])
            wanted[b, k, row, column] = 1
            errors["x"].append(abs(x[b, k, row, column] - (landmarks[b, k, 0] * grid - column)))
            errors["y"].append(abs(y[b, k, row, column] - (landmarks[b, k, 1] * grid - row)))
            for j, other in enumerate(nearest[k]):
                place = landmarks[b, other] * grid
                errors["nb_x"].append(abs(nb_x[b, k * n + j, row, column] - (place[0] - column)))
                errors["nb_y"].append(abs(nb_y[b, k * n + j, row, column] - (place[1] - row)))
    return {"score": np.mean((scores - wanted) ** 2)} | {name: np.mean(e) for name, e in errors.items()}


def test_losses_are_the_published_ones(lesson):
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(-0.05, 1.05, (3, 98, 2))  # some outside the crop, in its outermost cells
    maps = [rng.normal(size=(3, count, 8, 8)) for count in (98, 98, 98, 980, 980)]
    targets = {name: torch.from_numpy(value) for name, value in lesson.targets(landmarks).items()}
    found = lesson.losses([torch.from_numpy(part) for part in maps], targets)
    for name, expected in numpy_losses(maps, landmarks, lesson.nearest, 8).items():
        assert float(found[name].mean()) == pytest.approx(expected, abs=1e-6), name
    assert dict(lesson.weights) == {"score": 10, "x": 1, "y": 1, "nb_x": 1, "nb_y": 1}


def test_what_targets_say_is_decoded_to_the_landmarks(lesson):
    landmarks = np.random.default_rng(1).uniform(0.02, 0.98, (2, 98, 2))
    targets = lesson.targets(landmarks)
    maps = [np.zeros((2, count, 64)) for count in (98, 98, 98, 980, 980)]
    np.put_along_axis(maps[0], targets["cell"][..., None], 1, axis=2)
    for part, name in zip(maps[1:], ("x", "y", "nb_x", "nb_y"), strict=True):
        part[:] = targets[name][..., None]
    model = create("model", "pipnet_slim", weights="random")
    found = decode(*(part.reshape(2, -1, 8, 8) for part in maps), model.table)
    assert np.abs(found - landmarks).max() < 1e-6


def test_subset_learns_its_own_landmarks():
    eyes = create("model", "pipnet_ir18", weights="random", subset=list(range(36, 48)), neighbours=5).lesson
    full = np.random.default_rng(2).uniform(0, 1, (1, 68, 2))
    assert np.array_equal(eyes.read(full), full[:, 36:48])
    assert eyes.targets(eyes.read(full))["nb_x"].shape == (1, 60)
    assert eyes.mirror == FLIPS[12].tolist()


@pytest.mark.parametrize("way", ["translate", "flip", "rotate"])
def test_landmarks_go_where_their_pixels_go(way):
    image = np.zeros((256, 256, 3), np.uint8)
    places = np.array([[110, 140], [160, 100]])
    for x, y in places:
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    points = (places + 0.5) / 256
    manner = Manner(mirror=[0, 1])
    for seed in range(5):
        moved, found = WAYS[way](image, points, np.random.default_rng(seed), manner)
        for x, y in found * 256 - 0.5:
            assert moved[round(y), round(x)].min() > 200
        assert int(moved.sum()) == pytest.approx(int(image.sum()), rel=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_ways_change_pictures_and_are_seeded(way):
    rng = np.random.default_rng(3)
    image, points = rng.integers(0, 256, (64, 64, 3), np.uint8), rng.uniform(0.3, 0.7, (98, 2))
    manner = Manner(FLIPS[98].tolist())
    before = image.copy()
    first, second, other = (
        spoil(image, points, np.random.default_rng(seed), {way: 1.0}, manner) for seed in (1, 1, 2)
    )
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], image) and np.array_equal(image, before)
    assert way in ("flip", "grey") or not np.array_equal(first[0], other[0])
    never = spoil(image, points, np.random.default_rng(1), {way: 0.0}, manner)
    assert np.array_equal(never[0], image) and np.array_equal(never[1], points)


def test_processes_share_each_batch_and_epochs_are_shuffled():
    order = Order(10, 4, seed=5)
    both = [row for rank in (0, 1) for row in order.rows(3, rank, 2)[0]]
    assert both == order.rows(3)[0]
    epochs = [[row for step in (2 * e, 2 * e + 1) for row in order.rows(step)[0]] for e in (0, 1)]
    assert all(len(set(epoch)) == 8 for epoch in epochs) and epochs[0] != epochs[1]
    assert order.rows(0)[1] != order.rows(2)[1]  # another seed for the same picture in each epoch


def test_learning_rates_follow_the_published_schedules():
    official = Schedule()
    assert [rate(official, epoch * 10, 10) for epoch in (0, 29, 30, 50)] == pytest.approx(
        [1e-4, 1e-4, 1e-5, 1e-6]
    )
    seed = Schedule(epochs=120, lr=5e-4, schedule="cosine", warm_up=5, warm_up_lr=1e-4, end_lr=1e-5)
    assert [rate(seed, epoch * 7, 7) for epoch in (0, 5, 62.5, 120)] == pytest.approx(
        [1e-4, 5e-4, 2.55e-4, 1e-5]
    )


def test_parts_of_a_batch_make_the_same_step(tmp_path):
    words = ["dataset.count=8", "recipe.batch=8", "steps=3", "recipe.optimiser=sgd", "recipe.norm=frozen"]
    found = [
        act([*words, f"recipe.accumulate={parts}", f"seed={3}"], tmp_path / str(parts)) for parts in (1, 4)
    ]
    whole, parts = (record.metrics["training"]["loss"] for record in found)
    assert parts == pytest.approx(whole, rel=1e-5)


def losses(folder):
    [log] = folder.glob("*/log.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def test_the_log_of_a_resumed_training_has_means_of_its_own_steps(tmp_path, monkeypatch):
    words = ["dataset.count=4", "recipe.batch=4", "steps=6", "keep_every=3"]
    act([*words, "log_every=1"], tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_state", interrupted(loop.write_state))
        with pytest.raises(KeyboardInterrupt):
            act([*words, "log_every=4"], tmp_path / "resumed")
    act([*words, "log_every=4"], tmp_path / "resumed")
    each, found = losses(tmp_path / "whole"), losses(tmp_path / "resumed")
    assert found == {4: pytest.approx(each[4]), 6: pytest.approx((each[5] + each[6]) / 2)}


def interrupted(write):
    """Write, and end as Ctrl-C does."""

    def written(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    return written


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=retinaface_mobilenet", "dataset.count=4"], "brings no lesson"),
        (["dataset.count=4"], "fewer than recipe.batch=16"),
        (["recipe.augment.flip=2", "dataset.count=4"], "must lie in 0..1"),
        (["recipe.accumulate=3", "dataset.count=4"], "equal parts"),
    ],
)
def test_mistakes_are_answered_in_sentences(words, sentence, tmp_path):
    with pytest.raises(ConfigError, match=sentence):
        act(words, tmp_path)


def test_eight_faces_are_learnt_by_heart(tmp_path):
    same = ["validation.dataset=synthetic", "validation.dataset.faces=[1,1]", "validation.dataset.count=8"]
    same += ["validation.dataset.size=[96,96]", "validation.every=1000"]
    same += [f"recipe.augment.{way}=0" for way in ("translate", "occlude", "flip", "rotate", "blur", "grey")]
    same += ["recipe.lr=0.003", "recipe.schedule=cosine", "recipe.epochs=150"]
    record = act(["dataset.count=8", "recipe.batch=8", *same], tmp_path)
    assert record.metrics["training"]["loss"] < 0.15
    assert record.metrics["landmarks"]["nme"] < 0.02
    weights = record.weights["best.safetensors"]["path"]
    words = ["model=pipnet_slim", f"model.weights={weights}", "target=torch", f"out={tmp_path}/runs"]
    config = compose_config("run", [*DATA[:3], "dataset.count=8", *words])
    ran = make_verb("run", config).act(config)
    assert ran.metrics["landmarks"]["nme"] == pytest.approx(record.metrics["landmarks"]["nme"], rel=1e-4)
