"""What a bundle carries: it can be read, it is checked, and its sample runs without faceport."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from faceport.artifacts.bundle import FILE, read_bundle, verify
from tests.plans import act

WORDS = ["model=retinaface_mobilenet", "model.weights=random", "model.size=64", "target=onnxruntime"]


@pytest.fixture
def bundle(tmp_path):
    return act("compile", [*WORDS, f"out={tmp_path / 'board'}"]).bundle


def run_sample(bundle) -> subprocess.CompletedProcess[str]:
    blocked = "import sys, runpy; sys.modules['faceport'] = None; runpy.run_path(sys.argv[1])"
    command = [sys.executable, "-c", blocked, str(bundle.path / "sample.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_sample_reproduces_the_golden_vectors_without_faceport(bundle):
    done = run_sample(bundle)
    assert done.returncode == 0 and "output.loc: off by" in done.stdout, done.stderr
    file = next((bundle.path / "golden").glob("*.npz"))
    vectors = dict(np.load(file))
    vectors["output.loc"] = vectors["output.loc"] + 1
    np.savez(file, **vectors)
    assert run_sample(bundle).returncode == 1
    assert [problem for problem in verify(bundle) if file.name in problem], "and the change is found"


def test_the_readme_says_what_it_is(bundle):
    text = (bundle.path / "README.md").read_text()
    assert text.startswith("# retinaface_mobilenet for onnxruntime, fp32") and "python sample.py" in text
    assert verify(bundle) == []


def test_another_version_is_told_on_opening(bundle):
    assert bundle.versions["faceport-retinaface"] and not bundle.departures()
    other = replace(bundle, versions={**bundle.versions, "faceport-retinaface": "0.0.9"})
    assert other.departures()[0].startswith("the bundle was compiled with faceport-retinaface 0.0.9, here is")
    content = json.loads((bundle.path / FILE).read_text())
    content["versions"]["faceport-retinaface"] = "0.0.9"
    (bundle.path / FILE).write_text(json.dumps(content))
    assert read_bundle(bundle.path).departures()
