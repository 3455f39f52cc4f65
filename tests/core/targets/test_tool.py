"""Tools of toolchains, as real small scripts that misbehave in the ways that tools do."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from faceport.errors import FaceportError, MissingError
from faceport.targets.tool import Tool, ToolError, last_words

TOOL = Tool("vendorc", limit=60)
SOON = 30.0  # seconds until what must happen soon has happened; nothing here takes so long


def script(text: str) -> list[str]:
    head = "import os, subprocess, sys, time\nfrom pathlib import Path\n"
    return [sys.executable, "-IS", "-c", head + text]


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and that nobody waited for does not."""
    state = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    return until(lambda: not alive(pid))


def until(condition) -> bool:  # type: ignore[no-untyped-def]
    """Wait for a condition."""
    end = time.monotonic() + SOON
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


GRANDCHILD = """
child = subprocess.Popen([sys.executable, "-IS", "-c", '''
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(600)"])
open("new", "w").write(f"{os.getpid()} {inner.pid}")
os.rename("new", "pids")
time.sleep(600)
'''])
while not Path("pids").exists():
    time.sleep(0.01)
"""


def pids(folder: Path) -> list[int]:
    return [int(word) for word in (folder / "pids").read_text().split()]


def test_what_was_made_is_judged_and_what_was_said_comes_back(tmp_path: Path) -> None:
    said = TOOL.run(script("print('fine'); Path('out').write_text('x')"), ["out"], tmp_path)
    assert said == "fine\n" and (tmp_path / "out").read_text() == "x"


