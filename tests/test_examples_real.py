"""The examples with published weights, installed as a third party ships them, on real photos."""

import json
import shutil

import numpy as np
import pytest

from tests.cli import faceport
from tests.conftest import ROOT
from tests.test_examples import pip

EXAMPLES = ("faceport-example-pfld", "faceport-example-mobilefacenet")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> str:
    """Install both into a folder of their own."""
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("site")
    copies = [str(shutil.copytree(ROOT / "examples" / name, sources / name)) for name in EXAMPLES]
    pip("install", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(target), *copies)
    return str(target)


def test_pfld_gives_the_published_error_of_each_face(real_dir, site, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = real_dir / "wflw"
    words = [
        *("run", "model=example_pfld", "dataset=wflw", f"dataset.root={folder}", "batch_size=4"),
        f"model.weights={real_dir / 'weights' / 'pfld_wflw98' / 'PFLD_GhostOne_112_1_opt_sim.onnx'}",
        f"dataset.list={folder / 'list_98pt_test_subset.txt'}",
        *("metric.landmarks.per_face=true", "metric=landmarks", "record=record.json"),
    ]
    faceport(*words, folder=tmp_path, PYTHONPATH=site)
    record = json.loads((tmp_path / "record.json").read_text())
    rows = (real_dir / "reference_runs" / "wflw_subset_nme_pfld_ghostone.tsv").read_text().splitlines()[1:]
    published: dict[str, list[float]] = {}
    for row in rows:
        picture, _, error = row.split("\t")
        published.setdefault(picture, []).append(float(error))
    found = record["metrics"]["landmarks"]["per_face"]
    expected = [(picture, error) for picture in sorted(published) for error in published[picture]]
    assert found["picture"] == [picture for picture, _ in expected]
    errors = np.array([error for _, error in expected])
    np.testing.assert_allclose(found["nme"], errors, atol=1e-4)
    assert np.mean(found["nme"]) == pytest.approx(errors.mean(), abs=1e-5)
    assert record["artifacts"]["pfld"]["runs_as"]["batch"] == "1"
    assert record["parity"]["pfld"]["outputs"]["output"]["max_rel"] < 1e-4


def test_a_file_that_is_not_there_is_named(real_dir, site, tmp_path):
    words = ["run", "model=example_pfld", "dataset=wflw", f"dataset.root={real_dir / 'wflw'}"]
    listed = f"dataset.list={real_dir / 'wflw' / 'list_98pt_test_subset.txt'}"
    said = faceport(*words, listed, "model.weights=gone.onnx", folder=tmp_path, code=1, PYTHONPATH=site)
    assert "gone.onnx does not exist" in said
    said = faceport(*words, listed, folder=tmp_path, code=1, PYTHONPATH=site)
    assert "option 'weights' must be given" in said and "PFLD_GhostOne_112_1_opt_sim.onnx" in said


@pytest.mark.slow
def test_mobilefacenet_gives_the_published_scores_of_each_pair(real_dir, site, tmp_path):
    pytest.importorskip("torch")
    words = [
        *("run", "model=example_mobilefacenet", "dataset=lfw", "dataset.folds=2", "batch_size=8"),
        f"model.weights={real_dir / 'weights' / 'mobilefacenet' / '068.ckpt'}",
        f"dataset.root={real_dir / 'lfw' / 'lfw_aligned112_folds1-2.zip'}",
        *("metric=verification", "metric.verification.distance=cosine", "metric.verification.folds=2"),
        *("metric.verification.protocol=sphereface", "metric.verification.per_fold=true"),
        *("metric.verification.scores=true", "record=record.json"),
    ]
    faceport(*words, folder=tmp_path, PYTHONPATH=site)
    found = json.loads((tmp_path / "record.json").read_text())["metrics"]["verification"]
    published = json.loads((real_dir / "reference_runs" / "lfw_mobilefacenet.json").read_text())
    assert (found["pairs"], found["missing_pairs"]) == (1200, 0)
    scores = published["cosine_scores_first_1200_pairs"]
    np.testing.assert_allclose(1 - np.array(found["distances"]), scores, atol=2e-5)
    assert found["auc"] == pytest.approx(published["auc_folds1-2"], abs=1e-9)
    folds = published["folds1-2_raw_cosine"]
    assert found["folds"]["accuracy"] == pytest.approx([fold["accuracy"] for fold in folds], abs=1e-12)
    thresholds = [1 - fold["threshold_from_other_fold"] for fold in folds]
    assert found["folds"]["threshold"] == pytest.approx(thresholds, abs=1e-3)
