"""Bundles that somebody else wrote, and stores that somebody changed: data, and never more than that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceport.artifacts.bundle import FILE, read_bundle, verify
from faceport.artifacts.store import MANIFEST, Store
from faceport.artifacts.trust import loads_code
from faceport.errors import FaceportError, MissingError
from tests.cli import faceport

MODEL = ["model=retinaface_mobilenet", "model.weights=random", "model.size=64"]
RUN = ["run", "artifact=board", "dataset=synthetic", "dataset.count=2", "dataset.size=[64,64]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    faceport("compile", *MODEL, "out=board", folder=folder)
    return folder / "board"


@pytest.fixture
def bundle(made, tmp_path) -> Path:
    """A copy of a bundle that may be spoilt."""
    for file in made.rglob("*"):
        place = tmp_path / "board" / file.relative_to(made)
        if file.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    return tmp_path / "board"


def change(file: Path, edit: Callable[[Any], Any]) -> None:
    content = json.loads(file.read_text())
    edited = edit(content)
    file.write_text(json.dumps(content if edited is None else edited))


def setting(*path: str, to: Any) -> Callable[[Any], Any]:
    def edit(content: Any) -> None:
        *above, last = path
        for key in above:
            content = content[key]
        content[last] = to

    return edit


DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]

SPOILT = {
    "networks is a list": setting("networks", to=["x"]),
    "networks is a number": setting("networks", to=3),
    "a folder is a number": setting("networks", "retinaface", to=3),
    "config is a list": setting("config", to=[]),
    "config is nothing": setting("config", to=None),
    "model is a text": setting("config", "model", to="retinaface_mobilenet"),
    "model has no name": setting("config", "model", to={"size": 64}),
    "target is nothing": lambda content: content["config"].pop("target") and None,
    "notes is a text": setting("notes", to="hello"),
    "notes hold numbers": setting("notes", to=[1]),
    "it is a list": lambda content: [content],
    "it is nothing": lambda content: {},
    "the environment": setting("config", "model", "weights", to="http://127.0.0.1:9/${oc.env:HOME}"),
    "the environment, deeper": setting("config", "target", "providers", to=["cpu", "${oc.env:HOME}"]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_bundle_is_read_through_a_schema(name, bundle):
    change(bundle / FILE, SPOILT[name])
    with pytest.raises(MissingError, match=r"bundle\.json is damaged") as raised:
        read_bundle(bundle)
    said = faceport(*RUN, folder=bundle.parent, code=1)
    assert said.strip().splitlines()[-1].startswith("error: ") and "is damaged" in said
    assert os.environ["HOME"] not in str(raised.value)


@pytest.mark.parametrize("place", ["..", "/etc", "networks/../../x", "a\0b"])
def test_a_bundle_stays_inside_its_folder(place, bundle):
    change(bundle / FILE, setting("networks", "retinaface", to=place))
    with pytest.raises(FaceportError):
        read_bundle(bundle)


def test_a_deep_or_huge_bundle_is_a_sentence(bundle):
    (bundle / FILE).write_text("[" * 100_000)
    with pytest.raises(MissingError, match="is damaged"):
        read_bundle(bundle)
    (bundle / FILE).write_text(" " * (5 << 20))
    with pytest.raises(MissingError, match="more than the 4,194,304 that are read"):
        read_bundle(bundle)


MANIFESTS = {
    "files is a list": setting("files", to=["x"]),
    "files is nothing": setting("files", to=None),
    "a size is a text": setting("files", "model.onnx", to="big"),
    "recipe is a text": setting("recipe", to="x"),
    "recipe is nothing": setting("recipe", to=None),
    "weights is nothing": setting("weights", to=None),
    "parity is nothing": setting("parity", to=None),
    "parity is a text": setting("parity", to="fine"),
    "outputs is a list": setting("parity", "outputs", to=[1]),
    "it is deep": lambda content: {"files": DEEP},
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_read_through_a_schema(name, bundle):
    change(bundle / "networks" / "retinaface" / MANIFEST, MANIFESTS[name])
    said = faceport(*RUN, folder=bundle.parent, code=1)
    assert "has no readable manifest" in said


def test_a_file_that_was_exchanged_for_one_of_the_same_size_is_seen(bundle):
    (file,) = (bundle / "networks").rglob("model.onnx")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    said = faceport(*RUN, folder=bundle.parent, code=1)
    assert "is not the file that was written (its hash differs)" in said
    assert verify(read_bundle(bundle))


def test_a_cached_artifact_that_was_changed_is_made_anew(tmp_path):
    store = Store(tmp_path)

    def make(folder: Path) -> None:
        (folder / "weights").write_bytes(b"right")

    entry = store.get("artifact", {"x": 1}, make)
    (entry.path / "weights").write_bytes(b"wrong")  # of the same size
    assert (store.get("artifact", {"x": 1}, make).path / "weights").read_bytes() == b"right"


def test_a_bundle_does_not_choose_native_code(bundle):
    change(bundle / FILE, setting("config", "target", to={"name": "tvm"}))
    said = faceport(*RUN, folder=bundle.parent, code=1)
    assert "runs native code that lies in the bundle" in said and "target=tvm" in said


@pytest.mark.parametrize(
    "target",
    [
        {"name": "ascend", "soc_version": "Ascend310", "env_script": "./evil.sh", "python": "./evil.sh"},
        {"name": "qnn", "chip": "sm8650"},
        {"name": "torch", "mode": "torchscript"},
        {"name": "onnxruntime", "providers": ["tensorrt", "cpu"]},
        {"name": "onnxruntime", "provider_options": {"cpu": {"trt_extra_plugin_lib_paths": "./evil.so"}}},
    ],
    ids=lambda target: " ".join(map(str, target.values()))[:30],
)
def test_a_bundle_does_not_choose_programs_and_libraries(target, bundle):
    evil = bundle.parent / "evil.sh"
    evil.write_text(f"#!/bin/sh\ntouch {bundle.parent}/done\n")
    evil.chmod(0o755)
    change(bundle / FILE, setting("config", "target", to=target))
    said = faceport(*[word.replace("board", str(bundle)) for word in RUN], folder=bundle.parent, code=1)
    assert f"say so by naming the target: target={target['name']}" in " ".join(said.split())
    assert not (bundle.parent / "done").exists()


def test_what_runs_no_code_of_others_needs_no_trust():
    assert not loads_code("onnxruntime", {"providers": ["cpu"], "threads": 4})
    assert not loads_code("torch", {"mode": "eager"})
    assert not loads_code("nowhere", {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere: a read-only folder is none")
def test_a_warm_cache_may_be_read_only(tmp_path):
    faceport("compile", *MODEL, "out=board", folder=tmp_path)
    for path in [*(tmp_path / "cache").rglob("*"), tmp_path / "cache"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        faceport("run", *MODEL, *RUN[2:], folder=tmp_path)
    finally:
        for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
            path.chmod(0o755)


def test_a_file_whose_time_cannot_be_set_is_used(tmp_path, monkeypatch):
    store = Store(tmp_path)
    entry = store.get("artifact", {"x": 1}, lambda folder: {})

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert store.find("artifact", entry.key) is not None


def test_bundle_verify_reads_every_byte_and_names_all_that_is_wrong(bundle):
    words = ["bundle", "verify", "board"]
    assert "board: whole, every hash is right" in faceport(*words, folder=bundle.parent)
    folder = bundle / "networks" / "retinaface"
    model = folder / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    (folder / "more.so").write_bytes(b"")
    said = faceport(*words, folder=bundle.parent, code=1)
    assert "board: 2 wrong" in said
    assert "model.onnx is not the file that was written (its hash differs)" in said
    assert "more.so is a file that no manifest names" in said
    model.unlink()
    assert "model.onnx is missing or cut short" in faceport(*words, folder=bundle.parent, code=1)


def test_bundle_verify_sees_what_lies_beside_the_networks(bundle):
    (bundle / "mine.txt").write_text("x")
    assert "mine.txt is a file that no manifest names" in "".join(verify(read_bundle(bundle)))


@pytest.mark.parametrize("name", [FILE, f"networks/retinaface/{MANIFEST}", "networks/retinaface/more.json"])
def test_a_pipe_in_a_bundle_is_not_waited_for(name, bundle):
    (bundle / name).unlink(missing_ok=True)
    os.mkfifo(bundle / name)
    with pytest.raises(MissingError, match="is a pipe|no readable manifest|is neither a file nor a folder"):
        verify(read_bundle(bundle))


def test_a_device_in_place_of_a_bundle_is_not_read_without_end(bundle):
    (bundle / FILE).unlink()
    (bundle / FILE).symlink_to("/dev/zero")
    with pytest.raises(MissingError, match="is a pipe, a socket or a device"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bundle"], "nothing to do"),
        (["bundle", "board"], "no command 'board'"),
        (["bundle", "verify"], "name the folders"),
        (["bundle", "verify", "nowhere"], "holds no bundle.json"),
    ],
)
def test_bundle_says_how_it_is_called(words, sentence, tmp_path):
    assert sentence in " ".join(faceport(*words, folder=tmp_path, code=1).split())


def test_keys_that_nobody_reads_are_refused_with_file_and_key(bundle):
    change(bundle / "networks" / "retinaface" / MANIFEST, setting("trust", to=True))
    with pytest.raises(MissingError, match=r"manifest\.json is damaged \(it has a key 'trust'"):
        verify(read_bundle(bundle))
    assert "has a key 'trust'" in " ".join(faceport(*RUN, folder=bundle.parent, code=1).split())
    change(bundle / FILE, setting("config", "dataset", to={"name": "folder"}))
    with pytest.raises(MissingError, match=r"bundle\.json is damaged \(config has a key 'dataset'"):
        read_bundle(bundle)
    change(bundle / FILE, setting("trust", to=True))
    with pytest.raises(MissingError, match=r"bundle\.json is damaged \(it has a key 'trust'"):
        read_bundle(bundle)
