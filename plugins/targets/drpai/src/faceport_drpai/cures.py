"""What DRP-AI TVM's scripts and the runtime say when they fail, and what to do about it."""

from faceport.targets.reach import CURES

LAST = {
    r"unrecognized arguments?:? (.*)|no such option: (\S+)": (
        r"a tool does not know '\1\2': TVM and Translator are of different releases; see target.release"
    ),
    r"^\w*(?:Error|Exception): (.+)": r"the tool reports: \1",
}
COMPILE = {
    r"faceport: (TVM_ROOT|SDK|TRANSLATOR|QUANTIZER) (?:names no folder|is not set)": (
        r"\1 names no folder: export it in target.compile_script, as Renesas' installation page says"
    ),
    r"faceport: (\S+\.py) is not in": (
        r"\1 is not in the tutorials of TVM_ROOT: its release is another than target.release says"
    ),
    r"faceport: (no address in \S+)": (
        r"\1: the script is of another release than target.release says, and nothing was compiled"
    ),
    r"faceport: (no pre-processing in \S+)": (
        r"\1: calibration would run on ImageNet's; the script is of another release than is known"
    ),
    r"PRODUCT.*unsupported|Environment variable \(PRODUCT\) is not": (
        "the script is not for this product: V2H and V2N have the _quant scripts, V2L, V2M and V2MA the "
        "others; set target.product to the board's"
    ),
    r"operators are not implemented:? ?(.*)": (
        r"TVM's importer lacks operators (\1): export the model without them, or with an older opset"
    ),
    r"Only 3d or 1d (input|output) tensors": (
        r"DRP-AI takes an \1 of CHW or of one axis only: take another model, or target.mode=cpu"
    ),
    r"Cannot allocate memory symbolic tensor shape": (
        "an output has no fixed shape, as with NMS in the graph: take a model that decodes outside its "
        "network"
    ),
    r"Resize mode not supported": (
        "DRP-AI has no such resize: export the model with nearest or bilinear, or use target.mode=cpu"
    ),
    r"Network requires memory too big": (
        "the network needs more memory than the board sets aside for DRP-AI, and could not run: use a "
        "smaller model.size"
    ),
    r"Wrong or missing address map size": (
        "the Translator knows no such place in memory: set target.address as in the page of your board"
    ),
    r"No module named '?(graph_optimizer)": (
        r"'\1' is missing: TRANSLATOR names no DRP-AI Translator of the release that TVM wants"
    ),
    r"No module named '?(mera2?_?\w*|tvm[\w.]*|drpai_preprocess|arg_parser)": (
        r"'\1' is not installed in that Python: name the one of Renesas' installation with target.python"
    ),
    r"tophub|[Dd]ownload.*failed": (
        "TVM wanted to download its schedules: run it once with a network, or make ~/.tvm/tophub as it says"
    ),
    r"[Ss]egmentation fault": (
        "the compiler crashed: Renesas' drpai_preprocess must be the first import of a script, and belong to "
        "this TVM"
    ),
    r"drp translator toolchain failed:? ?(.*)|Error: (run_translator\.py) failed": (
        r"DRP-AI Translator failed (\1\2): does TRANSLATOR name the release that this TVM wants? See its log"
    ),
    r"faceport: (the runner cannot be built)": (
        r"\1: SDK must be the one of the board, and the libraries of the product lie in "
        r"TVM_ROOT/obj/build_runtime"
    ),
    r"faceport: (the compiler ended without .+)": r"\1",
    **LAST,
}
RUN = {
    r"Error no is ?: ?22|DRPAI_ASSIGN failed": (
        "the board refused the place of the network (errno 22, DRPAI_ASSIGN): release 1 must be compiled "
        "with the board's own target.address, and all its files must lie together"
    ),
    r"unable to open file (\S+)": (
        r"the runtime misses \1: the folder of the network did not arrive whole. Carry it again"
    ),
    r"the driver (\S+): (.+)": (
        r"the driver of DRP-AI cannot be opened (\1: \2): the board's image needs Renesas' DRP-AI package, "
        r"or target.driver is another"
    ),
    r"Exec format error": (
        "the program was built for the board and this is none: use target.reach=exchange or ssh://board; "
        "target=tvm runs the same on the cores of this machine"
    ),
    r"error while loading shared libraries: (\S+?):": (
        r"the board lacks \1: Renesas' runtime libraries lie in lib/ beside the network, or in /usr/lib64"
    ),
    r"No module named '?(mera\w*|numpy)": (
        r"'\1' is not installed in the board's Python: its wheel is in apps/python of DRP-AI TVM"
    ),
    r"the network has nothing for the accelerator": (
        "the network has nothing for the accelerator: run it with target.mode=cpu target.precision=fp32"
    ),
    r"neither FP32 nor FP16|(takes no FLOAT32)|(is no floating point)": (
        "the compiled network takes or gives other numbers than floats: compile it from faceport's export"
    ),
    **CURES,
    **LAST,
    r"\[ERROR\] ?(.+)": r"the tool reports: \1",
}
