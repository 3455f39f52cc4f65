import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faceport.errors import FaceportError, MissingError
from faceport.targets.foreign import Foreign

SCRIPT = """
import os, subprocess, sys, time
import numpy

def answer(call, options, tensors):
    print("noise on stdout")
    if call == "die":
        os.write(2, b"the tool's last words\\n")
        os._exit(3)
    if call == "hang":
        subprocess.Popen(["sleep", "60"])
        time.sleep(60)
    if call == "fail":
        raise ValueError("no such chip")
    try:
        import faceport
        here = True
    except ImportError:
        here = False
    found = {name: value * options["times"] for name, value in tensors.items()}
    return {"faceport": here, "numpy": numpy.__version__}, found
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment that has NumPy and no faceport."""
    folder = tmp_path_factory.mktemp("other")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    for part in Path(np.__file__).parents[1].glob("numpy*"):
        (site / part.name).symlink_to(part)
    return folder / "env" / "bin" / "python"


@pytest.fixture
def worker(python: Path, tmp_path: Path) -> Iterator[Foreign]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    made = Foreign(python, script, "the toolkit", limit=20)
    yield made
    made.close()


def test_tensors_travel_there_and_back(worker: Foreign) -> None:
    given = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((1, 2), np.uint8)}
    for times in (2, 3):
        results, found = worker.call("run", {"times": times}, given)
        assert results == {"faceport": False, "numpy": np.__version__}
        assert all((found[name] == value * times).all() for name, value in given.items())


def test_an_error_there_is_a_sentence_and_the_worker_lives_on(worker: Foreign) -> None:
    with pytest.raises(FaceportError, match="the toolkit: ValueError: no such chip"):
        worker.call("fail", {}, {})
    assert worker.call("run", {"times": 1}, {})[0]["faceport"] is False


def test_a_crash_tells_its_last_words(worker: Foreign) -> None:
    with pytest.raises(FaceportError, match="the toolkit ended with exit code 3: the tool's last words"):
        worker.call("die", {}, {})
    with pytest.raises(FaceportError, match="the toolkit ended with exit code 3"):
        worker.call("run", {"times": 1}, {})


def test_what_hangs_is_ended_with_its_children(python: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    worker = Foreign(python, script, "the toolkit", limit=2)
    started = time.monotonic()
    with pytest.raises(FaceportError, match="the toolkit was ended after 2 s, its time limit"):
        worker.call("hang", {}, {})
    assert time.monotonic() - started < 50  # the pipe would be open until the child ends
    worker.close()


def test_no_such_python(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="the toolkit: .*gone cannot be started"):
        Foreign(tmp_path / "gone", tmp_path / "script.py", "the toolkit")
