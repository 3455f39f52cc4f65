"""Renesas DRP-AI on a simulated installation and board (tests/simulated/drpai), through files."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Artifact
from faceport.artifacts.shapes import open_network
from faceport.errors import ConfigError, FaceportError
from faceport.plugins.loading import create
from tests.cli import faceport
from tests.plugins.pixels import compiled_for_pixels, error_of, pixels_of
from tests.simulated.drpai import commands, install

pytest.importorskip("onnxruntime")
pytest.importorskip("faceport_drpai")
if not shutil.which("g++"):
    pytest.skip("g++ stands in for the SDK's compiler", allow_module_level=True)
WAITING = 3
TOLERANCES = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.2}
PIXELS = {"colour": "BGR", "layout": "NCHW", "mean": [104.0, 117.0, 123.0], "std": [64.0, 60.0, 58.0]}
BOARDS = {
    "release 1": ("V2MA", 1, {}),
    "release 2": ("V2L", 2, {}),
    "int8": ("V2H", 2, {"precision": "int8"}),
    "mera": ("V2N", 2, {"precision": "int8", "runner": "mera", "frequency": 3}),
}


def target(rz: dict, **options):
    return create("target", "drpai", **{**rz, **options})


def draw_pixels(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    return pixels_of(PIXELS, rows, seed)


def compiled(chosen, folder: Path, preprocessing: dict = PIXELS) -> Artifact:
    return compiled_for_pixels(chosen, folder, preprocessing, [draw_pixels(5), draw_pixels(1)])


def check(artifact: Artifact, session, tolerance: float, *batches) -> None:
    assert error_of(artifact.network, session, *batches) < tolerance


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_computes_rightly(board, tmp_path):
    product, release, options = BOARDS[board]
    chosen = target(install(tmp_path, product, release), **options)
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    check(artifact, session, TOLERANCES[chosen.precision], draw_pixels(2), draw_pixels(1))
    facts = session.facts
    assert (facts["runtime"], facts["version"]) == ("drpai", f"DRP-AI TVM {release}")
    assert (facts["device"], facts["mode"]) == (product, "accelerator")
    assert re.fullmatch(
        rf"[\d.e+]+ ms for each run on {product} \(accelerator\), without copies", facts["reported"]
    )
    session.close()


COMMANDS = {
    "release 1": "compile_onnx_model.py -i image -s 1,3,12,16 -o made/model ../model.onnx",
    "release 2": "compile_onnx_model.py -i image -s 1,3,12,16 -o made/model --level 0 ../model.onnx",
    "int8": "compile_onnx_model_quant.py -i image -s 1,3,12,16 -o made/model --images ../calibration "
    "-f float32 ../model.onnx -c {quantizer}",
}


@pytest.mark.parametrize("board", COMMANDS)
def test_the_command_is_the_documented_one(board, tmp_path):
    product, release, options = BOARDS[board]
    more = {"release 2": {"level": 0}, "int8": {"cpu_type": "float32", "pictures": 3}}.get(board, {})
    artifact = compiled(target(install(tmp_path, product, release), **options, **more), tmp_path)
    [line] = commands(tmp_path)
    assert line == COMMANDS[board].format(quantizer=tmp_path / "rz/quantizer")
    assert json.loads((artifact.path / "drpai.json").read_text())["product"] == product


@pytest.mark.parametrize(
    ("product", "release", "address", "wanted"),
    [
        ("V2L", 1, None, "0x838E0000"),
        ("V2M", 1, None, "0xC38E0000"),
        ("V2MA", 1, None, "0x438E0000"),
        ("V2MA", 1, "0x442D0000", "0x442D0000"),
        ("V2L", 2, None, "0x0"),
    ],
)
def test_the_address_is_compiled_in_as_documented(product, release, address, wanted):
    from faceport_drpai.options import DrpaiOptions
    from faceport_drpai.scripts import compile_script, run_script

    options = DrpaiOptions(product=product, release=release, address=address)
    assert f'"addr_map_start": *{wanted}' in compile_script(options, "image", (1, 3, 256, 256))
    assert f"export PRODUCT={product}\n" in compile_script(options, "image", (1, 3, 256, 256))
    assert (" 0x32e0000 /dev/drpai0 " in run_script(options)) is (release == 2)


def test_a_board_refuses_what_was_compiled_for_another_place(tmp_path):
    rz = install(tmp_path, "V2MA", 1)
    chosen = target(rz, address="0x442D0000")
    session = open_network(chosen, compiled(chosen, tmp_path))
    with pytest.raises(FaceportError, match=r"errno 22, DRPAI_ASSIGN.*target.address"):
        session.run(draw_pixels(1))


def test_calibration_sees_the_pictures_of_the_model_not_those_of_imagenet(tmp_path):
    import cv2

    chosen = target(install(tmp_path, "V2H"), precision="int8", dry_run=True)
    artifact = compiled(chosen, tmp_path)
    scope: dict = {"np": np}
    exec((artifact.path / "pixels.py").read_text(), scope)
    paths = sorted((artifact.path / "calibration").iterdir())
    assert len(paths) == 6
    wanted = np.concatenate([draw_pixels(5)["image"], draw_pixels(1)["image"]])
    for path, right in zip(paths, wanted, strict=True):
        found = scope["pre_process_imagenet_pytorch"](cv2.imread(str(path)), None, None, need_transpose=True)
        np.testing.assert_allclose(found, right, atol=1e-6)


COMPILE_FAULTS = {
    "says NotImplementedError: The following operators are not implemented: ['Foo']": "lacks operators",
    "says TVMError: drp translator toolchain failed: x": "DRP-AI Translator failed (x)",
    "says Error: run_translator.py failed": "DRP-AI Translator failed (run_translator.py)",
    "says Only 3d or 1d output tensors are supported by drp translator": "takes an output of CHW",
    "says Cannot allocate memory symbolic tensor shape [?, 4]": "an output has no fixed shape",
    "says Resize mode not supported": "has no such resize",
    "says Wrong or missing address map size": "set target.address",
    "says run.py: error: unrecognized arguments: --disable_onnxsim": "does not know '--disable_onnxsim'",
    "says ModuleNotFoundError: No module named 'graph_optimizer'": "TRANSLATOR names no",
    "says ModuleNotFoundError: No module named 'tvm.relay.mera.drp'": "name the one of Renesas'",
    "says Download attempt failed: tophub": "wanted to download its schedules",
    "says PRODUCT value unsupported": "the script is not for this product",
    "says ValueError: something new": "the tool reports: something new",
    "memory": "needs more memory than the board sets aside",
    "segfault": "must be the first import",
    "killed": "the compiler failed",
    "nothing": "ended without making deploy.params",
    "hang": "was ended after 2 s",
}


@pytest.fixture(scope="module")
def rz(tmp_path_factory) -> dict:
    """Give the options of a user of release 2 who has a V2MA."""
    return install(tmp_path_factory.mktemp("rz"), "V2MA")


@pytest.mark.parametrize("fault", COMPILE_FAULTS)
def test_what_compilers_say_becomes_a_sentence(fault, rz, tmp_path, monkeypatch):
    monkeypatch.setenv("DRPAI_SIMULATED_FAULT", fault)
    with pytest.raises(FaceportError) as caught:
        compiled(target(rz, limit=2 if fault == "hang" else 60), tmp_path)
    assert COMPILE_FAULTS[fault] in str(caught.value), caught.value
    assert str(caught.value).startswith("drpai TVM 2 cannot compile network 'tiny'")
    assert not (tmp_path / "artifact/made").exists()


RUN_FAULTS = {
    "assign": "errno 22, DRPAI_ASSIGN",
    "nothing for it": "run it with target.mode=cpu",
    "fp16 input": "other numbers than floats",
    "missing": "lost.so: the folder of the network did not arrive whole",
    "int64": "other numbers than floats",
    "skips": "the tool made 0 files of 2",
    "reversed": "outputs in another order",
    "killed": "ended with exit code",
    "hang": "was ended after 3 s",
}


@pytest.fixture(scope="module")
def made(rz, tmp_path_factory) -> Artifact:
    """Compile the tiny network once."""
    return compiled(target(rz), tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("fault", RUN_FAULTS)
def test_what_goes_wrong_on_the_board_becomes_a_sentence(fault, rz, made, monkeypatch):
    session = open_network(target(rz, limit=3 if fault == "hang" else 60), made)
    monkeypatch.setenv("DRPAI_SIMULATED_FAULT", fault)
    with pytest.raises(FaceportError) as caught:
        session.run(draw_pixels(1))
    assert RUN_FAULTS[fault] in str(caught.value), caught.value
    monkeypatch.delenv("DRPAI_SIMULATED_FAULT")
    check(made, open_network(target(rz), made), TOLERANCES["fp16"], draw_pixels(1))


@pytest.mark.parametrize(
    ("lost", "said"),
    [("made/model/deploy.params", "deploy.params is missing"), ("drpai.json", "drpai.json is damaged")],
)
def test_an_artifact_that_is_not_whole_is_refused(lost, said, rz, made, tmp_path):
    shutil.copytree(made.path, tmp_path / "copy")
    (tmp_path / "copy" / lost).unlink()
    with pytest.raises(FaceportError, match=said):
        open_network(target(rz), Artifact(tmp_path / "copy", made.network, {}))


def test_a_board_that_cannot_start_the_program_says_why(rz, made, tmp_path):
    copy = Artifact(tmp_path / "copy", made.network, {})
    shutil.copytree(made.path, copy.path)
    (copy.path / "made/lib/libtvm_runtime.so").unlink()
    with pytest.raises(FaceportError, match="the board lacks libtvm_runtime.so: Renesas' runtime"):
        open_network(target(rz), copy).run(draw_pixels(1))
    program = copy.path / "made/runner"
    content = bytearray(program.read_bytes())
    content[18:20] = b"\x08\x00"  # the processor that an ELF file is for: MIPS
    program.write_bytes(content)
    with pytest.raises(FaceportError, match="the program was built for the board and this is none"):
        open_network(target(rz), copy).run(draw_pixels(1))


def test_a_board_without_mera_says_so(tmp_path):
    rz = install(tmp_path, "V2N")
    chosen = target(rz, precision="int8", runner="mera")
    artifact = compiled(chosen, tmp_path)
    bare = target({**rz, "python": sys.executable}, precision="int8", runner="mera")
    with pytest.raises(FaceportError, match="'mera' is not installed in the board's Python"):
        open_network(bare, artifact).run(draw_pixels(1))


def test_a_board_without_a_driver_or_of_another_product_says_so(rz, made, tmp_path, monkeypatch):
    with pytest.raises(FaceportError, match="the driver of DRP-AI cannot be opened"):
        open_network(target(rz, driver=str(tmp_path / "none")), made).run(draw_pixels(1))
    driver = Path(rz["driver"])
    kept = driver.read_text()
    driver.write_text(kept.replace("V2MA", "V2L"))
    with pytest.raises(FaceportError, match="errno 22"):
        open_network(target(rz), made).run(draw_pixels(1))
    driver.write_text(kept)


@pytest.mark.parametrize("name", ["TVM_ROOT", "SDK", "TRANSLATOR"])
def test_what_the_installation_lacks_is_said(name, rz, tmp_path, monkeypatch):
    script = tmp_path / "env.sh"
    script.write_text(re.sub(rf"(export {name}=).*", r"\1/none", Path(rz["compile_script"]).read_text()))
    with pytest.raises(FaceportError, match=f"{name} names no folder: export it"):
        compiled(target(rz, compile_script=str(script)), tmp_path)


def test_scripts_of_another_release_are_refused(rz, tmp_path):
    quant = {"product": "V2H", "precision": "int8"}
    root = tmp_path / "older"
    shutil.copytree(Path(rz["compile_script"]).parent / "drp-ai_tvm", root)
    script = root / "tutorials/compile_onnx_model_quant.py"
    script.write_text(script.read_text().replace("pre_process_imagenet_pytorch", "pre_process"))
    with pytest.raises(FaceportError, match=r"no pre-processing in .*ImageNet's"):
        compiled(target(rz, tvm_root=str(root), **quant), tmp_path)
    script.unlink()
    (tmp_path / "again").mkdir()
    with pytest.raises(FaceportError, match=r"compile_onnx_model_quant.py is not in the tutorials"):
        compiled(target(rz, tvm_root=str(root), **quant), tmp_path / "again")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"product": "V2X"}, "it must be one of V2L, V2M, V2MA, V2H, V2N"),
        ({"product": "V2H", "release": 1, "precision": "int8"}, "knows no V2H: use 2"),
        ({"product": "V2H"}, "the accelerator of V2H computes in int8"),
        ({"product": "V2L", "precision": "int8"}, "the accelerator of V2L computes in fp16"),
        ({"product": "V2L", "mode": "cpu", "precision": "int8"}, "CPU mode has fp32 and fp16"),
        ({"product": "V2L", "frequency": 3}, "its clock is fixed"),
        ({"product": "V2H", "precision": "int8", "frequency": 2}, "V2H takes 1, 3, 4, 5"),
        ({"product": "V2L", "runner": "mera"}, "use cpp"),
        ({"product": "V2L", "address": "here"}, "it must be hexadecimal"),
        ({"reach": "nowhere"}, "it must be local, exchange or ssh://host"),
    ],
)
def test_what_does_not_fit_a_chip_is_refused(options, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        compiled(target({}, **options), tmp_path)


def test_what_is_missing_is_said(rz, tmp_path, monkeypatch):
    monkeypatch.delenv("TVM_ROOT", raising=False)
    nothing = {"driver": str(tmp_path / "none")}
    said = target({}, product="V2MA", **nothing).missing()
    assert "is no RZ/V board" in said and "are not here either" in said and "pip install" not in said
    assert "are not here either" not in target({**rz, **nothing}).missing()
    assert not target(rz).missing() and not target({}, reach="exchange").missing()
    with pytest.raises(ConfigError, match=r"target.product is needed.*V2L, V2M, V2MA"):
        compiled(target({}, reach="exchange"), tmp_path)
    (tmp_path / "again").mkdir()
    with pytest.raises(FaceportError, match="TVM_ROOT names no DRP-AI TVM"):
        compiled(target({}, product="V2MA", reach="exchange"), tmp_path / "again")


@pytest.mark.parametrize("preprocessing", [{}, {**PIXELS, "layout": "NHWC"}, {"layout": "NCHW"}])
def test_int8_of_a_network_without_pixels_is_refused(preprocessing, tmp_path):
    rz = {"product": "V2H", "precision": "int8", "dry_run": True}
    with pytest.raises(ConfigError, match="network 'tiny'"):
        compiled(target(rz), tmp_path, preprocessing)


def words_of(rz: dict, *words: str) -> list[str]:
    return ["target=drpai", *(f"target.{name}={value}" for name, value in rz.items()), *words]


@pytest.mark.parametrize("release", [1, 2])
def test_cpu_mode_is_the_real_tvm(release, tmp_path):
    pytest.importorskip("tvm")
    rz = install(tmp_path, "V2M", release)
    chosen = target(rz, mode="cpu", precision="fp32")
    artifact = compiled(chosen, tmp_path)
    session = open_network(chosen, artifact)
    check(artifact, session, TOLERANCES["fp32"], draw_pixels(1))
    assert (session.facts["mode"], session.facts["precision"]) == ("cpu", "fp32")
    [line] = commands(tmp_path)
    assert line == "compile_cpu_only_onnx_model.py -i image -s 1,3,12,16 -o made/model ../model.onnx"
    with pytest.raises(FaceportError, match=r"compiled for target.mode=cpu, not accelerator"):
        open_network(target(rz), artifact)


def write_frame(path: Path) -> None:
    """Write what a camera gives: a frame of 640x480 in YUY2."""
    rng = np.random.default_rng(0)
    luma = np.kron(rng.integers(16, 236, (30, 40)), np.ones((16, 16))).astype(np.uint8)
    colour = np.kron(rng.integers(64, 192, (30, 40)), np.ones((16, 16))).astype(np.uint8)
    path.write_bytes(np.stack([luma, colour], -1).tobytes())


DEEPPOSE = ["model=deeppose_resnet50", "model.weights=random", "model.flip=false", "model.crop=frame"]


def landmarks_of(folder: Path) -> np.ndarray:
    [line] = next(folder.glob("runs/*/predictions.jsonl")).read_text().splitlines()
    return np.array(json.loads(line)["landmarks"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["accelerator", "cpu"])
def test_deeppose_goes_from_a_frame_of_a_camera_to_landmarks(mode, tmp_path):
    if mode == "cpu":
        pytest.importorskip("tvm")
    write_frame(tmp_path / "frame.yuy2")
    data = ["dataset=folder", f"dataset.path={tmp_path}/frame.yuy2", "dataset.raw=yuyv:640x480"]
    precision = "fp32" if mode == "cpu" else "fp16"
    chosen = words_of(install(tmp_path, "V2MA", 1), f"target.mode={mode}", f"target.precision={precision}")
    found = []
    for name, words in (("board", chosen), ("here", ["target=onnxruntime"])):
        (tmp_path / name).mkdir()
        faceport("run", *DEEPPOSE, *data, *words, "metric=null", "record=r.json", folder=tmp_path / name)
        found.append(landmarks_of(tmp_path / name))
    board, here = found
    assert board.shape == (1, 98, 2)
    spread = here.max() - here.min()
    assert np.abs(board - here).max() < TOLERANCES[precision] * spread
    told = json.loads((tmp_path / "board/r.json").read_text())["parity"]["deeppose"]["outputs"]["landmarks"]
    assert told["max_rel"] < TOLERANCES[precision]


RETINAFACE = ["model=retinaface_mobilenet", "model.size=160", "model.weights=random", "record=record.json"]
DATA = ["dataset=synthetic", "dataset.count=1"]


@pytest.mark.slow
def test_one_trip_by_way_of_the_machine_that_compiles_equals_the_local_run(rz, tmp_path):
    local, there = tmp_path / "local", tmp_path / "there"
    for folder in (local, there):
        folder.mkdir()
    faceport("run", *RETINAFACE, *DATA, *words_of(rz), folder=local)
    away = [*RETINAFACE, *DATA, *words_of(rz, "target.reach=exchange", "target.dry_run=true")]
    said = faceport("run", *away, folder=there, code=WAITING)
    [script] = there.glob("exchange/retinaface-*/compile.sh")
    assert "sh compile.sh" in said
    assert f"First run `sh {script.relative_to(there)}` where DRP-AI TVM is" in re.sub(r"\s+", " ", said)
    board = ["sh", str(there / "exchange/run.sh")]
    early = subprocess.run(board, capture_output=True, text=True, check=False)
    assert early.returncode and "the network is not compiled: run compile.sh" in early.stderr
    for command in (["sh", str(script)], ["sh", str(script)], board):  # what is compiled stays as it is
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    faceport("run", *away, folder=there)
    assert json.loads((there / "record.json").read_text())["status"] == "done"
    one, other = (next(place.glob("runs/*/predictions.jsonl")).read_bytes() for place in (local, there))
    assert one == other
