"""Folders of compiled networks: whole or not at all, and refused in one sentence where they do not fit."""

import json
import shutil
from pathlib import Path

import pytest

from faceport.api import Artifact, Target
from faceport.artifacts.bundle import FILE, Bundle, open_bundle, read_bundle, write_bundle
from faceport.artifacts.store import MANIFEST, write_manifest
from faceport.errors import ConfigError, FaceportError, MissingError
from faceport.networks.modules import load_module
from faceport.shell.compose import compose_config
from faceport.shell.pipelines import plan_of
from tests.core.toys import Doubling, TwoStages
from tests.plans import act

CONFIG = {"model": {"name": "two_stages"}, "target": {"name": "toy", "threads": 2}}


class Toy(Target):
    lacking = ""

    def missing(self):
        return self.lacking

    def compile(self, source, out, calibration):
        (out / "network.bin").write_bytes(b"0123456789")

    def open(self, artifact):
        assert (artifact.path / "network.bin").read_bytes() == b"0123456789"
        return Doubling()


def artifacts(folder: Path) -> dict[str, Artifact]:
    made = {}
    for name, network in TwoStages().networks.items():
        place = folder / name
        place.mkdir(parents=True)
        (place / "network.bin").write_bytes(b"0123456789")
        write_manifest(place, {"network": name, "parity": {}})
        made[name] = Artifact(place, network, {})
    return made


@pytest.fixture
def made(tmp_path) -> dict[str, Artifact]:
    return artifacts(tmp_path / "store")


@pytest.fixture
def bundle(tmp_path, made) -> Bundle:
    return write_bundle(tmp_path / "board", made, CONFIG, ["weights are random"])


def test_a_bundle_says_what_it_is_and_opens(bundle):
    assert (bundle.config, bundle.notes) == (CONFIG, ("weights are random",))
    built = open_bundle(bundle, TwoStages(), Toy(), "toy")
    assert built.sessions.keys() == built.artifacts.keys() == {"first", "second"}
    assert built.artifacts["second"].manifest["network"] == "second"


def test_a_bundle_may_be_moved(bundle, tmp_path):
    shutil.rmtree(tmp_path / "store")
    moved = bundle.path.rename(tmp_path / "elsewhere")
    assert open_bundle(read_bundle(moved), TwoStages(), Toy(), "toy").sessions.keys() == {"first", "second"}


def test_another_target_is_refused(bundle):
    with pytest.raises(ConfigError, match="compiled for target=toy, not for target=openvino"):
        open_bundle(bundle, TwoStages(), Toy(), "openvino")


def test_a_target_that_is_not_usable_says_what_it_lacks(bundle):
    target = Toy()
    target.lacking = "pip install toy"
    with pytest.raises(MissingError, match="target=toy cannot be used: pip install toy"):
        open_bundle(bundle, TwoStages(), target, "toy")


def test_a_network_that_the_bundle_lacks_is_named(tmp_path, made):
    bundle = write_bundle(tmp_path / "board", {"first": made["first"]}, CONFIG, [])
    with pytest.raises(ConfigError, match="no network 'second'. Available: first. .* model=two_stages"):
        open_bundle(bundle, TwoStages(), Toy(), "toy")


def test_what_is_no_bundle_is_told_apart_from_a_damaged_one(bundle, tmp_path):
    with pytest.raises(MissingError, match=r"holds no bundle\.json: give the folder that `faceport compile"):
        read_bundle(tmp_path)
    with pytest.raises(MissingError, match=r"nowhere holds no bundle\.json"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(MissingError, match=r"holds no bundle\.json"):
        read_bundle(bundle.path / FILE)
    for content in ("", '{"config": ', "[]", '{"config": {}}'):
        (bundle.path / FILE).write_text(content)
        with pytest.raises(MissingError, match=r"bundle\.json is damaged .*: compile it again"):
            read_bundle(bundle.path)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "network.bin").write_bytes(b"0123"), "network.bin is missing or cut short"),
        (lambda folder: (folder / "network.bin").unlink(), "network.bin is missing or cut short"),
        (lambda folder: (folder / MANIFEST).write_text('{"fil'), "has no readable manifest"),
        (shutil.rmtree, "has no readable manifest"),
    ],
)
def test_a_bundle_that_was_not_copied_whole_is_refused(bundle, damage, sentence):
    damage(bundle.path / "networks" / "second")
    with pytest.raises(MissingError, match=f"networks/second.*{sentence}"):
        open_bundle(bundle, TwoStages(), Toy(), "toy")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, made):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"home exists and is no bundle.*choose another folder"):
        write_bundle(tmp_path / "home", made, CONFIG, [])
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.tex"]
    with pytest.raises(ConfigError, match="exists and is no bundle"):
        write_bundle(tmp_path / "home" / "thesis.tex", made, CONFIG, [])


