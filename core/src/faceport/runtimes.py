"""What targets have in common: the truth about what runs, and the same words for what does not."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from faceport.api import Artifact, Network, Target
from faceport.errors import FaceportError, explain_import
from faceport.shapes import mismatch
from faceport.types import Tensors

PRECISIONS = {  # by the names that runtimes give to types
    **dict.fromkeys(("float32", "f32", "fp32", "float"), "fp32"),
    **dict.fromkeys(("float16", "f16", "fp16", "half"), "fp16"),
    **dict.fromkeys(("bfloat16", "bf16"), "bf16"),
    **dict.fromkeys(("int8", "uint8", "i8", "u8", "s8"), "int8"),
}
# Largest error relative to the spread of an output, where target.tolerance says nothing: wide enough for a
# healthy network, far below what a wrong one gives. fp32 has the run's own tolerance.
TOLERANCES = {"fp16": 0.05, "bf16": 0.5, "int8": 5.0}
_NOISE = re.compile(
    r"^(Exception from |Check .* failed at |Traceback |\s*File |\[ONNXRuntimeError\] : \d+ : )"
)


def allowed_error(target: Target, fp32: float) -> float:
    """Settle how far a target may be from the reference: as its options say, or as its precision lets it."""
    given = getattr(target.options, "tolerance", None)
    return float(given if given is not None else max(fp32, TOLERANCES.get(target.precision, 0.0)))


def not_importable(cure: str, *modules: str) -> str:
    """Say in a sentence which of some modules cannot be imported, and the cure; empty where all can."""
    try:
        with silence():
            for module in modules:
                import_module(module)
    except (ImportError, OSError) as error:
        return f"{explain_import(error)} ({cure})"
    except Exception as error:  # some packages raise what they like
        return f"'{module}' cannot be loaded: {reason(error)} ({cure})"
    return ""


def refuse_fallback(runtime: str, what: str, asked: str, found: str, allowed: bool, why: str = "") -> None:
    """Refuse another device or precision than was asked for, unless the user allowed it."""
    if asked != found and not allowed:
        told = f" ({why})" if why else ""
        raise FaceportError(
            f"{runtime} gives {what} {found}, although {asked} was asked for{told}. "
            f"Ask for {found}, or accept it with target.allow_fallback=true"
        )


def cannot_open(runtime: str, version: str, artifact: Artifact, error: object) -> FaceportError:
    """Explain a compiled network that its runtime does not take."""
    made = str(artifact.manifest.get("runs_as", {}).get("version", version))
    other = f"It was compiled with {runtime} {made}. " if made != version else ""
    return FaceportError(
        f"{runtime} {version} cannot open {artifact.path}: {reason(error)}. {other}"
        "If it is damaged, delete it and compile it again"
    )


def cannot_compile(runtime: str, version: str, network: Network, error: object) -> FaceportError:
    """Explain a network that a compiler does not take."""
    return FaceportError(f"{runtime} {version} cannot compile network '{network.name}': {reason(error)}")


def cannot_run(runtime: str, network: Network, inputs: Tensors, error: object) -> FaceportError:
    """Explain inputs that a compiled network does not take."""
    return FaceportError(
        f"{runtime} cannot run network '{network.name}': {mismatch(network, inputs) or reason(error)}"
    )


def need_calls(calibration: Iterable[Tensors], network: Network) -> Sequence[Tensors]:
    """Give the recorded calls that int8 finds its ranges on, or say that there are none."""
    calls = calibration if isinstance(calibration, Sequence) else list(calibration)  # it may lie on disk
    if not calls:
        raise FaceportError(
            f"int8 needs recorded calls of network '{network.name}' and none were made: choose pictures with "
            "faces to calibrate on"
        )
    return calls


def reason(error: object) -> str:
    """Pick what a person can act on from a runtime's message of many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)] or lines or [type(error).__name__]
    listed = [line for line in telling if line.startswith("-- ")]  # below headings that say nothing
    kept = next((line for line in listed or telling if not line.endswith(":")), telling[0])
    return kept.removeprefix("-- ").rstrip(".")[:300]


def installed_version(*distributions: str) -> str:
    """Read the version of the first of some packages that is installed; empty where none is."""
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def share_cores(threads: int, streams: int | None) -> tuple[int, int]:
    """Settle threads inside one run (0: all cores) and runs at the same time (None: what cores are left)."""
    cores = os.cpu_count() or 1
    threads = threads or cores
    return threads, streams or max(1, cores // threads)


def main_precision(counts: Mapping[str, int]) -> str:
    """Name a network's precision by those of its layers: int8 where there is any, else what most have."""
    known = {name: number for name, number in counts.items() if number}
    if not known:
        return "fp32"
    return "int8" if "int8" in known else max(known, key=lambda name: known[name])


@contextmanager
def silence() -> Iterator[list[str]]:
    """Keep what a native library prints off the terminal; afterwards it is the one item of the list."""
    said: list[str] = []
    kept = [(stream, os.dup(stream)) for stream in (1, 2)]
    with tempfile.TemporaryFile() as file:
        try:
            for stream, _ in kept:
                os.dup2(file.fileno(), stream)
            yield said
        finally:
            for stream, copy in kept:
                os.dup2(copy, stream)
                os.close(copy)
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