def test_a_tool_that_hangs_is_ended_with_its_children_and_grandchildren(tmp_path: Path) -> None:
    hanging = script(GRANDCHILD + "print('thinking', flush=True)\ntime.sleep(600)")
    with pytest.raises(ToolError, match=r"vendorc was ended after 5 s, its time limit: thinking$"):
        Tool("vendorc", limit=5).run(hanging, ["out"], tmp_path)
    assert len(pids(tmp_path)) == 2 and all(gone(pid) for pid in pids(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows environments")
def test_a_daemon_that_left_the_group_is_ended_at_the_limit(tmp_path: Path) -> None:
    daemon = GRANDCHILD.replace("import time; time", "import os, time; os.setsid(); time")
    daemon = daemon.replace("\"-c\", '''", "\"-c\", '''import os; os.setsid()")
    with pytest.raises(ToolError, match="was ended after 5 s"):
        Tool("vendorc", limit=5).run(script(daemon + "time.sleep(600)"), ["out"], tmp_path)
    assert len(pids(tmp_path)) == 2 and all(gone(pid) for pid in pids(tmp_path))


def test_nothing_outlives_a_tool_that_ends_well(tmp_path: Path) -> None:
    TOOL.run(script(GRANDCHILD + "Path('out').write_text('x')"), ["out"], tmp_path)
    assert len(pids(tmp_path)) == 2 and all(gone(pid) for pid in pids(tmp_path))


def test_success_without_a_product_is_none(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^vendorc ended without making out: all done$"):
        TOOL.run(script("print('all done.')"), ["out"], tmp_path)
    with pytest.raises(ToolError, match="^vendorc made an empty out$"):
        TOOL.run(script("Path('out').touch()"), ["out"], tmp_path)
    assert not (tmp_path / "out").exists()


def test_an_old_file_is_not_taken_for_a_product(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("of yesterday")
    with pytest.raises(ToolError, match="ended without making out"):
        TOOL.run(script("pass"), ["out"], tmp_path)


@pytest.mark.parametrize(
    ("end", "said"),
    [("sys.exit(3)", "ended with exit code 3"), ("os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)")],
)
def test_half_a_product_is_removed(tmp_path: Path, end: str, said: str) -> None:
    with pytest.raises(ToolError, match=f"^vendorc {said}: no space left on device$"):
        half = "Path('out').write_text('ha'); print('no space left on device', file=sys.stderr, flush=True);"
        TOOL.run(script(half + end), ["out"], tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_closing_line_is_part_of_success(tmp_path: Path) -> None:
    tool = Tool("vendorc", closing=r"^\d+ layers written$")
    tool.run(script("print('7 layers written'); Path('out').write_text('x')"), ["out"], tmp_path)
    with pytest.raises(ToolError, match=r"ended without saying '.*layers written\$': 7 layers wr$"):
        tool.run(script("print('7 layers wr'); Path('out').write_text('x')"), ["out"], tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_known_output_is_answered_with_its_cure(tmp_path: Path) -> None:
    tool = Tool("vendorc", cures={r"^E\d+: no kernel for (\w+)": r"it has no \1: choose another opset"})
    with pytest.raises(ToolError, match="^it has no Gelu: choose another opset$"):
        tool.run(script("print('x\\nE12: no kernel for Gelu\\nbye'); sys.exit(1)"), ["out"], tmp_path)
    with pytest.raises(ToolError, match="^vendorc ended with exit code 1: bye$"):
        tool.run(script("print('bye'); sys.exit(1)"), ["out"], tmp_path)


def test_the_log_can_be_read_while_the_tool_runs(tmp_path: Path) -> None:
    log, go = tmp_path / "logs" / "vendorc.log", tmp_path / "go"
    words = script(f"print('step 1', flush=True)\nwhile not Path({str(go)!r}).exists(): time.sleep(0.01)")
    errors: list[BaseException] = []

    def run() -> None:
        try:
            TOOL.run(words, ["out"], tmp_path, log)
        except ToolError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert until(lambda: log.is_file() and log.read_text() == "step 1\n")
    assert thread.is_alive()
    go.touch()
    thread.join(SOON)
    assert str(errors[0]) == f"vendorc ended without making out: step 1 (all it said: {log})"


def test_a_dry_run_hands_over_the_command_and_touches_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    (tmp_path / "out").write_text("old")
    tool = Tool("vendorc", environment={"LICENSE": "a b"}, dry_run=lines.append)
    assert tool.run(["vendorc", "my net.onnx"], ["out"], tmp_path) == ""
    assert lines == [f"cd {tmp_path} && env 'LICENSE=a b' vendorc 'my net.onnx'"]
    assert (tmp_path / "out").read_text() == "old"


def test_environment_folder_and_an_empty_input_are_given(tmp_path: Path) -> None:
    tool = Tool("vendorc", environment={"LICENSE": "free"})
    asks = "print(os.environ['LICENSE'], os.getcwd(), repr(sys.stdin.read()), 'PATH' in os.environ)"
    assert tool.run(script(asks), folder=tmp_path) == f"free {tmp_path} '' True\n"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="vendorc cannot be started: .*nonesuch: No such file"):
        TOOL.run([tmp_path / "nonesuch"])


def test_ctrl_c_ends_the_tool_and_removes_what_it_left(tmp_path: Path) -> None:
    hanging = script(GRANDCHILD + "Path('out').write_text('half')\nPath('ready').touch()\ntime.sleep(600)")
    program = f"from faceport.targets.tool import Tool\nTool('vendorc').run({hanging!r}, ['out'])"
    user = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert until((tmp_path / "ready").exists)
    user.send_signal(signal.SIGINT)
    _, said = user.communicate(timeout=SOON)
    assert said.strip().endswith("KeyboardInterrupt")
    assert all(gone(pid) for pid in pids(tmp_path))
    assert not (tmp_path / "out").exists()


def test_last_words_are_the_last_line_that_says_something() -> None:
    assert last_words("one\n\x1b[31mtwo\x1b[0m.\n ---- \n") == "two"
    assert last_words("10 %\r 99 %\r\n") == "99 %"
    assert last_words("\n") == ""
    assert issubclass(ToolError, FaceportError)
