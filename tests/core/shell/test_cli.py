"""The command itself: help by hand, versions, exit codes, and what it must not import."""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest

from faceport.plugins.index import installed
from faceport.plugins.kinds import kind_of
from faceport.shell.cli import run_command
from faceport.shell.compose import compose_config
from faceport.shell.flags import take_flags
from faceport.shell.help import verb_help
from faceport.shell.offers import offers, verbs
from faceport.shell.spaces import compose_space
from faceport.shell.together import compose_together
from tests.cli import SMALL, faceport


def said(capsys, *words: str, code: int = 0) -> str:
    assert run_command(words) == code
    out, err = capsys.readouterr()
    return out + err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"], ["help", "nonsense"]], ids=str)
def test_help_names_every_verb(words, capsys):
    text = said(capsys, *words)
    for verb, choice in verbs().items():
        assert re.search(rf"^  {verb} +{re.escape(choice.card['summary'])}$", text, re.MULTILINE)


VERBS = list(verbs())
COMPOSED = [verb for verb in VERBS if offers(verb).composed]


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_comes_from_wherever_it_is_asked(verb, capsys):
    text = said(capsys, verb, "--help")
    assert text.startswith(f"faceport {verb}")
    assert text == said(capsys, "help", verb) == said(capsys, verb, "some=thing", "-h")
    assert max(map(len, verbs()[verb].card["help"].splitlines())) <= 110


@pytest.mark.parametrize("verb", ["run", "score", "predict", "export", "compile"])
def test_help_of_a_verb_lists_what_is_installed(verb):
    text = verb_help(verb)
    for kind in {kind_of(group) for group in offers(verb).groups}:
        (line,) = re.findall(rf"^  {kind}: +(.*)$", text, re.MULTILINE)
        assert line.split(", ") == sorted(installed().choices(kind))


def examples() -> list[str]:
    lines = "\n".join(verbs()[verb].card["help"] for verb in COMPOSED).splitlines()
    found = [line.strip().partition("   ")[0] for line in lines if line.startswith("  faceport ")]
    return [line for line in found if line.split()[1] in COMPOSED]


@pytest.mark.parametrize("line", examples())
def test_examples_in_the_help_compose(line):
    _, verb, *words = shlex.split(line)
    flags, overrides = take_flags(offers(verb), words)
    chosen = [word.split(",")[0] if flags.sweep else word for word in overrides if "=" in word]
    if any(word.startswith("artifact=") for word in chosen):
        chosen = [word for word in chosen if not word.startswith("artifact=")] + ["model=facenet"]
    if offers(verb).together:
        config = compose_together(offers(verb), chosen)[0]
    elif offers(verb).space:
        config = compose_space(offers(verb), chosen)[0]
    else:
        config = compose_config(verb, chosen)
    assert chosen or overrides
    assert all(config[re.split(r"[.=]", word)[0]] is not None for word in chosen)


def test_there_are_examples():
    assert len(examples()) >= 8


def test_every_option_of_a_verb_is_explained_where_it_is_set():
    for verb in VERBS:
        options = re.findall(
            r"^(?!card|defaults)(\w+): +\S+(.*)$", verbs()[verb].path.read_text(), re.MULTILINE
        )
        assert options
        assert all(re.match(r" +# .{10,}", comment) for _, comment in options), options


def test_version(capsys):
    assert said(capsys, "--version") == said(capsys, "version") == f"faceport {version('faceport')}\n"


def test_a_verb_that_does_not_exist(capsys):
    assert said(capsys, "prrdict", "x", code=1) == (
        "error: there is no command 'prrdict'. Did you mean predict? "
        f"Available: {', '.join(sorted(VERBS))}.\n"
    )


@pytest.mark.parametrize("word", ["model=pipnet_resnet18", "--config-dir=conf"])
def test_an_option_in_place_of_a_verb(word, capsys):
    assert f"there is no command '{word}'. The command comes first: faceport COMMAND" in said(
        capsys, word, code=1
    )


QUICK = [
    ["--help"],
    ["run", "--help"],
    ["--version"],
    ["list"],
    ["list", "model=facenet"],
    ["--complete", "run", "model=facenet", "model."],
    ["completion", "bash"],
]


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_what_must_be_quick_imports_nothing_heavy(words, tmp_path):
    code = """
import sys
from faceport.shell.cli import run_command
assert run_command(sys.argv[1:]) == 0
print(*sorted(sys.modules), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "FACEPORT_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    assert "faceport" in modules
    assert not modules & {
        "numpy",
        "cv2",
        "hydra",
        "omegaconf",
        "torch",
        "onnx",
        "onnxruntime",
        "rich",
        "requests",
    }
    assert not {name for name in modules if name.startswith("faceport_")}, "no plugin's code is run"


def test_a_broken_pipe_is_no_error(tmp_path):
    program = f"{shlex.quote(sys.executable)} -m faceport"
    environment = {**os.environ, "FACEPORT_CACHE": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", f"{program} list | head -n 1"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "model:\n"
    assert done.stderr == ""


def test_cfg_shows_what_would_be_run_and_runs_nothing(tmp_path):
    text = faceport("run", *SMALL, "target.threads=3", "--cfg", "job", folder=tmp_path)
    assert re.search(r"(?m)^target:\n(  .*\n)*  threads: 3$", text)
    assert re.search(r"(?m)^model:\n(  .*\n)*  weights: random$", text)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "cache").exists()


def test_a_traceback_is_for_those_who_ask_for_it(tmp_path):
    command = [sys.executable, "-m", "faceport", "run", "model=facenet", "dataset=nonsense"]
    environment = {**os.environ, "FACEPORT_DEBUG": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "faceport.errors.ConfigError: could not find dataset 'nonsense'" in done.stderr


def test_an_option_that_is_typed_twice_is_refused(capsys):
    shown = said(capsys, "run", "model=facenet", "limit=2", "limit=5", code=1)
    assert shown == "error: 'limit' is given twice: limit=2 and limit=5\n"
    shown = said(capsys, "run", "-m", "model=facenet", "batch_size=1", "batch_size=2,4", code=1)
    assert "'batch_size' is given twice" in shown


def test_a_launcher_that_is_not_installed_says_what_to_install(capsys):
    words = ["run", "-m", "model=facenet", "dataset=synthetic", "hydra/launcher=ray"]
    shown = said(capsys, *words, code=1)
    assert "hydra/launcher=ray is not installed. pip install hydra-ray-launcher" in shown
    shown = said(capsys, *words[:-1], "hydra/sweeper=nevergrad", code=1)
    assert "pip install hydra-nevergrad-sweeper" in shown
