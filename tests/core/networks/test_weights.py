"""Sources of weights on this machine: paths, random numbers, files that keep their numbers in others."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faceport.api import Network
from faceport.errors import MissingError
from faceport.networks.sources.addresses import redacted, without_secrets
from faceport.networks.weights import fetch, resolve
from faceport.types import TensorSpec
from tests.core.networks.servers import BODY, SHA


def test_paths_and_random(tmp_path):
    file = tmp_path / "net.pth"
    file.write_bytes(BODY)
    assert resolve(str(file), SHA).path == file
    with pytest.raises(MissingError, match="not the expected file"):
        resolve(str(file), "1" * 64)
    with pytest.raises(MissingError, match="does not exist"):
        resolve(str(tmp_path / "other.pth"))
    with pytest.raises(MissingError, match="is a folder"):
        resolve(str(tmp_path))
    assert resolve("random").seed == 0
    assert resolve("random:7").facts() == {"source": "random:7", "random": True, "seed": 7}


@pytest.mark.parametrize("seed", ["x", "²", "-1", "1.0", "9" * 40, " 1"])
def test_a_seed_is_a_number(seed):
    with pytest.raises(MissingError, match="random:SEED"):
        resolve(f"random:{seed}")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("~nosuchuser/net.pth", "cannot be looked for"),
        ("a\0b", "does not exist|cannot be looked for"),
        ("x" * 5000, "cannot be looked for: File name too long"),
        ("/dev/zero", "no file that can be read to its end"),
        ("ftp://user:hunter2@host/net.pth", r"cannot be fetched from ftp:// \(ftp://\*\*\*@host/net.pth\)"),
        ("http://[::1/net.pth", "is no web address"),
        ("http://", "is no web address"),
        ("https://host:99999/net.pth", "is no web address"),
        ("https://host/a b", "is no web address.*%20"),
        ("https://host/a\0b", "is no web address"),
        ("https://host/net.pth#md5=1", "must be sha256="),
        ("https://host/net.pth#sha256=12", "must be sha256="),
    ],
)
def test_what_is_no_source_is_a_sentence(source, sentence):
    with pytest.raises(MissingError, match=sentence) as caught:
        resolve(source)
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value).replace("a\0b", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://host/net.pth", "https://host/net.pth"),
        (
            "https://u:p@host:8/net.pth?token=s&v=1&s#x=s",
            "https://***@host:8/net.pth?token=***&v=***&***#***",
        ),
        ("https://u:p/w@host/", "https://***"),
        ("https://u:p?w@host/", "https://***"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://host/@scope/x@1", "https://host/@scope/x@1"),
        (
            "model.weights=https://u:p@h/x, then http://h/?a=b",
            "model.weights=https://***@h/x, then http://h/?a=***",
        ),
        ("npm://@scope/name@1.0/x", "npm://@scope/name@1.0/x"),
        ("pypi://a==1/b.py#NAME", "pypi://a==1/b.py#NAME"),
        (f"https://h/x#sha256={SHA}", f"https://h/x#sha256={SHA}"),
        ("C:/weights/net.pth", "C:/weights/net.pth"),
    ],
)
def test_what_may_be_secret_is_hidden(text, shown):
    assert redacted(text) == shown
    assert redacted(shown) == shown


def test_secrets_are_hidden_wherever_they_stand():
    config = {
        "model": {"weights": "https://h/x?token=s", "size": 3},
        "inputs": ["https://u:p@h/", ("a", None)],
    }
    hidden = {
        "model": {"weights": "https://h/x?token=***", "size": 3},
        "inputs": ["https://***@h/", ("a", None)],
    }
    assert without_secrets(config) == hidden


@pytest.fixture
def split(tmp_path):
    """Write an ONNX file whose weights lie in a file beside it."""
    weight = numpy_helper.from_array(np.arange(2000, dtype=np.float32), "w")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2000]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", values[:1], values[1:], [weight]))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    return tmp_path / "net.onnx"


def test_the_hash_of_an_onnx_file_covers_what_lies_beside_it(split):
    before = resolve(str(split)).sha256
    beside = split.with_name("net.bin")
    beside.write_bytes(beside.read_bytes()[::-1])
    after = resolve(str(split)).sha256
    assert before != after
    with pytest.raises(MissingError, match="not the expected file"):
        resolve(str(split), before)
    beside.unlink()
    with pytest.raises(
        MissingError, match=r"net\.onnx keeps its numbers in net\.bin, which is not beside it"
    ):
        resolve(str(split))


@pytest.mark.parametrize("place", ["../net.bin", "/etc/passwd", "..\\net.bin"])
def test_an_onnx_file_does_not_lead_out_of_its_folder(split, place):
    model = onnx.load(split, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = place
    onnx.save(model, split)
    with pytest.raises(MissingError, match="is not beside it: that is not followed"):
        resolve(str(split))


def test_half_an_onnx_file_is_named(tmp_path):
    weight = numpy_helper.from_array(np.arange(2000, dtype=np.float32), "location")
    model = helper.make_model(helper.make_graph([], "g", [], [], [weight]))
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString()[:4000] + b"location")
    with pytest.raises(MissingError, match="is not a whole ONNX file"):
        resolve(str(file))


def test_a_manifest_stands_for_its_files(tmp_path):
    weights = [{"name": "a", "shape": [2], "dtype": "float32"}]
    (tmp_path / "manifest.json").write_text(json.dumps([{"paths": ["a.bin"], "weights": weights}]))
    (tmp_path / "a.bin").write_bytes(b"12345678")
    before = resolve(str(tmp_path / "manifest.json")).sha256
    (tmp_path / "a.bin").write_bytes(b"12345679")
    assert resolve(str(tmp_path / "manifest.json")).sha256 != before


def test_fetching_a_model_gives_the_weights_of_each_network(tmp_path):
    (tmp_path / "net.pth").write_bytes(BODY)
    spec = (TensorSpec("x", ("batch", 3)),)

    class Toy:
        networks = {
            "one": Network("one", spec, spec, weights=str(tmp_path / "net.pth")),
            "other": Network("other", spec, spec, weights="random:3"),
        }

    one, other = fetch(Toy())
    assert (one.sha256, other.seed) == (SHA, 3)
