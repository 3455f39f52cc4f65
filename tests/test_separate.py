"""Wheels of the core, one model, one target and two verbs run elsewhere what was compiled here.

Elsewhere is an environment of its own, offline: the five wheels installed by pip, and links to exactly the
packages that their metadata asks for, found in the environment of the tests. So it has no torch, and nothing
leads back to this repository.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import faceport as installed_faceport
from faceport.data.pictures import write_picture
from faceport.networks.modules import load_module
from tests.cli import faceport
from tests.conftest import ROOT

VERBS = ("plugins/verbs/predict", "plugins/verbs/serve")
PROJECTS = ("core", "plugins/models/retinaface", "plugins/targets/onnxruntime", *VERBS)
WANTED = (
    *("faceport", "faceport-retinaface", "faceport-onnxruntime[cpu]"),
    *("faceport-predict", "faceport-serve[http]"),
)
LITTER = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
MODEL = ["model=retinaface_mobilenet", "model.size=160", "model.confidence=0.01"]  # random weights score low


def closure(wanted: tuple[str, ...]) -> set[str]:
    """Follow what distributions require, by their own metadata, down to the last."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if (name, frozenset(asked.extras)) in seen:
            continue
        seen.add((name, frozenset(asked.extras)))
        found.add(name)
        for requirement in map(Requirement, distribution(name).requires or ()):
            marker = requirement.marker
            if not marker or any(marker.evaluate({"extra": extra}) for extra in (*asked.extras, "")):
                waiting.append(requirement)
    return found


def alone() -> dict[str, str]:
    """Give this process's environment without what could lead Python back here."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def link(name: str, site: Path) -> None:
    """Make one installed distribution visible in another environment."""
    dist = distribution(name)
    for top in {file.parts[0] for file in dist.files or () if file.parts[0] not in ("..", "__pycache__")}:
        if not (site / top).exists():
            (site / top).symlink_to(dist.locate_file(top))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """An environment with five wheels of ours, what they require, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for project in PROJECTS:
        shutil.copytree(ROOT / project, folder / "sources" / project, ignore=LITTER)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    sources = [str(folder / "sources" / project) for project in PROJECTS]
    subprocess.run(
        [*pip, "wheel", *offline, "--no-build-isolation", "-w", str(folder / "wheels"), *sources], check=True
    )
    shutil.rmtree(folder / "sources")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    wheels = sorted(map(str, (folder / "wheels").glob("*.whl")))
    assert len(wheels) == len(PROJECTS)
    subprocess.run([*pip, "--python", str(python), "install", *offline, *wheels], env=alone(), check=True)
    site = next((folder / "env").glob("lib/python*/site-packages"))
    for name in closure(WANTED) - {canonicalize_name(Requirement(text).name) for text in WANTED}:
        link(name, site)
    return folder / "env"


def there(elsewhere: Path, *words: str, folder: Path, program: str = "faceport", code: int = 0) -> str:
    """Run a program of the other environment, which sees nothing of this one."""
    done = subprocess.run(
        [str(elsewhere / "bin" / program), *words],
        cwd=folder,
        env={**alone(), "FACEPORT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    (sample,) = installed_faceport.create("dataset", "synthetic", count=1, size=[240, 320])
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    write_picture(path, sample.image)
    return path


def test_the_other_environment_has_five_wheels_and_what_they_require(elsewhere, tmp_path):
    code = """
import importlib.util, json, sys
from importlib.metadata import distributions
import faceport, faceport_retinaface, faceport_onnxruntime
print(json.dumps({
    "ours": sorted({d.name for d in distributions() if d.name.startswith("faceport")}),
    "absent": [name for name in sys.argv[1:] if not importlib.util.find_spec(name)],
    "path": sys.path,
    "files": [module.__file__ for module in (faceport, faceport_retinaface, faceport_onnxruntime)],
}))
"""
    tools = ["torch", "safetensors", "onnxscript", "pytest"]
    seen = json.loads(there(elsewhere, "-c", code, *tools, folder=tmp_path, program="python"))
    ours = ["faceport", "faceport-onnxruntime", "faceport-predict", "faceport-retinaface", "faceport-serve"]
    assert seen["ours"] == ours
    assert seen["absent"] == tools
    assert not [path for path in seen["path"] if Path(path).is_relative_to(ROOT)]
    assert all(Path(file).is_relative_to(elsewhere) for file in seen["files"])
    listed = there(elsewhere, "list", folder=tmp_path)
    assert "broken" not in listed
    assert "dataset: none installed" in listed
    assert there(elsewhere, "doctor", folder=tmp_path).count("ok ") == 5


def said_of(output: str) -> str:
    """Leave out how fast it was."""
    return re.sub(r"[\d.]+ per second", "so fast", output)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a bundle that was compiled here; the checkpoint behind it is not there any more."""
    import torch

    folder = tmp_path_factory.mktemp("home")
    model = installed_faceport.create("model", "retinaface_mobilenet", weights="random:5")
    torch.save(load_module(model.networks["retinaface"]).state_dict(), folder / "trained.pth")
    faceport("compile", *MODEL, f"model.weights={folder}/trained.pth", "out=board", folder=folder)
    (folder / "trained.pth").unlink()
    return folder


def test_what_was_compiled_here_predicts_the_same_there(elsewhere, photo, home):
    words = ["predict", str(photo), "artifact=board", "threshold=0.01"]
    here = faceport(*words, "out=here", folder=home)
    said = there(elsewhere, *words, "out=there", folder=home)
    assert "so its anchors are taken to be" in here
    assert said_of(said).replace("there", "here") == said_of(here)

    found = (home / "there" / "predictions.jsonl").read_bytes()
    assert found == (home / "here" / "predictions.jsonl").read_bytes()
    (prediction,) = map(json.loads, found.splitlines())
    assert prediction["id"] == "photo.png"
    assert len(prediction["boxes"]) > 100
    drawn = (home / "there" / "photo.png").read_bytes()
    assert drawn == (home / "here" / "photo.png").read_bytes() != photo.read_bytes()


def test_what_was_compiled_here_is_served_there(elsewhere, photo, home):
    pytest.importorskip("uvicorn")
    from faceport_serve.client import Client
    from tests.plugins.serving import await_ready

    words = ["predict", str(photo), "artifact=board", "out=expected"]
    faceport(*words, folder=home)
    (expected,) = map(json.loads, (home / "expected" / "predictions.jsonl").read_text().splitlines())
    process = subprocess.Popen(
        [elsewhere / "bin" / "faceport", "serve", "artifact=board", "port=0", "faces=9999", "log=none"],
        cwd=home,
        env={**alone(), "FACEPORT_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        faces = Client(await_ready(process)[0]).faces(photo)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert faces.boxes.tolist() == np.float32(expected["boxes"]).tolist()


def test_compiling_there_says_that_torch_is_needed(elsewhere, tmp_path):
    words = ["compile", *MODEL, "model.weights=random", "out=board"]
    said = there(elsewhere, *words, folder=tmp_path, code=1)
    assert said.startswith("error: torch is needed to export network 'retinaface'")
    assert "artifact=DIR" in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "board").exists()
