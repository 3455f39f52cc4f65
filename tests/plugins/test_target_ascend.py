"""Ascend on a simulated CANN (tests/simulated/ascend): through files, as by hand with the vendor's page."""

import json
import sys
from pathlib import Path

import pytest

from faceport.api import Artifact
from faceport.artifacts.shapes import compile_network, open_network
from faceport.errors import ConfigError, FaceportError
from faceport.plugins.loading import create
from faceport.testing.tiny import draw_inputs, tiny_source
from tests.cli import faceport
from tests.plugins.pixels import error_of
from tests.simulated.ascend import SITE, calls, install

pytest.importorskip("onnxruntime")
pytest.importorskip("faceport_ascend")
CHIP = "Ascend310"
WAITING = 3
FP16 = 1e-2
MTCNN = ["model=mtcnn", "dataset=widerface", "record=record.json"]


@pytest.fixture
def cann(tmp_path) -> dict[str, str]:
    return install(tmp_path, "atc", "msame", "python_there")


def target(cann, **options):
    given = {"soc_version": CHIP, "runner": "ais_bench", **cann, **options}
    return create("target", "ascend", **given)


def compiled(chosen, folder: Path, free: bool = True) -> Artifact:
    (folder / "source").mkdir()
    (folder / "artifact").mkdir()
    source = tiny_source("onnx", free, folder / "source")
    compile_network(chosen, source, folder / "artifact", [draw_inputs(1, 12, 16), draw_inputs(1, 20, 8)])
    return Artifact(folder / "artifact", source.network, {})


def check(network, session, *batches) -> None:
    assert error_of(network, session, *batches) < FP16


@pytest.mark.parametrize("runner", ["ais_bench", "msame"])
@pytest.mark.parametrize("options", [{}, {"batch": 2, "fixed_sizes": True}], ids=["ranges", "static"])
def test_files_are_right(runner, options, cann, tmp_path):
    chosen = target({**cann, "runner": runner}, **options)
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    check(artifact.network, session, draw_inputs(3, 12, 16), draw_inputs(1, 20, 8), draw_inputs(2, 12, 16))
    assert session.facts["runtime"] == runner and session.facts["precision"] == "fp16"
    program = {"msame": "msame", "ais_bench": "python_there"}[runner]
    assert len(calls(tmp_path, program)) == {  # msame takes one shape at a time
        ("ais_bench", True): 1,
        ("msame", True): 3,
    }.get((runner, not options), 2)
    session.close()


@pytest.fixture
def in_python(monkeypatch):
    """Have the simulated ais_bench importable for one test."""
    monkeypatch.syspath_prepend(SITE)
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if name.startswith(("ais_bench", "simulated")):
            del sys.modules[name]


@pytest.mark.usefixtures("in_python")
def test_the_python_session_is_right(cann, tmp_path, monkeypatch):
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", "there")
    chosen = target(cann, runner="auto")
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    for inputs in (draw_inputs(70, 12, 16), draw_inputs(1, 20, 8)):
        check(artifact.network, session, inputs)
    with pytest.raises(FaceportError, match="axis 2 of 'image' is 1600, it was compiled for 1 to 1500"):
        session.run(draw_inputs(1, 1600, 8))


def test_the_command_is_the_documented_one(cann, tmp_path):
    chosen = target(cann, ranges={"tiny": "1~2000,3,1~1500,1~1500"})
    artifact = compiled(chosen, tmp_path)
    [line] = calls(tmp_path, "atc")
    for word in (
        *("--framework=5", "--input_format=NCHW", "--soc_version=Ascend310", "--precision_mode=force_fp16"),
        *("--input_shape_range=image:[1~2000,3,1~1500,1~1500]", "--output=model", "--out_nodes="),
    ):
        assert word in line
    assert line.count("--log=") == 1, "the page gives it twice"
    assert json.loads((artifact.path / "ascend.json").read_text())["soc_version"] == CHIP


COMPILE_FAULTS = {
    "E10001 bad": "target.ranges",
    "E10007 framework": "atc lacks a flag",
    "E10054 model": "atc lacks a flag",
    "EC0010 decorator": "put the Python that CANN was installed for first",
    "EZ9999 inner": "atc met an inner error (EZ9999)",
    "E16005 two": "more than one opset domain",
    "E19010 Op[Div]": "export with an older one",
    "EZ3003 none": "has no kernel",
    "E40000 import": "put the Python that CANN was installed for first",
    "libascend_hal": "devlib to LD_LIBRARY_PATH",
    "killed": "ended with exit code 137",
    "nothing": "ended without making model.om",
    "hang": "was ended after 2 s",
}


@pytest.mark.parametrize("fault", COMPILE_FAULTS)
def test_what_atc_says_becomes_a_sentence(fault, cann, tmp_path, monkeypatch):
    monkeypatch.setenv("ASCEND_SIMULATED_FAULT", fault)
    chosen = target(cann, limit=2 if fault == "hang" else 60)
    with pytest.raises(FaceportError) as caught:
        compiled(chosen, tmp_path)
    assert COMPILE_FAULTS[fault] in str(caught.value)
    assert str(caught.value).startswith("ascend ")
    assert not (tmp_path / "artifact" / "model.om").exists()


