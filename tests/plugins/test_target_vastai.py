"""Vastai on a simulated SDK (tests/simulated/vastai): through files, as by hand with the vendor's page."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from faceport.api import Artifact
from faceport.artifacts.shapes import open_network
from faceport.errors import ConfigError, FaceportError
from faceport.graph.normalise import Normalisation
from faceport.plugins.loading import create
from tests.cli import faceport
from tests.plugins.pixels import compiled_for_pixels, error_of, pixels_of
from tests.simulated.vastai import calls, install

pytest.importorskip("onnxruntime")
pytest.importorskip("faceport_vastai")
WAITING = 3
FP16, INT8 = 1e-2, 0.2  # of the spread; the simulation has weights of 7 bits
PIXELS = {"colour": "BGR", "layout": "NCHW", "mean": [104.0, 117.0, 123.0], "std": [64.0, 64.0, 64.0]}


@pytest.fixture
def sdk(tmp_path) -> dict:
    return install(tmp_path, "vamc", "vamp")


def target(sdk, **options):
    return create("target", "vastai", **{**sdk, **options})


def draw_pixels(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    return pixels_of(PIXELS, rows, seed)


def compiled(chosen, folder: Path, preprocessing: dict = PIXELS) -> Artifact:
    return compiled_for_pixels(chosen, folder, preprocessing, [draw_pixels(5), draw_pixels(1)])


def check(artifact: Artifact, session, tolerance: float, *batches) -> None:
    assert error_of(artifact.network, session, *batches) < tolerance


@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", FP16), ("int8", INT8)])
def test_all_calls_are_one_invocation_and_are_right(precision, tolerance, sdk, tmp_path):
    chosen = target(sdk, precision=precision, pictures=6)
    artifact = compiled(chosen, tmp_path)
    assert len(list((artifact.path / "suite").iterdir())) == 3
    session = open_network(chosen, artifact)
    check(artifact, session, tolerance, draw_pixels(5), draw_pixels(1))  # what int8 was calibrated on
    assert len(calls(tmp_path, "vamp")) == 1 and calls(tmp_path, "vamc") == ["compile vamc.yaml"]
    facts = session.facts
    assert (facts["runtime"], facts["precision"], facts["device"]) == ("vastai", precision, "die 0")
    assert facts["reported"].startswith("vamp: ") and facts["reported"].endswith(" ms each")
    session.close()


def configs(name: str, **options) -> tuple[dict, dict]:
    """Give vamc's YAML and the JSON of the card for a seed's network."""
    from faceport_vastai.configs import vamc_config, vdsp_params

    [network] = create("model", name, weights="random", **options).networks.values()
    normalisation = Normalisation.of(network.preprocessing)
    shape = (1, *network.inputs[0].shape[1:])
    chosen = target({}, precision="int8", **VAMC.get(name, {})).options
    config = vamc_config(f"{name}_int8", network.inputs[0].name, shape, normalisation, chosen)
    return config, vdsp_params(shape, normalisation, "padding" in network.preprocessing)


# What the vendor's page has for the seed's models: the mode of calibration, colour, mean and deviation, op.
VAMC = {"facenet": {"calibrate_mode": "percentile"}}
RESIZE, LETTERBOX = (f"FUSION_OP_RGB_{what}_CVTCOLOR_NORM_TENSOR" for what in ("RESIZE", "LETTERBOX"))
HALVES = [0.485107421875, 0.4560546875, 0.406005859375], [0.22900390625, 0.2239990234375, 0.2249755859375]
SEEDS = {
    "pipnet_resnet18": (256, HALVES, "DIV255_MINUSMEAN_DIVSTD", "NO_CHANGE", RESIZE),
    "retinaface_mobilenet": (640, ([104, 117, 123], [1] * 3), "MINUSMEAN_DIVSTD", "RGB2BGR", LETTERBOX),
    "facenet": (160, ([127.5] * 3, [128] * 3), "MINUSMEAN_DIVSTD", "NO_CHANGE", RESIZE),
}


@pytest.mark.parametrize("name", SEEDS)
def test_the_configurations_have_what_the_page_has(name):
    side, (mean, std), kind, colour, op = SEEDS[name]
    square = {"size": side} if name.startswith("retinaface") else {}
    config, vdsp = configs(name, **square)
    backend, data = config["backend"], config["dataset"]
    assert config["frontend"]["type"] == "onnx" and config["frontend"]["dtype"] == "fp32"
    assert config["frontend"]["shape"] == {"image": [1, 3, side, side]}
    assert (backend["type"], backend["dtype"]) == ("tvm_vacc", "int8")
    assert backend["compile"] == {"cluster_mode": 0, "data_transport_mode": 1}
    mode = VAMC.get(name, {}).get("calibrate_mode", "kl_divergence")
    assert backend["quantize"] == {"calibrate_mode": mode, "quantize_per_channel": True}
    assert data["type"] == "tvm" and data["sampler"] == {"suffix": "png", "get_data_num": 50}
    assert config["workspace"] == {"path": "./deploy_weights/"}
    steps = [step["type"] for step in data["process_ops"]]
    turned = ["CvtColor"] if colour == "RGB2BGR" else []
    assert steps == ["DecodeImage", *turned, "Resize", "Normalize", "ToTensor"]
    assert vdsp["OpType"] == op
    told = vdsp["OpConfig"]
    assert (told["Mean"], told["Std"], told["NormaType"], told["ColorCvtCode"]) == (mean, std, kind, colour)
    names = ("Iimage", "Oimage")
    assert [told[f"{one}{axis}"] for one in names for axis in ("Width", "Height")] == [side] * 4
    assert told["IimageFormat"] == "RGB_PLANAR" and told["ResizeType"] == "BILINEAR_CV"


def test_fp16_needs_no_data(sdk, tmp_path):
    config = yaml.safe_load((compiled(target(sdk), tmp_path).path / "vamc.yaml").read_text())
    assert config["backend"]["dtype"] == "fp16" and "dataset" not in config


COMPILE_FAULTS = {
    "says PixelShuffle is not supported": "use target.precision=int8",
    "says hardsigmoid": "export with a newer one",
    "says something new": "the tool reports: something new",
    "killed": "ended with exit code 137",
    "two": "ended with 2 of the 3 files mod*",
    "hang": "was ended after 2 s",
}


@pytest.mark.parametrize("fault", COMPILE_FAULTS)
def test_what_vamc_says_becomes_a_sentence(fault, sdk, tmp_path, monkeypatch):
    monkeypatch.setenv("VASTAI_SIMULATED_FAULT", fault)
    with pytest.raises(FaceportError) as caught:
        compiled(target(sdk, limit=2 if fault == "hang" else 60), tmp_path)
    assert COMPILE_FAULTS[fault] in str(caught.value)
    assert not (tmp_path / "artifact" / "suite").exists()


RUN_FAULTS = {
    "card": "the card failed (803012, vafwER_MCU_ERROR_LMCU0)",
    "skips": "the tool made 2 files of 3",
    "swapped": "outputs in another order",
    "says vamp: error: unrecognized arguments: --datalist": "does not know '--datalist'",
    "says RuntimeError: something new": "the tool reports: something new",
    "reversed": "outputs in another order",
    "float64": "float64",
    "killed": "ended with exit code",
    "hang": "was ended after 3 s",
}


@pytest.mark.parametrize("fault", RUN_FAULTS)
def test_what_goes_wrong_in_a_run_becomes_a_sentence(fault, sdk, tmp_path, monkeypatch):
    chosen = target(sdk, limit=3 if fault == "hang" else 60)
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    monkeypatch.setenv("VASTAI_SIMULATED_FAULT", fault)
    with pytest.raises(FaceportError) as caught:
        session.run(draw_pixels(3))
    assert RUN_FAULTS[fault] in str(caught.value), caught.value
    monkeypatch.delenv("VASTAI_SIMULATED_FAULT")
    check(artifact, open_network(chosen, artifact), FP16, draw_pixels(3))


def test_a_machine_that_lacks_a_part_says_which(sdk, tmp_path):
    artifact = compiled(target(sdk), tmp_path)
    bare = tmp_path / "bare.sh"
    bare.write_text(Path(sdk["run_scripts"][0]).read_text().replace("VASTPIPE_ROOT", "SOMETHING_ELSE"))
    for script, said in (
        (str(bare), "vamp lacks its environment: name both activate.sh"),
        ("none", "vamp is not on PATH there: name its scripts in target.run_scripts"),
    ):
        with pytest.raises(FaceportError, match=said):
            open_network(target({**sdk, "run_scripts": [script]}), artifact).run(draw_pixels(1))


def test_what_the_card_cannot_be_given_is_refused(sdk, tmp_path):
    chosen = target(sdk)
    session = open_network(chosen, compiled(chosen, tmp_path))
    with pytest.raises(FaceportError, match="values between them"):
        session.run({"image": draw_pixels(1)["image"] + np.float32(0.004)})
    assert not calls(tmp_path, "vamp")


@pytest.mark.parametrize("preprocessing", [{}, {**PIXELS, "layout": "NHWC"}, {"layout": "NCHW"}])
def test_a_network_without_pixels_is_refused(preprocessing, sdk, tmp_path):
    with pytest.raises(ConfigError, match="network 'tiny'"):
        compiled(target(sdk), tmp_path, preprocessing)


def test_what_is_missing_is_said(sdk, tmp_path):
    said = target({}, run_scripts=["none"]).missing()
    assert "vamp is needed" in said and "vamc, which compiles, is not here either" in said
    assert "pip install" not in said and "something else" in said
    assert "vamc" not in target({**sdk, "run_scripts": []}).missing().partition("activate.sh")[0]
    assert not target(sdk).missing() and not target({}, reach="exchange").missing()
    with pytest.raises(ConfigError, match="it must be local, exchange or ssh://host"):
        target({}, reach="nowhere")


RETINAFACE = ["model=retinaface_mobilenet", "model.size=320", "record=record.json"]


def words_of(sdk: dict, *words: str) -> list[str]:
    scripts = f"target.run_scripts={sdk['run_scripts']}"
    return ["target=vastai", f"target.compile_script={sdk['compile_script']}", scripts, *words]


def record(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


@pytest.fixture(scope="module")
def official(tmp_path_factory, real_dir) -> list[dict]:
    """Give the records of official weights on ONNX Runtime and here."""
    folder = tmp_path_factory.mktemp("official")
    weights = real_dir / "weights/retinaface/RetinaFace_mobilenet025.pth"
    data = [f"model.weights={weights}", "dataset=widerface", f"dataset.root={real_dir / 'wider'}"]
    data.append(f"dataset.subset={real_dir / 'wider/subset_list.txt'}")
    found = []
    for chosen in (["target=onnxruntime"], words_of(install(folder, "vamc", "vamp"))):
        faceport("run", *RETINAFACE, *data, *chosen, folder=folder)
        found.append(record(folder))
    return found


def test_official_weights_score_as_on_onnxruntime(official):
    right, ours = (one["metrics"]["widerface_ap"] for one in official)
    for part in ("easy", "medium", "hard"):
        assert right[part] > 0.1 and ours[part] == pytest.approx(right[part], abs=0.002)


@pytest.mark.xfail(strict=True, reason="open: 0.08 of the spread in loc and landms, not explained yet")
def test_official_weights_are_within_fp16_of_the_reference(official):
    for told in official[1]["parity"]["retinaface"]["outputs"].values():
        assert told["max_rel"] < FP16


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_one_trip_equals_the_local_run(precision, sdk, tmp_path):
    data = ["dataset=synthetic", "dataset.count=3", "model.weights=random"]
    words = [*RETINAFACE, *data, *words_of(sdk, f"target.precision={precision}")]
    away = [*words, "target.reach=exchange", "target.dry_run=true"]
    local, there = tmp_path / "local", tmp_path / "there"
    local.mkdir()
    there.mkdir()
    faceport("run", *words, folder=local)
    said = faceport("run", *away, folder=there, code=WAITING)
    assert "vamc compile vamc.yaml" in said and "Run `sh exchange/run.sh` there" in said
    box = shutil.move(there / "exchange", tmp_path / "carried")
    done = subprocess.run(
        ["sh", f"{box}/run.sh"], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.move(box, there / "exchange")
    faceport("run", *away, folder=there)
    assert record(there)["status"] == "done"
    one, other = (next(place.glob("runs/*/predictions.jsonl")).read_bytes() for place in (local, there))
    assert one == other
