"""Which CPU code is made for, and whether this machine is one."""

from __future__ import annotations

from collections.abc import Iterable

import cv2

from faceport.errors import FaceportError

BASELINE = "baseline"  # what every CPU of the family runs
NATIVE = "native"  # this machine
# Features by LLVM's names, and the numbers under which OpenCV asks the CPU itself for them (cv::CpuFeatures).
# LLVM goes by the CPU's name only, and a virtual machine may hide what the name promises.
ASKABLE = {
    "avx": 10, "avx2": 11, "fma": 12, "avx512f": 13, "avx512bw": 14, "avx512cd": 15, "avx512dq": 16,
    "avx512ifma": 18, "avx512vbmi": 20, "avx512vl": 21, "avx512vbmi2": 22, "avx512vnni": 23,
}  # fmt: skip


def settle(wanted: str) -> str:
    """Give the name by which LLVM knows a CPU; empty stands for the whole family."""
    from tvm.target import codegen

    if wanted == BASELINE:
        return ""
    name = str(codegen.llvm_get_system_cpu()) if wanted == NATIVE else wanted
    if not codegen.llvm_is_valid_cpu(name, codegen.llvm_get_system_triple()):
        raise FaceportError(
            f"TVM's LLVM knows no CPU '{name}': give target.mcpu as {NATIVE}, {BASELINE} or a name such as "
            "x86-64-v3 (AVX2), znver4, apple-m1"
        )
    return name


def features(name: str) -> list[str]:
    """List what code for a CPU may use, of all that can be looked for on another machine."""
    import tvm
    from tvm.target import codegen

    if not name:
        return []
    found = codegen.llvm_get_cpu_features(tvm.target.Target({"kind": "llvm", "mcpu": name}))
    return sorted(ASKABLE.keys() & {str(feature) for feature in found})


def require(cpu: str, needed: Iterable[str]) -> None:
    """Refuse code for another CPU, which would end the process with an illegal instruction."""
    lacking = [name for name in needed if name in ASKABLE and not cv2.checkHardwareSupport(ASKABLE[name])]
    if lacking:
        raise FaceportError(
            f"this network was compiled by TVM for the CPU '{cpu}', and this machine has no "
            f"{', '.join(lacking)}: compile it here, or with target.mcpu={BASELINE}"
        )
