"""What the machine with DRP-AI TVM runs to compile, and the board to run: two scripts for two machines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from faceport.graph.normalise import Normalisation
from faceport.targets.reach import sourced
from faceport_drpai.chips import CHIPS
from faceport_drpai.options import MADE, ONNX, PICTURES, PIXELS, DrpaiOptions

BOARD = "board.py"  # runner=mera
PROGRAM = "board.cpp"  # runner=cpp

COMPILE = """#!/bin/sh
# Written by faceport: compiles the network beside it with DRP-AI TVM. It may be stopped and started again.
set -eu
cd "$(dirname "$0")"
fail() { echo "faceport: $*" >&2; exit 65; }
[ ! -d @MADE@ ] || exit 0
@SOURCED@
export PRODUCT=@CHIP@
for name in @NAMES@; do
eval "place=\\${$name:-}"
[ -d "$place" ] || fail "$name names no folder"
done
export TVM_HOME="$TVM_ROOT/tvm"
tutorials="$TVM_ROOT/tutorials"
[ -f "$tutorials/@TUTORIAL@" ] || fail "@TUTORIAL@ is not in $tutorials"
rm -rf begun
mkdir begun begun/@MADE@
cp "$tutorials/@TUTORIAL@" begun/@TUTORIAL@
@EDITS@
export PYTHONPATH="$tutorials:$TVM_HOME/python${PYTHONPATH:+:$PYTHONPATH}"
(cd begun && @COMMAND@) > begun/log 2>&1 || { cat begun/log; fail 'the compiler failed'; }
cat begun/log
if grep -q 'Network requires memory too big' begun/log; then fail 'the compiler warned'; fi
grep -q 'TVM compile finished' begun/log || fail 'the compiler ended without saying that it finished'
model=begun/@MADE@/model
if [ ! -s $model/mera.plan ]; then
for file in deploy.json deploy.so deploy.params; do
[ -s $model/$file ] || fail "the compiler ended without making $file"
done
fi
@BUILD@
mv begun/@MADE@ @MADE@
rm -rf begun
"""
ADDRESS = """sed 's/\\("addr_map_start": *\\)0x[0-9A-Fa-f]*/\\1@PLACE@/' "$tutorials/@TUTORIAL@" \\
> begun/@TUTORIAL@
grep -q '"addr_map_start": *@PLACE@' begun/@TUTORIAL@ || fail 'no address in @TUTORIAL@'
"""
CALIBRATION = """grep -q 'def pre_process_imagenet_pytorch' begun/@TUTORIAL@ \\
|| fail 'no pre-processing in @TUTORIAL@'
awk '/^if __name__/ { while ((getline line < "@PIXELS@") > 0) print line } { print }' \\
begun/@TUTORIAL@ > begun/edited
mv begun/edited begun/@TUTORIAL@
"""
PREPROCESS = '''
def pre_process_imagenet_pytorch(img, mean=None, stdev=None, dims=None, need_transpose=False):
    """Written by faceport: pictures have the network's size, and are normalised as its model does."""
    pixels = np.asarray(@ORDERED@, dtype="float32")
    pixels = (pixels - np.array(@MEAN@, dtype="float32")) / np.array(@STD@, dtype="float32")
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if need_transpose else pixels)


