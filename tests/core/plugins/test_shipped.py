"""The table of names that are shipped is that of the repository, and answers for what is not installed."""

import re
import tomllib
from dataclasses import replace

import pytest
from hydra.core.config_store import ConfigStore

from faceport.errors import ConfigError
from faceport.plugins import index
from faceport.plugins.index import installed
from faceport.plugins.shipped import shipped
from faceport.shell.cli import run_command
from faceport.shell.compose import compose_config
from faceport.shell.offers import offers
from tests.conftest import ROOT

PROJECTS = [
    tomllib.loads(path.read_text()) | {"folder": path.parent}
    for path in (ROOT / "core/pyproject.toml", *sorted(ROOT.glob("plugins/*/*/pyproject.toml")))
]


def test_the_table_holds_what_the_repository_holds():
    brought = {
        (path.parent.name, path.stem): project["project"]["name"]
        for project in PROJECTS
        for path in (project["folder"] / "src").glob("**/conf/*/[!_.]*.yaml")
    }
    table = {
        (kind, name): one.partition("[")[0]
        for kind, names in shipped().items()
        for name, one in names.items()
    }
    assert table == brought


def test_what_it_says_to_install_can_be_installed():
    extras = {
        one["project"]["name"]: set(one["project"].get("optional-dependencies", {})) for one in PROJECTS
    }
    for kind, names in shipped().items():
        for name, requirement in names.items():
            distribution, given = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", requirement).groups()
            asked = {*given.split(",")} if given else set()
            assert asked <= extras[distribution]
            assert asked or kind != "target" or not extras[distribution], f"{name} comes without its runtime"


@pytest.fixture
def bare(monkeypatch):
    """Leave nothing installed but the core and RetinaFace."""
    kept = [one for one in installed().plugins if one.distribution in ("faceport", "faceport-retinaface")]
    few = replace(installed(), plugins=tuple(kept))
    for module in ("index", "loading"):
        monkeypatch.setattr(f"faceport.plugins.{module}.installed", lambda: few)
    monkeypatch.setattr(index, "installed", lambda: few)
    for module in ("offers", "overrides", "groups", "compose", "verb"):
        monkeypatch.setattr(f"faceport.shell.{module}.installed", lambda: few)
    monkeypatch.setattr("faceport.catalogue.presets.installed", lambda: few)
    store = ConfigStore.instance()  # one for the whole process: it would still hold what others registered
    others = {group: one for group, one in store.repo.items() if group not in installed().kinds}
    monkeypatch.setattr(store, "repo", others)
    return few


@pytest.mark.parametrize(
    ("kind", "name", "cure"),
    [
        ("target", "torch", "pip install 'faceport-torch'"),
        ("target", "onnxruntime", r"pip install 'faceport-onnxruntime\[cpu\]'"),
        ("dataset", "widerface", "pip install 'faceport-widerface-dataset'"),
        ("verb", "predict", "pip install 'faceport-predict'"),
    ],
)
def test_what_is_known_but_not_installed_is_answered_with_its_cure(kind, name, cure, bare):
    with pytest.raises(ConfigError, match=f"{kind} '{name}' is not installed: {cure}"):
        bare.find(kind, name)
    if kind == "verb":
        with pytest.raises(ConfigError, match=cure):
            offers(name)
    else:
        with pytest.raises(ConfigError, match=cure):
            compose_config("run", ["model=retinaface_mobilenet", f"{kind}={name}"])


def test_a_default_that_is_not_installed_is_answered_too(bare):
    with pytest.raises(ConfigError, match="target 'onnxruntime' is not installed: pip install"):
        compose_config("compile", ["model=retinaface_mobilenet"])


def test_other_names_are_not_known(bare, capsys):
    with pytest.raises(ConfigError, match="could not find target 'torsh'"):
        bare.find("target", "torsh")
    assert run_command(["predikt"]) == 1
    assert "there is no command 'predikt'" in capsys.readouterr().err
