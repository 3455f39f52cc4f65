"""What Vastai's tools say when they fail, and what to do about it."""

from faceport.targets.reach import CURES

LAST = {
    r"(vamp|vamc): (?:command )?not found": (
        r"\1 is not on PATH there: name its scripts in target.run_scripts or target.compile_script"
    ),
    r"unrecognized arguments?:? (.*)": (
        r"the tool does not know '\1': its version is another than this target writes for"
    ),
    r"^\w*(?:Error|Exception): (.+)": r"the tool reports: \1",
}
COMPILE = {
    r"[Pp]ixel_?[Ss]huffle": "vamc has no PixelShuffle in fp16: use target.precision=int8",
    r"hardsigmoid": "vamc reads no hardsigmoid of such an ONNX file: export with a newer one",
    **LAST,
}
RUN = {
    r"err code: (\d+), (vafw\w+)": (
        r"the card failed (\1, \2): look at it with `vasmi list`, and reset or free it before going on"
    ),
    r"VASTPIPE_ROOT|VASTSTREAMX_ROOT": (
        "vamp lacks its environment: name both activate.sh (vaststreamx and vastpipe) in target.run_scripts"
    ),
    **CURES,
    **LAST,
}
