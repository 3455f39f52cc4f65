"""An exchange of very many pictures has the memory of one; FACEPORT_EXCHANGE=100000 makes it a long one."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from faceport.api import Network, SingleNetworkModel
from faceport.engine.ledger import replay
from faceport.errors import WaitingError
from faceport.targets.exchange import Box, ByHand, FilesSession
from faceport.types import Faces, Sample, Tensors, TensorSpec

COUNT = int(os.environ.get("FACEPORT_EXCHANGE", "2000"))
SIDE = 32  # of a picture: 12 KiB as floats, so that what keeps them shows
GROWTH = 12.0  # MiB of this process after a tenth of the pictures
SUM = """python3 - <<'END'
import array, os
for entry in os.scandir("todo/0"):
    values = array.array("f", open(entry.path, "rb").read())
    with open("new/" + entry.name[:-4] + "_0.bin", "wb") as file:
        file.write(array.array("f", [values[0]]).tobytes())
END
"""
if not Path("/proc/self/statm").is_file():
    pytest.skip("memory is read from /proc", allow_module_level=True)


class First(SingleNetworkModel):
    """Asks its network for the first value of each picture."""

    network = Network(
        "first",
        (TensorSpec("image", ("batch", 3, SIDE, SIDE)),),
        (TensorSpec("value", ("batch", 1)),),
    )

    def preprocess(self, sample: Sample) -> Tensors:
        return {"image": sample.image.transpose(2, 0, 1)[None].astype(np.float32)}

    def postprocess(self, sample: Sample, outputs: Tensors) -> Faces:
        return Faces(scores=outputs["value"][0] / 255)


class Elsewhere(FilesSession):
    """The fake network, as a vendor's tool would be driven."""

    facts = {"runtime": "fake", "version": "1", "device": "elsewhere", "precision": "fp32"}
    outputs = 1

    def encode(self, inputs: Tensors) -> tuple[list[bytes], str, str]:
        return [inputs["image"].tobytes()], ".bin", ""

    def decode(self, files: Sequence[Path], inputs: Tensors) -> Tensors:
        return {"value": np.fromfile(files[0], np.float32).reshape(1, 1)}

    def script(self, box: Box) -> tuple[str, Mapping[str, Path]]:
        return SUM, {}


def picture(number: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), number % 256, np.uint8)


class Watched:
    """Give the samples, and note the memory of this process a hundred times on the way."""

    def __init__(self) -> None:
        self.curve: list[float] = []

    def __iter__(self):
        for number in range(COUNT):
            if number % max(1, COUNT // 100) == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                self.curve.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            yield Sample(f"{number:06}", picture(number))

    def check(self, what: str) -> None:
        shown = " ".join(f"{value:.0f}" for value in self.curve[::10])
        print(f"{what}: {shown} MiB", file=sys.stderr)
        assert max(self.curve) - self.curve[10] < GROWTH, shown


@pytest.mark.slow
def test_many_pictures_need_the_memory_of_one(tmp_path):
    def session() -> Elsewhere:
        return Elsewhere("first", "0" * 64, tmp_path / "exchange", ByHand())

    asking, taking = Watched(), Watched()
    with pytest.raises(WaitingError, match=f"{COUNT} pictures wait"):
        next(replay(First(), {"first": session()}, asking))
    asking.check("asking")
    done = subprocess.run(
        ["sh", str(tmp_path / "exchange/run.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for number, prediction in enumerate(replay(First(), {"first": session()}, taking)):
        assert prediction.faces.scores is not None
        assert prediction.faces.scores[0] == np.float32(number % 256) / 255
    assert number == COUNT - 1
    taking.check("taking")