def test_an_empty_folder_is_filled_and_an_older_bundle_replaced(tmp_path, made):
    (tmp_path / "board").mkdir()
    write_bundle(tmp_path / "board", made, CONFIG, ["old"])
    write_bundle(tmp_path / "board", {"first": made["first"]}, CONFIG, ["new"])
    assert read_bundle(tmp_path / "board").notes == ("new",)
    assert [path.name for path in (tmp_path / "board" / "networks").iterdir()] == ["first"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board", "store"]


def test_a_bundle_that_cannot_be_written_leaves_the_older_one(bundle, tmp_path, made, monkeypatch):
    def full(source, target):
        Path(target).write_bytes(b"0123")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(FaceportError, match="no space left on the disk that holds .*board"):
        write_bundle(bundle.path, made, CONFIG, ["new"])
    assert read_bundle(bundle.path) == bundle
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board", "store"]


MODEL = ["model=retinaface_mobilenet", "model.size=64", "model.confidence=0.01"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """A bundle of a checkpoint that nobody knows and that is gone by now."""
    import torch

    import faceport

    folder = tmp_path_factory.mktemp("compiled")
    monkey = pytest.MonkeyPatch()
    monkey.setenv("FACEPORT_CACHE", str(folder / "cache"))
    module = load_module(faceport.create("model", "retinaface_mobilenet", weights="random:3").network)
    torch.save(module.state_dict(), folder / "own.pth")
    words = [*MODEL, f"model.weights={folder}/own.pth", "target=torch", f"out={folder}/board"]
    act("compile", words)
    (folder / "own.pth").unlink()
    monkey.undo()
    return folder / "board"


def test_anchors_are_settled_and_their_doubt_is_carried(compiled):
    bundle = read_bundle(compiled)
    assert bundle.config["model"]["anchors"] == [[16, 32], [64, 128], [256, 512]]
    plan = plan_of([f"artifact={compiled}"], "predict")
    assert plan.model.anchors == [[16, 32], [64, 128], [256, 512]]
    (note,) = plan.warnings()
    assert "own.pth is unknown, so its anchors are taken to be [[16, 32], [64, 128], [256, 512]]" in note


def test_a_bundle_brings_its_options_and_the_user_may_change_them(compiled):
    config = compose_config("predict", [f"artifact={compiled}"])
    assert config["model"]["name"] == "retinaface_mobilenet"
    assert (config["model"]["size"], config["model"]["confidence"]) == (64, 0.01)
    assert config["target"]["name"] == "torch"
    changed = compose_config("predict", ["model.confidence=0.3", f"artifact={compiled}", "target.threads=2"])
    assert (changed["model"]["size"], changed["model"]["confidence"]) == (64, 0.3)
    assert changed["target"]["threads"] == 2


def test_a_bundle_is_opened_without_the_weights(compiled):
    built = plan_of([f"artifact={compiled}"], "predict").build()
    (session,) = built.sessions.values()
    assert session.facts["runtime"] == "torch"
    built.close()


def test_a_bundle_is_not_opened_with_another_target(compiled):
    plan = plan_of([f"artifact={compiled}", "target=onnxruntime"], "predict")
    with pytest.raises(ConfigError, match="compiled for target=torch, not for target=onnxruntime"):
        plan.build()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("model.size=128", r"compiled with .*3, 64, 64.*, not .*3, 128, 128"),
        ("model.weights=random", r"compiled with .*own\.pth, not random"),
        ("model=retinaface_resnet50", r"compiled with .*mobilenet0\.25.*, not .*resnet50"),
    ],
)
def test_a_bundle_is_not_opened_as_something_else(compiled, word, sentence):
    words = ["model.weights=random"] if word.startswith("model=") else []
    plan = plan_of([f"artifact={compiled}", word, *words], "predict")
    with pytest.raises(ConfigError, match=sentence):
        plan.build()


def test_the_configuration_of_a_bundle_is_plain_json(compiled):
    assert json.loads((compiled / FILE).read_text())["networks"] == {"retinaface": "networks/retinaface"}
