"""The middle of a box's script: what runs the network over all files, once."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from faceport_ascend.options import AIPP, OM, ONNX, AscendOptions


def atc(shape: str, options: AscendOptions, outputs: str) -> list[str]:
    """Write the command that compiles, with each flag once; atc appends .om by itself."""
    words = ["atc", "--framework=5", f"--model={ONNX}", f"--output={OM.removesuffix('.om')}"]
    words += ["--input_format=NCHW", shape, f"--soc_version={options.soc_version}", "--log=error"]
    words += [f"--precision_mode={options.precision_mode}", f"--out_nodes={outputs}"]
    if options.aipp:
        words += [f"--insert_op_conf={AIPP}", "--enable_small_channel=1"]
    return words


def compile_first(command: Sequence[str]) -> str:
    """Compile where the box is, unless that was done."""
    line = shlex.join(command)
    return (
        f"if [ ! -f {OM} ]; then\n"
        "rm -rf work/om; mkdir work/om\n"
        f"for file in {ONNX} {AIPP}; do [ ! -f $file ] || cp $file work/om/; done\n"
        f"(cd work/om && {line}) > report/atc.log 2>&1 || {{ cat report/atc.log; fail 'atc failed'; }}\n"
        "cat report/atc.log\n"
        f"[ -s work/om/{OM} ] || fail 'atc ended without making {OM}'\n"
        f"mv work/om/{OM} {OM}\nfi\n"
    )


def ais_bench(options: AscendOptions, inputs: int, sizes: Sequence[int]) -> str:
    """Run ais_bench over all questions; with `sizes` (bytes of outputs) the .om takes ranges of shapes."""
    places = ",".join(f'"$PWD/todo/{number}"' for number in range(inputs))
    ranged = f" --auto_set_dymshape_mode 1 --outputSize {','.join(map(str, sizes))}" if sizes else ""
    return (
        f'{shlex.quote(options.python)} -m ais_bench --model "$PWD/{OM}" --input {places} '
        f'--output "$PWD/work" --output_dirname run --outfmt NPY --device {options.device}{ranged} '
        "> report/log 2>&1 || { cat report/log; fail 'ais_bench failed'; }\n"
        "cat report/log\n"
        "cp work/run_summary.json report/summary.json\n"
        "find work/run -type f -name '*.npy' -exec mv {} new/ \\;\n"
    )


def msame(options: AscendOptions, inputs: int, groups: Iterable[tuple[str, str, Sequence[int]]]) -> str:
    """Run msame over all questions, once for each shape: what it takes with --dymShape is one.

    It logs errors on its standard output and ends with 0: only its last line and its files count.
    """
    text = ""
    for place, shape, sizes in groups:
        folders = ",".join(f'"$PWD/todo/{place}/{number}"' for number in range(inputs))
        ranged = f" --dymShape {shlex.quote(shape)} --outputSize {','.join(map(str, sizes))}" if shape else ""
        text += (
            f'rm -rf work/one; mkdir work/one\nmsame --model "$PWD/{OM}" --input {folders} '
            f'--output "$PWD/work/one" --outfmt BIN --device {options.device}{ranged} > report/log 2>&1 '
            "|| { cat report/log; fail 'msame failed'; }\n"
            "cat report/log\n"
            "if grep -q '\\[ERROR\\]' report/log; then fail 'msame reports errors'; fi\n"
            "grep -q 'Execute sample success' report/log || fail 'msame ended without success'\n"
            "find work/one -type f -name '*.bin' -exec mv {} new/ \\;\n"
        )
    return text
