"""The simulated arg_parser: the documented options, and what it prints."""

import os
from optparse import OptionParser


def get_args():
    parser = OptionParser("usage: %prog [options] model_file")
    for short, name in (
        *(("-r", "record_dir"), ("-d", "drp_compiler_dir"), ("-t", "toolchain_dir"), ("-o", "output_dir")),
        *(("-s", "input_shape"), ("-i", "input_name"), ("-n", "num_frame"), ("-c", "quantization_tool")),
        *(("-f", "cpu_data_type"), ("-p", "quantization_option"), ("-m", "qat_type")),
    ):
        parser.add_option(short, f"--{name}", dest=name)
    parser.add_option("--images", dest="image_dir")
    parser.add_option("--level", default="1")
    for name in ("--mera1", "--mera2"):
        parser.add_option(name, action="store_true", default=False)
    parser.add_option("-q", "--fp16", action="store_true", default=False)
    options, words = parser.parse_args()
    opts = vars(options)
    if len(words) != 1:
        parser.error("Expected a model file")
    print("[Check arguments]")
    print("  Input AI model         : ", words[0])
    opts["toolchain_dir"] = os.environ["SDK"]
    opts["drp_compiler_dir"] = os.environ.get("TRANSLATOR", opts["drp_compiler_dir"])
    opts["input_shape"] = tuple(int(n) for n in (opts["input_shape"] or "1,3,224,224").split(","))
    return opts, words[0]