RUN_FAULTS = {
    ("ais_bench", "driver"): "cannot be opened (507033)",
    ("ais_bench", "save"): "was compiled for another batch",
    ("ais_bench", "says arg0 tensorsize: 64 filesize: 32 not match"): "an input has 32 bytes",
    ("ais_bench", "says load model from file failed"): "the .om cannot be loaded",
    ("ais_bench", "says EZ9999: aicore exception"): "met an inner error while it ran",
    ("ais_bench", "says error: unrecognized arguments: --outfmt"): "does not know '--outfmt'",
    ("msame", "says load model from file failed"): "the .om cannot be loaded",
    ("msame", "says out dir is not writable"): "the tool reports: out dir is not writable",
    ("msame", "hang"): "was ended after",
    ("ais_bench", "reversed"): "outputs in another order",
    ("ais_bench", "float64"): "numbers of float64",
    ("ais_bench", "killed"): "ended with exit code",
    ("ais_bench", "hang"): "was ended after",
    ("msame", "missing input"): "the tool reports: input path is invalid",
    ("msame", "skips"): "the tool reports: direct-00000",
    ("msame", "reversed"): "outputs in another order",
    ("msame", "float64"): "outputs in another order, or an .om of another batch",
    ("msame", "killed"): "ended with exit code",
}


@pytest.mark.parametrize(("runner", "fault"), RUN_FAULTS)
def test_what_goes_wrong_in_a_run_becomes_a_sentence(runner, fault, cann, tmp_path, monkeypatch):
    static = {"batch": 1, "fixed_sizes": True} if fault in ("reversed", "float64") else {}
    chosen = target({**cann, "runner": runner}, limit=3 if fault == "hang" else 60, **static)
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    monkeypatch.setenv("ASCEND_SIMULATED_FAULT", fault)
    with pytest.raises(FaceportError) as caught:
        session.run(draw_inputs(1, 12, 16))
    assert RUN_FAULTS[runner, fault] in str(caught.value), caught.value
    monkeypatch.delenv("ASCEND_SIMULATED_FAULT")
    again = open_network(chosen, artifact)
    check(artifact.network, again, draw_inputs(1, 12, 16))


def test_a_warning_is_no_failure(cann, tmp_path, monkeypatch):
    chosen = target(cann)
    artifact = compiled(chosen, tmp_path)
    monkeypatch.setenv("ASCEND_SIMULATED_FAULT", "warns")
    check(artifact.network, open_network(chosen, artifact), draw_inputs(1, 12, 16))


def test_a_machine_that_lacks_a_part_says_which(cann, tmp_path):
    artifact = compiled(target(cann), tmp_path)
    bare = tmp_path / "bare.sh"
    bare.write_text(Path(cann["env_script"]).read_text().replace("ASCEND_TOOLKIT_HOME", "SOMETHING_ELSE"))
    lacking = [
        ({"python": sys.executable}, "'ais_bench' is not installed in that Python"),
        ({"runner": "msame", "env_script": "none"}, "msame is not on PATH there"),
        ({"runner": "msame", "env_script": str(bare)}, "libascendcl.so cannot be loaded: CANN's environment"),
    ]
    for options, said in lacking:
        with pytest.raises(FaceportError) as caught:
            open_network(target({**cann, **options}), artifact).run(draw_inputs(1, 12, 16))
        assert said in str(caught.value), caught.value


def test_another_chip_is_refused(cann, tmp_path, monkeypatch):
    chosen = target(cann)
    artifact = compiled(chosen, tmp_path)
    monkeypatch.setenv("ASCEND_SIMULATED_CHIP", "Ascend310P3")
    with pytest.raises(FaceportError, match=r"compiled for another chip.*npu-smi info"):
        open_network(chosen, artifact).run(draw_inputs(1, 12, 16))


def test_what_is_missing_is_said(tmp_path):
    said = target({}, runner="auto", env_script="none").missing()
    assert "ais_bench or msame is needed" in said and "atc, which compiles, is not here either" in said
    assert not target({}, reach="exchange").missing()
    with pytest.raises(ConfigError, match=r"soc_version is needed.*npu-smi info"):
        compiled(target({}, soc_version="", reach="exchange"), tmp_path)


def test_aipp_takes_bytes(cann, tmp_path, real_dir):
    folder = tmp_path
    weights = real_dir / "weights/retinaface"
    words = [
        "model=retinaface_mobilenet",
        f"model.weights={next(weights.glob('*mobile*'))}",
        "model.size=320",
    ]
    words += ["dataset=folder", f"dataset.path={real_dir / 'photos'}", "limit=2", "record=record.json"]
    ascend = ["target=ascend", f"target.soc_version={CHIP}", "target.runner=msame", "target.batch=1"]
    ascend += [f"target.env_script={cann['env_script']}", "metric=agreement"]
    found = []
    for aipp in ("false", "true"):
        faceport("run", *words, *ascend, f"target.aipp={aipp}", folder=folder)
        found.append(json.loads((folder / "record.json").read_text())["parity"]["retinaface"]["outputs"])
    floats, pixels = found
    for name, one in pixels.items():
        assert one["snr_db"] == pytest.approx(floats[name]["snr_db"], abs=0.5) and one["snr_db"] > 30
    [path] = (folder / "cache").rglob("aipp.cfg")
    text = path.read_text()
    for line in ("aipp_mode: static", "input_format: RGB888_U8", "mean_chn_0: 104", "var_reci_chn_2: 1"):
        assert line in text
