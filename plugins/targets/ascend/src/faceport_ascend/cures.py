"""What CANN's tools say when they fail, and what to do about it."""

from faceport.targets.reach import CURES

COMPILE = {
    r"E10001": (
        "a value in atc's command is not valid (E10001), e.g. a free axis without a size: set "
        "target.batch or target.ranges"
    ),
    r"E10007|E10054": "atc lacks a flag, or a value was not quoted (E10007, E10054): is atc the one of CANN?",
    r"E16005": (
        "the graph names more than one opset domain (E16005): take operators of other domains out of it"
    ),
    r"E19010.*?[Oo]p\w*[ :\[]*(\w+)": (
        r"atc has no parser for \1 at this opset (E19010): export with an older one, 11 is the safe "
        r"choice"
    ),
    r"E19010": (
        "atc has no parser for an operator at this opset (E19010): export with an older one, 11 is "
        "the safe choice"
    ),
    r"EZ3003": (
        "the chip has no kernel for an operator (EZ3003): rewrite it, or compile for another "
        "target.soc_version"
    ),
    r"E40000|EC0010": (
        "the Python that atc starts cannot import its parts (E40000, EC0010): put the Python that "
        "CANN was installed for first on PATH, and its packages (decorator, attrs, psutil ...) into "
        "it"
    ),
    r"EZ9999": "atc met an inner error (EZ9999): its detailed log says more",
    r"libascend_hal\.so": (
        "atc cannot load libascend_hal.so, which comes with the driver: without one add the "
        "toolkit's <arch>-linux/devlib to LD_LIBRARY_PATH"
    ),
}
RUN = {
    r"tensorsize: ?(\d+) filesize: ?(\d+)": (
        r"an input has \2 bytes and the .om wants \1: it was compiled for other shapes or types. "
        r"Compile it again"
    ),
    r"save out files error": (
        "ais_bench cannot split an output into samples: the .om was compiled for another batch. "
        "Compile it again"
    ),
    r"507033": (
        "the NPU cannot be opened (507033): driver and firmware do not fit or are missing; `npu-smi "
        "info` must list it"
    ),
    r"soc[ _]version|model is for (\w+)": (
        "the .om was compiled for another chip: set target.soc_version to the one that `npu-smi info` shows"
    ),
    r"load model from file failed": (
        "the .om cannot be loaded: it is damaged, made by another CANN, or for another chip "
        "(target.soc_version)"
    ),
    r"[Nn]o module named '?(ais_bench|aclruntime)": (
        r"'\1' is not installed in that Python: its wheel comes with Ascend/tools or msit; name the "
        r"Python with target.python"
    ),
    r"(libascend\w*\.so)": (
        r"\1 cannot be loaded: CANN's environment is not set there; name its set_env.sh in target.env_script"
    ),
    r"(msame|atc|python3?): (?:command )?not found": (
        r"\1 is not on PATH there: source CANN's set_env.sh, or name it in target.env_script"
    ),
    r"unrecognized arguments?:? (.*)": (
        r"the tool does not know '\1': its version is another than this target writes for"
    ),
    r"EZ9999": "the NPU met an inner error while it ran (EZ9999)",
    **CURES,
    r"^\w*(?:Error|Exception): (.+)": r"the tool reports: \1",
    r"\[ERROR\] ?(.+)": r"the tool reports: \1",
}