'''
BUILD = """mkdir begun/@MADE@/lib
cp "$TVM_ROOT/obj/build_runtime/$PRODUCT"/*.so* begun/@MADE@/lib/ || fail 'the runner cannot be built'
system="$SDK/sysroots/cortexa55-poky-linux"
[ -d "$system" ] || system="$SDK/sysroots/aarch64-poky-linux"
compiler="$SDK/sysroots/x86_64-pokysdk-linux/usr/bin/aarch64-poky-linux/aarch64-poky-linux-g++"
sed 's/device_type = kDLDrpAi/device_type = @DEVICE@/' "$TVM_ROOT/apps/MeraDrpRuntimeWrapper.cpp" \\
> begun/wrapper.cpp
libraries=
for file in begun/@MADE@/lib/*.so; do libraries="$libraries -l:$(basename "$file")"; done
"$compiler" --sysroot="$system" -std=c++17 -O2 -I"$TVM_ROOT/apps" -I"$TVM_ROOT/apps/include" \\
-I"$TVM_HOME/include" -I"$TVM_HOME/3rdparty/dlpack/include" -I"$TVM_HOME/3rdparty/dmlc-core/include" \\
-I"$TVM_HOME/3rdparty/compiler-rt" @PROGRAM@ begun/wrapper.cpp \\
-Lbegun/@MADE@/lib $libraries -o begun/@MADE@/runner || fail 'the runner cannot be built'
"""
RUN = """[ -d @MADE@/model ] \\
|| fail 'the network is not compiled: run compile.sh of this folder where DRP-AI TVM is'
@SETTINGS@find "$PWD/todo/0" -type f -name '*.bin' | sort > work/list
export LD_LIBRARY_PATH="$PWD/@MADE@/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
@COMMAND@ > report/log 2>&1 || { cat report/log; fail 'the runner failed'; }
cat report/log
if grep -q 'DRPAI_ASSIGN failed' report/log; then fail 'the board refused the network'; fi
"""


def tutorial(options: DrpaiOptions) -> str:
    """Name the script of Renesas that compiles an ONNX file."""
    if options.mode == "cpu":
        return "compile_cpu_only_onnx_model.py"
    quantised = CHIPS[options.product].precision == "int8"
    return "compile_onnx_model_quant.py" if quantised else "compile_onnx_model.py"


def tutorial_command(options: DrpaiOptions, name: str, shape: Sequence[int]) -> list[str]:
    """Write the command line of that script; everything else that it takes is in the environment."""
    words = [options.python, tutorial(options), "-i", name, "-s", ",".join(map(str, shape))]
    words += ["-o", f"{MADE}/model"]
    if options.mode == "cpu":
        words += ["-q"] if options.precision == "fp16" else []
    else:
        words += [] if options.level else ["--level", "0"]
        words += ["--mera2"] if options.runner == "mera" else []
    return [*words, *(_quantising(options) if options.precision == "int8" else []), f"../{ONNX}"]


def _quantising(options: DrpaiOptions) -> list[str]:
    given = ["-p", options.quantizer_options] if options.quantizer_options else []
    return ["--images", f"../{PICTURES}", "-f", options.cpu_type, *given]


def compile_script(options: DrpaiOptions, name: str, shape: Sequence[int]) -> str:
    """Write what compiles a network: Renesas' script with its address set, and the program that runs it."""
    int8 = options.precision == "int8"
    names = ["TVM_ROOT", "SDK", *([] if options.mode == "cpu" else ["TRANSLATOR"])]
    command = shlex.join(tutorial_command(options, name, shape)) + (' -c "$QUANTIZER"' if int8 else "")
    root = f"export TVM_ROOT={shlex.quote(options.tvm_root)}\n" if options.tvm_root else ""
    filled = {
        "COMMAND": command,
        "SOURCED": (sourced(options.compile_script) if options.compile_script else "") + root,
        "NAMES": " ".join([*names, *(["QUANTIZER"] if int8 else [])]),
        "TUTORIAL": tutorial(options),
        "PLACE": f"0x{options.baked:X}",
        "DEVICE": "kDLCPU" if options.mode == "cpu" and options.release == 1 else "kDLDrpAi",
        "PIXELS": PIXELS,
        "PROGRAM": PROGRAM,
        "CHIP": options.product,
        "MADE": MADE,
    }
    edits = ("" if options.mode == "cpu" else ADDRESS) + (CALIBRATION if int8 else "")
    build = BUILD if options.runner == "cpp" else ""
    return _fill(COMPILE, {**filled, "EDITS": _fill(edits, filled), "BUILD": _fill(build, filled)})


def pixels(normalisation: Normalisation) -> str:
    """Write the function that stands in for ImageNet's when pictures calibrate."""
    return _fill(
        PREPROCESS,
        {
            "ORDERED": "img" if normalisation.colour == "BGR" else "img[..., ::-1]",  # OpenCV reads BGR
            "MEAN": repr(list(normalisation.mean)),
            "STD": repr(list(normalisation.deviation)),
        },
    )


def run_script(options: DrpaiOptions) -> str:
    """Write the middle of a box's script: all questions in one process of the board."""
    settings = f"export TVM_NUM_THREADS={options.threads}\n" if options.threads else ""
    if options.runner == "mera":
        words = [options.python, BOARD, f"{MADE}/model", options.address or "-", str(options.frequency or 1)]
    else:
        settings += f"chmod +x {MADE}/runner\n"
        place = hex(options.behind_base) if options.release == 2 else "-"
        words = [f"{MADE}/runner", f"{MADE}/model", options.mode, place, options.driver]
        words.append(str(options.frequency or "-"))
    command = shlex.join([*words, "work/list", "new"])
    return _fill(RUN, {"COMMAND": command, "MADE": MADE, "SETTINGS": settings})


def _fill(text: str, filled: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: filled[match[1]], text)
