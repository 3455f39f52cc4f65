"""What an artifact's key sees: everything that made it."""

import pytest

from faceport.artifacts import recipe
from faceport.artifacts.builder import Builder
from faceport.plugins.loading import create
from tests.plugins.toys import Toy, builder, network


@pytest.fixture
def key(tmp_path):
    """Compile a toy and give the key of what was made."""

    def compiled() -> str:
        recipe.core_digest.cache_clear()
        recipe.code_digest.cache_clear()
        kit: Builder = builder(create("target", "onnxruntime"), "onnxruntime", FREE, tmp_path)
        return kit.artifact(FREE).path.name

    yield compiled
    recipe.core_digest.cache_clear()
    recipe.code_digest.cache_clear()


FREE = network("free")


def test_the_same_things_make_the_same_key(key):
    assert key() == key()


@pytest.mark.parametrize("room", recipe.MAKERS)
def test_the_code_that_compiles_is_in_the_key(room, key, monkeypatch, tmp_path):
    """An upgrade that mends graph/half.py must not be answered with what the old one made."""
    before = key()
    core = recipe.Path(recipe.__file__).parents[1]
    changed = sorted((core / room).rglob("*.py"))[-1]
    read = recipe.Path.read_bytes
    monkeypatch.setattr(
        recipe.Path, "read_bytes", lambda path: read(path) + (b"# mended" if path == changed else b"")
    )
    assert key() != before


@pytest.mark.parametrize("name", ["faceport", "torch", "onnx", "onnxruntime"])
def test_versions_are_in_the_key(name, key, monkeypatch):
    before, version = key(), recipe.version
    monkeypatch.setattr(recipe, "version", lambda asked: "99.0" if asked == name else version(asked))
    assert key() != before


def test_the_code_of_a_target_is_in_its_recipe(monkeypatch):
    target = create("target", "onnxruntime")
    before = recipe.target_recipe(target, "onnxruntime")
    assert before["runtime"]["onnxruntime"] and before["code"]
    monkeypatch.setattr(recipe, "code_digest", lambda module: "other")
    assert recipe.target_recipe(target, "onnxruntime") != before


def test_a_plugin_of_one_file_is_hashed_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lonely_plugin.py").write_text("x = 1\n")
    (tmp_path / "neighbour.py").write_text("y = 1\n")
    recipe.code_digest.cache_clear()
    before = recipe.code_digest("lonely_plugin")
    (tmp_path / "neighbour.py").write_text("y = 2\n")
    recipe.code_digest.cache_clear()
    assert recipe.code_digest("lonely_plugin") == before
    (tmp_path / "lonely_plugin.py").write_text("x = 2\n")
    recipe.code_digest.cache_clear()
    assert recipe.code_digest("lonely_plugin") != before


def test_the_owner_of_a_network_is_found_in_a_cascade():
    from faceport.engine.cascade import Cascade

    detector, model = Toy(network("free")), Toy(network("fixed"))
    detector.provides = model.needs = frozenset({"boxes"})
    both = Cascade(detector, model)
    assert recipe.network_recipe(model.networks["fixed"], both) == recipe.network_recipe(
        model.networks["fixed"], model
    )
