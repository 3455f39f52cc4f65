"""Files that are no checkpoints, or were made to do harm: a sentence each, and no code is run."""

import io
import json
import pickle
import random
import struct
import zipfile

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from faceport.api import Network
from faceport.errors import FaceportError, MissingError
from faceport.networks.modules import load_module
from faceport.networks.state_dicts import read_state_dict
from faceport.networks.tfjs import read_tfjs
from faceport.types import TensorSpec

CASES = 400


def test_mutated_checkpoints_are_read_or_explained(tmp_path):
    """Bytes of a pickle at random: torch answers with whatever error there is, and we with a sentence."""
    state = {"a.weight": torch.ones(3, 2), "a.bias": torch.zeros(3)}
    torch.save(state, tmp_path / "zip.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "zip.pth") as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    [listed] = [name for name in parts if name.endswith("data.pkl")]
    kinds = set()
    for seed in range(CASES):
        rng = random.Random(seed)
        old = seed % 2
        content = bytearray((tmp_path / "old.pth").read_bytes() if old else parts[listed])
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content) // (4 if old else 1))] = rng.randrange(256)
        file = tmp_path / "mutated.pth"
        if old:
            file.write_bytes(content)
        else:
            with zipfile.ZipFile(file, "w") as archive:
                for name, part in (parts | {listed: bytes(content)}).items():
                    archive.writestr(name, part)
        try:
            read_state_dict(file)
            kinds.add("read")
        except FaceportError as error:
            kinds.add(type(error.__cause__).__name__)
            assert "\n" not in str(error)
    assert len(kinds) > 4, "the mutations provoke errors of several kinds"


def test_wrappers_without_end_are_not_followed(tmp_path):
    wrapper = {}
    wrapper["model"] = wrapper
    torch.save(wrapper, tmp_path / "net.pth")
    with pytest.raises(FaceportError, match="holds no state dict"):
        read_state_dict(tmp_path / "net.pth")


def test_a_checkpoint_that_unpacks_to_a_multiple_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "net.pth")
    with (
        zipfile.ZipFile(tmp_path / "net.pth") as archive,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w") as bomb,
    ):
        for info in archive.infolist():
            bomb.writestr(info.filename, archive.read(info), zipfile.ZIP_DEFLATED)
    with pytest.raises(MissingError, match="would unpack to 4,000,"):
        read_state_dict(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(2, device="meta"), torch.eye(2).to_sparse(), torch.zeros(2, dtype=torch.complex64)],
)
def test_tensors_without_plain_numbers_are_named(tmp_path, tensor):
    torch.save({"a": tensor}, tmp_path / "net.pth")
    with pytest.raises(FaceportError, match="'a' is no plain array of numbers"):
        read_state_dict(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "is an HDF5 file"),
        (b"\x1c\0\0\0TFL3" + bytes(64), "is a TensorFlow Lite file"),
        (b"<!doctype html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"", "not a whole checkpoint"),
        (b"hello " * 100, "not a whole checkpoint"),
        (struct.pack("<Q", 1 << 39) + b"{" + bytes(64), "not a whole checkpoint"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path, content, what):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(FaceportError, match=what) as caught:
        read_state_dict(tmp_path / "net.pth")
    assert "\n" not in str(caught.value)


def test_the_words_of_torch_are_never_cut_within_a_word(tmp_path):
    (tmp_path / "net.pth").write_bytes(pickle.dumps(io.BytesIO))
    with pytest.raises(FaceportError) as caught:
        read_state_dict(tmp_path / "net.pth")
    torch_says = str(caught.value.__cause__)
    quoted = str(caught.value).partition("checkpoint: ")[2].partition(" ...")[0].partition(". A download")[0]
    assert set(quoted.split()) <= set(torch_says.split()) | {word.rstrip(".") for word in torch_says.split()}


def toy(weights, names=("weight", "bias")):
    spec = (TensorSpec("x", ("batch", 2)),)
    return Network("toy", spec, spec, lambda: torch.nn.Linear(2, 2), weights=str(weights))


def save_onnx(path, **arrays):
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], stored)), path)


def test_an_onnx_file_whose_tensors_kept_their_names_is_weights(tmp_path):
    save_onnx(
        tmp_path / "net.onnx", weight=np.eye(2, dtype="f4"), bias=np.ones(2, "f4"), shape=np.ones(1, "i8")
    )
    assert load_module(toy(tmp_path / "net.onnx")).bias.tolist() == [1, 1]


def test_an_onnx_file_that_does_not_fit_is_called_one(tmp_path):
    save_onnx(tmp_path / "net.onnx", val_7=np.eye(2, dtype="f4"))
    with pytest.raises(
        FaceportError, match=r"is an ONNX file.*checkpoint that it was exported from"
    ) as caught:
        load_module(toy(tmp_path / "net.onnx"))
    assert "delete" not in str(caught.value)


def manifest(tmp_path, weights, content):
    (tmp_path / "a.bin").write_bytes(content)
    (tmp_path / "m.json").write_text(json.dumps([{"paths": ["a.bin"], "weights": weights}]))
    return tmp_path / "m.json"


def test_tensors_of_tfjs_are_scaled_back(tmp_path):
    scaled = {"dtype": "uint8", "scale": 0.5, "min": -1.0}
    weights = [
        {"name": "a", "shape": [2, 2], "dtype": "float32", "quantization": scaled},
        {"name": "b", "shape": [], "dtype": "float32"},
        {"name": "c", "shape": [1], "dtype": "float32", "quantization": {"dtype": "float16"}},
    ]
    content = bytes([0, 1, 2, 255]) + struct.pack("<f", 2.5) + struct.pack("<e", 0.25)
    arrays = read_tfjs(manifest(tmp_path, weights, content))
    assert arrays["a"].tolist() == [[-1, -0.5], [0, 126.5]]
    assert (arrays["b"].tolist(), arrays["c"].tolist()) == (2.5, [0.25])
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert set(read_state_dict(tmp_path / "m.json")) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("change", "content"),
    [
        ({}, b"123"),
        ({}, b"12345678"),
        ({"shape": [10**12]}, b"1234"),
        ({"shape": [-1]}, b"1234"),
        ({"shape": ["a"]}, b"1234"),
        ({"shape": None}, b"1234"),
        ({"dtype": "string"}, b"1234"),
        ({"dtype": []}, b"1234"),
        ({"name": []}, b"1234"),
        ({"quantization": {"dtype": "uint8"}}, b"1"),
        ({"quantization": 5}, b"1"),
    ],
)
def test_manifests_that_do_not_fit_are_explained(tmp_path, change, content):
    one = {"name": "a", "shape": [1], "dtype": "float32"} | change
    if change == {"name": []}:
        del one["name"]
    with pytest.raises(MissingError, match="do not fit|describes"):
        read_tfjs(manifest(tmp_path, [one], content))


@pytest.mark.parametrize("text", ["{}", "[1]", "[{}]", '[{"paths": [1], "weights": []}]', "[" * 10**5, "[{"])
def test_what_is_no_manifest_is_named(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(MissingError, match="no manifest of tfjs weights"):
        read_tfjs(tmp_path / "m.json")
