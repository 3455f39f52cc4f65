"""Names of precisions, how far each may be from the reference, and the refusal of another one."""

from __future__ import annotations

from collections.abc import Mapping

from faceport.errors import FaceportError

MEANINGS = {  # a target says in its card which it has
    "fp32": "32-bit floats",
    "fp16": "16-bit floats",
    "bf16": "16-bit floats with the range of 32-bit ones",
    "int8": "activations and weights of 8 bits",
    "int16": "activations of 16 bits, weights of 8",
}
PRECISIONS = {  # by the names that runtimes give to types
    **dict.fromkeys(("float32", "f32", "fp32", "float"), "fp32"),
    **dict.fromkeys(("float16", "f16", "fp16", "half"), "fp16"),
    **dict.fromkeys(("bfloat16", "bf16"), "bf16"),
    **dict.fromkeys(("int8", "uint8", "i8", "u8", "s8"), "int8"),
}


def refuse_fallback(runtime: str, what: str, asked: str, found: str, allowed: bool, why: str = "") -> None:
    """Refuse another device or precision than was asked for, unless the user allowed it."""
    if asked != found and not allowed:
        reason = f" ({why})" if why else ""
        raise FaceportError(
            f"{runtime} gives {what} {found}, although {asked} was asked for{reason}. "
            f"Ask for {found}, or accept it with target.allow_fallback=true"
        )


def int8_layers(counts: Mapping[str, int]) -> dict[str, str]:
    """Say for the facts of a session how many layers run in 8 bits; nothing where none does."""
    int8 = counts.get("int8", 0)
    return {"int8_layers": f"{int8} of {sum(counts.values())}"} if int8 else {}


def main_precision(counts: Mapping[str, int]) -> str:
    """Name a network's precision by those of its layers: int8 where there is any, else what most have."""
    known = {name: number for name, number in counts.items() if number}
    if not known:
        return "fp32"
    return "int8" if "int8" in known else max(known, key=lambda name: known[name])
