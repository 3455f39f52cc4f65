"""A network that vamp runs over npz files, here or elsewhere."""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceport.api import Artifact
from faceport.errors import FaceportError
from faceport.targets.exchange import Box, Carrier, FilesSession, key_of
from faceport.targets.reach import LOCAL, sourced
from faceport.types import Tensors
from faceport_vastai.about import About, to_rgb
from faceport_vastai.options import CONFIG, ONNX, PARTS, PICTURES, PREFIX, RUNTIME, SUITE, VDSP, VastaiOptions

AGAIN = "Compile it again"
# vamp names its files by itself: sorted, they are in the order of the list.
COMMAND = """find "$PWD/todo/0" -type f -name '*.npz' | sort > work/list
vamp -m "$PWD/{suite}/{prefix}" --vdsp_params "$PWD/{vdsp}" -b 1 -i {instances} -p 1 -d {device} \
--datalist "$PWD/work/list" --path_output "$PWD/work/out" > report/log 2>&1 \
|| {{ cat report/log; fail 'vamp failed'; }}
cat report/log
if grep -q 'err code' report/log; then fail 'vamp reports errors'; fi
[ -d work/out ] || fail 'vamp ended without answers'
find work/out -type f -name '*.npz' | sort > work/made
count=$(wc -l < work/made)
[ "$count" -eq "$(wc -l < work/list)" ] || fail "the tool made $count files of $(wc -l < work/list)"
paste work/list work/made | while IFS="$(printf '\\t')" read -r question answer; do
mv "$answer" "new/$(basename "$question" .npz)_0.npz"
done
"""
COMPILE = """if [ ! -d {suite} ]; then
rm -rf work/compile; mkdir work/compile
cp -R {needed} work/compile/
({sourced}cd work/compile && vamc compile {config}) > report/vamc.log 2>&1 \
|| {{ cat report/vamc.log; fail 'vamc failed'; }}
cat report/vamc.log
count=$(find work/compile/deploy_weights/{name} -type f -name '{prefix}*' -size +0c | wc -l)
[ "$count" -eq {parts} ] || fail "vamc ended with $count of the {parts} files {prefix}*"
mv work/compile/deploy_weights/{name} {suite}
fi
"""


class Vamp(FilesSession):
    """All calls of a stage in one invocation of vamp."""

    def __init__(
        self, artifact: Artifact, options: VastaiOptions, root: Path | None, carrier: Carrier
    ) -> None:
        self._about, self._options, self._folder = About.read(artifact.path), options, artifact.path
        made = sorted((artifact.path / SUITE).glob(f"{PREFIX}*"))
        uncompiled = [artifact.path / CONFIG, artifact.path / ONNX]
        pictures = sorted((artifact.path / PICTURES).glob("*.png"))
        complete = len(made) == PARTS if made else all(path.is_file() for path in uncompiled)
        if not complete or not (artifact.path / VDSP).is_file():
            raise FaceportError(f"vastai cannot open {artifact.path}: files are missing. {AGAIN}")
        self._compiled, self._needed = bool(made), [*(made or [*uncompiled, *pictures]), artifact.path / VDSP]
        key = key_of(self._needed, self._about.precision)
        super().__init__(artifact.network.name, key, root, carrier)
        [self._input] = [spec.name for spec in artifact.network.inputs]

    @property
    def facts(self) -> Mapping[str, str]:
        """Report what ran, with the speed that vamp itself told."""
        options = self._options
        return {
            "runtime": RUNTIME,
            "version": self._about.toolkit or "not known",
            "device": options.reach if options.reach != LOCAL else f"die {options.device}",
            "precision": self._about.precision,
            **reported(self._box.folder / "report" / "log", options.instances),
        }

    @property
    def outputs(self) -> int:
        """Count the files of an answer: one holds all outputs."""
        return 1

    def encode(self, inputs: Tensors) -> tuple[list[bytes], str, str]:
        """Write one picture as vamp reads it: uint8, RGB, CHW, under input_0."""
        [picture] = to_rgb(inputs[self._input], self._about)
        stream = io.BytesIO()
        np.savez(stream, input_0=picture)
        return [stream.getvalue()], ".npz", ""

    def decode(self, files: Sequence[Path], inputs: Tensors) -> Tensors:
        """Read the outputs by their numbers, and refuse those of another shape or type."""
        about = self._about
        try:
            with np.load(files[0]) as stored:
                found = {name: stored[name] for name in stored}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise FaceportError(
                f"{files[0]} is damaged. Delete it and its seal, and run there again"
            ) from error
        named = [f"output_{number}" for number in range(len(about.outputs))]
        wanted = {name: (*shape,) for name, shape in zip(named, about.shapes, strict=True)}
        told = {name: value.shape for name, value in found.items()}
        if told != wanted or any(value.dtype != np.float16 for value in found.values()):
            types = sorted({str(value.dtype) for value in found.values()})
            raise FaceportError(
                f"{files[0]} holds {told} of {', '.join(types) or 'nothing'}, its network answers {wanted} "
                f"of float16 (outputs in another order, or another network). {AGAIN}"
            )
        return {name: found[key].astype(np.float32) for name, key in zip(about.outputs, named, strict=True)}

    def script(self, box: Box) -> tuple[str, Mapping[str, Path]]:
        """Compile there what was not compiled here, then run everything."""
        options, text = self._options, ""
        if not self._compiled:
            calibrated = self._about.precision == "int8"
            text = COMPILE.format(
                suite=SUITE,
                needed=shlex.join([CONFIG, ONNX, *([PICTURES] if calibrated else [])]),
                sourced=sourced(options.compile_script) if options.compile_script else "",
                config=CONFIG,
                name=self._about.name,
                prefix=PREFIX,
                parts=PARTS,
            )
        text += sourced(*options.run_scripts) + COMMAND.format(
            suite=SUITE, prefix=PREFIX, vdsp=VDSP, instances=options.instances, device=options.device
        )
        return text, {path.relative_to(self._folder).as_posix(): path for path in self._needed}


def reported(log: Path, instances: int) -> dict[str, str]:
    """Read what vamp says of speed: pictures a second of a die, and the mean latency of the model."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return {}
    rate = re.findall(r"throughput \(qps\): *([\d.]+)", text)
    latency = re.findall(r"model latency \(us\):[^:]*?avg latency: *([\d.]+)", text)
    if not rate:
        return {}
    words = f"vamp: {float(rate[-1]):.4g} pictures a second on one die, {instances} instance(s)"
    return {"reported": words + (f", {float(latency[-1]) / 1000:.4g} ms each" if latency else "")}
