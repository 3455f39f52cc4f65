"""The simulated atc. A flag may stand once, as --name=value; one that the facts do not list is refused."""

import re
import sys
from pathlib import Path

import onnx
from ascend_om import fault, hang, need_environment, write

KNOWN = {
    *(
        "framework",
        "model",
        "output",
        "input_format",
        "input_shape",
        "input_shape_range",
        "soc_version",
        "log",
    ),
    *("out_nodes", "insert_op_conf", "enable_small_channel", "precision_mode", "dynamic_batch_size"),
}
MODES = {"force_fp16", "allow_fp32_to_fp16", "allow_mix_precision", "must_keep_origin_dtype", "force_fp32"}


def fail(code, text):
    print("ATC run failed, Please check the detail log, Try 'atc --help' for more information")
    print(f"{code}: {text}")
    sys.exit(1)


def parse(words):
    found = {}
    for word in words:
        match = re.fullmatch(r"--(\w+)=(.+)", word)
        if not match or match[1] not in KNOWN or match[1] in found:
            fail("E10001", f"Value [{word}] is invalid")
        found[match[1]] = match[2]
    return found


def axes_of(options, model):
    text = options.get("input_shape") or options.get("input_shape_range")
    if not text or ("input_shape" in options and "input_shape_range" in options):
        fail("E10001", "Value of --input_shape is invalid")
    found = {}
    for part in text.split(";"):
        name, _, sizes = part.partition(":")
        ranged = "input_shape_range" in options
        if ranged != (sizes.startswith("[") and sizes.endswith("]")):
            fail("E10001", f"Value [{part}] for parameter [--input_shape] is invalid")
        axes = []
        for size in sizes.strip("[]").split(","):
            match = re.fullmatch(r"(\d+)(?:~(\d+))?", size)
            if not match or (match[2] and not ranged):
                fail("E10001", f"Value [{size}] in [{part}] is invalid")
            axes.append([int(match[1]), int(match[2] or match[1])])
        found[name] = axes
    inputs = {value.name: value for value in model.graph.input}
    weights = {tensor.name for tensor in model.graph.initializer}
    if set(found) != set(inputs) - weights:
        fail("E10001", f"the inputs of the model are {sorted(inputs)}")
    for name, axes in found.items():
        if len(axes) != len(inputs[name].type.tensor_type.shape.dim):
            fail("E10001", f"the rank of {name} differs")
    return found


def check(model):
    if len({one.domain for one in model.opset_import}) != 1 or len(model.opset_import) != 1:
        fail("E16005", "The model has 2 [--domain_version] fields, but only one is allowed")
    if model.opset_import[0].version > 18:
        fail(
            "E19010",
            f"No parser is registered for Op[Conv, optype[ai.onnx::{model.opset_import[0].version}::Conv]]",
        )
    typed = onnx.shape_inference.infer_shapes(model).graph
    ranks = {
        v.name: len(v.type.tensor_type.shape.dim) for v in (*typed.input, *typed.value_info, *typed.output)
    }
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "PRelu" and len(tensors[node.input[1]].dims) != ranks.get(node.input[0], 0):
            fail("EZ3003", f"No supported Ops kernel and engine are found for [{node.name}], optype [PRelu]")
        if node.op_type == "Clip" and model.opset_import[0].version >= 11 and not any(node.input[1:]):
            fail("E19999", "Clip has neither bound")


def outputs_of(options, model):
    names = [value.name for value in model.graph.output]
    if "out_nodes" not in options:
        return names
    nodes = {node.name: node for node in model.graph.node}
    chosen = []
    for part in options["out_nodes"].split(";"):
        name, _, place = part.rpartition(":")
        if name not in nodes:
            fail("E10001", f"out_nodes: {name} is no node")
        chosen.append(nodes[name].output[int(place)])
    return chosen


def aipp_of(options):
    if "insert_op_conf" not in options:
        return None
    text = Path(options["insert_op_conf"]).read_text()
    if options.get("enable_small_channel") != "1" or not re.fullmatch(
        r"aipp_op \{\n(    \w+: [\w.]+\n)+\}\n", text
    ):
        fail("E10001", "the AIPP configuration is invalid")
    values = dict(re.findall(r"(\w+): ([\w.]+)", text))
    fixed = {"aipp_mode": "static", "input_format": "RGB888_U8"}
    wanted = {*fixed, "src_image_size_w", "src_image_size_h"}
    wanted |= {f"{what}_chn_{n}" for what in ("mean", "var_reci") for n in range(3)}
    if set(values) != wanted or any(values[name] != value for name, value in fixed.items()):
        fail("E10001", f"the AIPP configuration must have {sorted(wanted)}")
    return {
        "mean": [int(values[f"mean_chn_{n}"]) for n in range(3)],  # whole: all that was ever seen
        "reciprocal": [float(values[f"var_reci_chn_{n}"]) for n in range(3)],
    }


def main():
    need_environment()
    print("ATC start working now, please wait for a moment.")
    hang()
    options = parse(sys.argv[1:])
    for name in ("framework", "model"):
        if name not in options:
            fail({"framework": "E10007", "model": "E10054"}[name], f"[--{name}] is required")
    if fault().startswith("E") or fault() == "libascend_hal":
        code, _, text = fault().partition(" ")
        fail(code, text or "cannot open shared object file libascend_hal.so")
    if options["framework"] != "5" or options.get("input_format") != "NCHW":
        fail("E10001", "framework 5 and NCHW are simulated")
    if options.get("precision_mode", "force_fp16") not in MODES or "soc_version" not in options:
        fail("E10001", "precision_mode or soc_version")
    model = onnx.load(options["model"])
    check(model)
    about = {
        "soc": options["soc_version"],
        "ranges": axes_of(options, model),
        "outputs": outputs_of(options, model),
        "aipp": aipp_of(options),
    }
    path = Path(options["output"] + ".om")
    if fault() == "killed":
        path.write_bytes(b"half")
        sys.exit(137)
    if fault() != "nothing":
        write(path, model, about)
    print("ATC run success, welcome to the next use.")
    print("W11001: Op [Conv_0] does not hit the high-priority operator information library")


main()
