"""A simulated DRP-AI TVM, Translator, SDK and board, put together in a folder by `install`.

Strictest readings, where the documents are silent: an option that arg_parser does not list is an error;
TVM_ROOT, SDK and TRANSLATOR must be folders; a network of another product or place is refused with errno 22;
what runs on the accelerator is rounded to fp16 at its inputs, weights and outputs, and on V2H and V2N to int8
by the recorded calls; outputs of the accelerator are FP16, those of the CPU FP32. CPU mode is the TVM of
faceport's own plugin.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

SITE = Path(__file__).parent / "site"
BASE = 0x80000000  # where the driver's area begins


def install(folder: Path, product: str, release: int = 2) -> dict:
    """Write the folders of Renesas' installation and a board; give the options of a user who has them."""
    place = folder / "rz"
    root, sdk = place / "drp-ai_tvm", place / "sdk"
    shutil.copytree(SITE / "tutorials", root / "tutorials", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SITE / "apps", root / "apps")
    for needed in (root / "tvm/python", place / "translator", place / "quantizer"):
        needed.mkdir(parents=True)
    if release == 1:
        _make_older(root)
    tools = sdk / "sysroots/x86_64-pokysdk-linux/usr/bin/aarch64-poky-linux"
    tools.mkdir(parents=True)
    include = sdk / "sysroots/aarch64-poky-linux/usr/include"
    shutil.copytree(SITE / "linux", include / "linux")
    python = place / "python"
    paths = f"${{PYTHONPATH:+$PYTHONPATH:}}{SITE}:{ROOT}"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec {sys.executable} "$@"\n')
    compiler = tools / "aarch64-poky-linux-g++"
    compiler.write_text(
        f'#!/bin/sh\n[ "$1" = "--sysroot={include.parents[1]}" ] || exit 9\nshift\n'
        f"exec g++ -isystem {include} -DSIMULATED='\"{python} {SITE}/simulated_board.py\"' "
        f'-DDRIVER=\'"{place}/drpai0"\' "$@"\n'
    )
    for program in (python, compiler):
        program.chmod(0o755)
    library = root / f"obj/build_runtime/{product}/libtvm_runtime.so"
    library.parent.mkdir(parents=True)
    source = place / "empty.cpp"
    source.write_text("int simulated_tvm_runtime = 0;\n")
    subprocess.run(["g++", "-shared", "-fPIC", "-o", library, source], check=True)
    (place / "drpai0").write_text(f"{product} {BASE}\n")
    exports = {"TVM_ROOT": root, "SDK": sdk, "TRANSLATOR": place / "translator"}
    exports |= {"QUANTIZER": place / "quantizer", "SIMULATED_RELEASE": release}
    script = place / "env.sh"
    script.write_text("".join(f"export {name}={value}\n" for name, value in exports.items()))
    return {
        "product": product,
        "release": release,
        "python": str(python),
        "compile_script": str(script),
        "driver": str(place / "drpai0"),
    }


def _make_older(root: Path) -> None:
    """Turn the scripts and the wrapper into those of release 1."""
    shutil.rmtree(root / "tutorials/__pycache__", ignore_errors=True)
    (root / "tutorials/compile_onnx_model_quant.py").unlink()
    script = root / "tutorials/compile_onnx_model.py"
    text = script.read_text().replace('"target": "DrpAi"', '"interpreter": False')
    script.write_text(text.replace('"addr_map_start": 0x0', '"addr_map_start": 0x5f800000'))
    header = root / "apps/MeraDrpRuntimeWrapper.h"
    header.write_text("#define SIMULATED_RELEASE_1\n" + header.read_text())


def commands(folder: Path) -> list[str]:
    """List the command lines that compile scripts were started with."""
    path = folder / "rz/drp-ai_tvm/commands"
    return path.read_text().splitlines() if path.is_file() else []
