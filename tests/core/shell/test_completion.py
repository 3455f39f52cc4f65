"""What <TAB> offers: the answers themselves, and the scripts in the shells that are installed here."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from faceport.errors import ConfigError
from faceport.shell.completion import answer, script
from faceport.shell.offers import verbs
from tests.cli import faceport
from tests.fakes import install

PROGRAMS = str(Path(sys.executable).parent)
CONTROL_G = "\x07"


def offered(line: str) -> list[str]:
    """Complete a line; a blank at its end starts a new word."""
    return answer(line.split(" ")).splitlines()


def test_verbs():
    assert offered("") == [*verbs(), "completion"]
    assert offered("sc") == ["score"]
    assert offered("ex") == ["export"]
    assert offered("-") == ["--help", "--version"]
    assert offered("nonsense ") == []


def test_groups_and_options_of_a_verb():
    found = offered("run ")
    assert {"model=", "detector=", "target=", "dataset=", "metric=", "experiment=", "batch_size="} <= {*found}
    assert not [word for word in found if word.startswith(("-", "hydra", "defaults", "predictions"))]
    assert {"predictions=", "dataset="} <= {*offered("score ")}
    assert "target=" not in offered("score ")
    assert "model=" not in offered("run model=facenet ")
    assert offered("run b") == ["batch_size="]
    assert offered("run -") == ["-m", "--cfg", "--help"]
    assert offered("export -") == ["--cfg", "--help"]
    assert offered("list -") == ["--help"]


def test_names():
    assert offered("run model=reti") == ["model=retinaface_mobilenet", "model=retinaface_resnet50"]
    assert {"target=onnxruntime", "target=torch"} <= {*offered("run model=facenet target=")}
    assert "detector=retinaface_mobilenet" in offered("run detector=")
    assert "detector=facenet" not in offered("run detector="), "it finds no faces by itself"
    assert offered("run model=nonsense") == []


def test_lists_and_sweeps_go_on_behind_the_comma():
    assert offered("run -m model=facenet,retinaface_m") == ["model=facenet,retinaface_mobilenet"]
    assert "target=torch,torch" not in offered("run -m target=torch,")
    assert "metric=[landmarks" in offered("run metric=[")
    assert offered("run metric=[landmarks,veri") == ["metric=[landmarks,verification"]


def test_options_of_what_was_chosen():
    found = offered("run model=retinaface_mobilenet model.")
    assert {"model.weights=", "model.size=", "model.nms="} <= {*found}
    assert "model.margin=" not in found
    assert "model.margin=" in offered("run model=retinaface_mobilenet,facenet model.")
    assert "model.margin=" in offered("run model."), "nothing was chosen: options of all"
    assert "target.graph=" in offered("run target."), "nothing was chosen: options of the default"
    assert "target.hint=" not in offered("run target.")
    assert offered("run detector=mtcnn detector.min") == ["detector.min_face_size="]
    assert "metric.landmarks.norm=" in offered("run metric=[landmarks] metric.")
    assert offered("run dataset=synthetic dataset.co") == ["dataset.count="]
    assert offered("run dataset=synthetic data") == ["dataset."]


def test_groups_below_a_section():
    assert "calibration.dataset=" in offered("run cal")
    assert "calibration.dataset=synthetic" in offered("run calibration.dataset=")
    assert offered("run calibration.dataset=synthetic calibration.dataset.co") == [
        "calibration.dataset.count="
    ]
    assert "calibration.seed=" in offered("run calibration.s")


def test_switches():
    assert offered("run strict=") == ["strict=true", "strict=false"]
    assert offered("run model=retinaface_mobilenet model.clip=t") == ["model.clip=true"]
    assert offered("run batch_size=") == []
    assert offered("run model=retinaface_mobilenet model.weights=") == []
    assert offered("run nonsense.option=") == []


def test_experiments_of_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert offered("run experiment=") == []
    for name in ("nightly", "night_shift", "weekly"):
        place = tmp_path / "conf" / "experiment" / f"{name}.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    assert offered("run experiment=ni") == ["experiment=night_shift", "experiment=nightly"]


def test_values_that_a_comment_or_a_card_lists():
    assert offered("run target.precision=") == [f"target.precision={one}" for one in ("fp32", "fp16", "int8")]
    assert offered("run target=ncnn target.precision=") == ["target.precision=fp32", "target.precision=fp16"]
    assert offered("run target=tvm target.precision=") == ["target.precision=fp32"], "from its card"
    both = {*offered("run -m target=openvino,torch target.precision=")}
    assert both == {f"target.precision={one}" for one in ("fp32", "fp16", "bf16", "int8")}
    assert offered("run -m target.precision=fp32,i") == ["target.precision=fp32,int8"]
    assert offered("run target.providers=[cpu,cu") == ["target.providers=[cpu,cuda"]
    assert offered("run dataset=wflw dataset.split=") == ["dataset.split=test", "dataset.split=train"]
    assert "metric.landmarks.norm=inter_pupil" in offered("run metric=[landmarks] metric.landmarks.norm=")
    assert offered("run fresh=t") == ["fresh=true"]


def test_presets_of_this_folder_and_of_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, text in {
        "conf/model/small_faces.yaml": "defaults: [mtcnn, _self_]\nmin_face_size: 12\n",
        "conf/model/_hidden.yaml": "",
        "else/target/ov_one.yaml": "defaults: [openvino]\nstreams: 1\n",
        "else/experiment/night.yaml": "",
        "else/calibration/dataset/mine.yaml": "defaults: [folder]\n",
        "else/model/broken.yaml": "a: [",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    assert offered("run model=sm") == ["model=small_faces"]
    assert offered("run model=_") == []
    assert offered("run model=small_faces model.min") == ["model.min_face_size="]
    assert offered("run target=ov") == []
    for flag in ("--config-dir=else", "-cd else", "-cd=else"):
        assert offered(f"run {flag} target=ov") == ["target=ov_one"]
        assert offered(f"run {flag} experiment=") == ["experiment=night"]
        assert offered(f"run {flag} model=br") == ["model=broken"]
    assert offered("run -cd=else target=ov_one target.hint=l") == ["target.hint=latency"]
    assert offered("run -cd=else calibration.dataset=mi") == ["calibration.dataset=mine"]


def test_launchers_and_sweepers_of_a_sweep(tmp_path, monkeypatch):
    for name in ("hydra_joblib_launcher", "hydra_submitit_launcher", "hydra_optuna_sweeper"):
        (tmp_path / "hydra_plugins" / name).mkdir(parents=True)
        (tmp_path / "hydra_plugins" / name / "__init__.py").write_text("raise SystemExit('not to be run')")
    monkeypatch.syspath_prepend(tmp_path)
    assert not [word for word in offered("run ") if word.startswith("hydra")]
    assert {"hydra/launcher=", "hydra/sweeper="} <= {*offered("run -m ")}
    launchers = {word.partition("=")[2] for word in offered("run -m hydra/launcher=")}
    assert {"basic", "joblib", "submitit_local", "submitit_slurm"} <= launchers
    assert {"hydra/sweeper=basic", "hydra/sweeper=optuna"} <= {*offered("run -m hydra/sweeper=")}
    assert not [word for word in offered("export -m ") if word.startswith("hydra")]


def test_other_verbs():
    assert offered("completion ") == ["bash", "zsh", "fish"]
    assert offered("cache ") == ["list", "prune", "days=", "size="]
    assert offered("cache prune ") == ["days=", "size="]
    assert offered("list t") == ["target", "target="]
    assert offered("doctor target=tor") == ["target=torch"]
    assert offered("list nonsense=") == []


def test_predict_offers_files_beside_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("movie.mp4", ".hidden.jpg", "models/me.jpg"):
        (tmp_path / name).touch()
    assert offered("predict mo") == ["models/", "movie.mp4", "model="]
    assert offered("predict models/") == ["models/me.jpg"]
    assert offered("predict .h") == [".hidden.jpg"]
    assert offered(f"predict {tmp_path}/mov") == [f"{tmp_path}/movie.mp4"]
    assert offered("predict nowhere/") == []
    assert "movie.mp4" not in offered("run mo")


def test_a_shell_that_is_not_known():
    with pytest.raises(ConfigError, match="Available: bash, fish, zsh"):
        script(["tcsh"])
    with pytest.raises(ConfigError, match="faceport completion SHELL"):
        script([])


@pytest.fixture
def third_party(tmp_path) -> dict[str, str]:
    """Environment with a plugin that is slow to import and offers a model and a broken YAML."""
    files = {
        "slow_plugin/__init__.py": "raise SystemExit('completion must not run this')",
        "slow_plugin/conf/model/retina_of_mine.yaml": "speed: 3\ncard: {provides: [boxes]}\n",
    }
    install(tmp_path / "site", "faceport-slow", files, {"slow": "slow_plugin"})
    broken = {"broken_plugin/__init__.py": "", "broken_plugin/conf/model/retina_of_theirs.yaml": "speed: [\n"}
    install(tmp_path / "site", "faceport-broken", broken, {"broken": "broken_plugin"})
    path = os.pathsep.join([PROGRAMS, os.environ["PATH"]])
    return {"PYTHONPATH": str(tmp_path / "site"), "PATH": path}


def test_plugins_of_others_are_offered_and_not_run(third_party, tmp_path):
    def ask(*words: str) -> list[str]:
        return faceport("--complete", *words, folder=tmp_path, **third_party).splitlines()

    assert ask("run", "model=retina_") == ["model=retina_of_mine"]
    assert ask("run", "detector=retina_") == ["detector=retina_of_mine"]
    assert ask("run", "model=retina_of_mine", "model.") == ["model.speed="]


class Terminal:
    """An interactive shell on a terminal, driven by keys."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        kept = {key: os.environ[key] for key in ("LANG", "FACEPORT_CACHE") if key in os.environ}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "HOME": str(folder), "TERM": "dumb", "PS1": "> ", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def send(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Read until the output matches."""
        seen, deadline = "", time.monotonic() + 60
        while not (found := re.search(pattern, seen)):
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {seen!r}"
            seen += os.read(self.master, 65536).decode(errors="replace")
        return found

    def complete(self, keys: str) -> str:
        """Type keys and <TAB>; give what then stands on the line."""
        self.send(f"{keys}\t{CONTROL_G}")
        line = self.until(r"<<(.*?)>>")[1]
        self.send("\x15")  # kill the line
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


# How to start it, how to load the script, and how to have control-G show what stands on the line.
BASH = (
    ["bash", "--norc", "--noprofile", "-i"],
    [
        'eval "$(faceport completion bash)"',
        """bind -x '"\\C-g": printf "<<%s>>\\n" "$READLINE_LINE"'""",
    ],
)
ZSH = (
    ["zsh", "-f", "-i"],
    [
        "autoload -Uz compinit; compinit -u -D",
        'eval "$(faceport completion zsh)"',
        "bindkey -e; show() { print -r -- \"<<$BUFFER>>\" }; zle -N show; bindkey '^G' show",
    ],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("shells")
    (place / "photos of me").mkdir()
    for name in ("weights.pth", "movie.mp4", "photos of me/a.jpg"):
        (place / name).touch()
    return place


@contextmanager
def shell(command: list[str], prepare: list[str], folder: Path, environment: dict[str, str]):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    opened = Terminal(command, folder, environment)
    try:
        opened.send("; ".join([*prepare, "echo rea''dy\n"]))
        opened.until("ready")
        yield opened
    finally:
        opened.close()


@pytest.fixture(params=[BASH, ZSH], ids=["bash", "zsh"])
def terminal(request, folder, third_party):
    with shell(*request.param, folder, third_party) as opened:
        yield opened


LINES = {
    "faceport sc": "faceport score ",
    "faceport run model=retinaface_m": "faceport run model=retinaface_mobilenet ",
    "faceport run model=retina_": "faceport run model=retina_of_mine ",
    "faceport run mod": "faceport run model=",
    "faceport run -m model=facenet,retinaface_m": "faceport run -m model=facenet,retinaface_mobilenet ",
    "faceport run model=reti": "faceport run model=retina",  # several: what they share
    "faceport run model=facenet model.we": "faceport run model=facenet model.weights=",
    "faceport run dataset=synthetic data": "faceport run dataset=synthetic dataset.",
    "faceport run model.weights=weig": "faceport run model.weights=weights.pth ",
    "faceport run strict=t": "faceport run strict=true ",
    "faceport run 'metric=[landm": "faceport run 'metric=[landmarks' ",
    "faceport predict mov": "faceport predict movie.mp4 ",
    "faceport predict ph": "faceport predict photos\\ of\\ me/",
}


def test_tab_in_a_real_shell(terminal):
    assert {line: terminal.complete(line) for line in LINES} == LINES


def test_tab_behind_the_equals_sign_lists_the_names(terminal):
    terminal.send("faceport run target=\t\t")
    terminal.until(r"(?s)(?=.*onnxruntime).*torch")


def test_a_bash_that_does_not_split_words_at_equals_signs(folder, third_party):
    command, prepare = BASH
    with shell(command, [*prepare, "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}"], folder, third_party) as opened:
        assert (
            opened.complete("faceport run model=retinaface_m") == "faceport run model=retinaface_mobilenet "
        )
        assert opened.complete("faceport run strict=t") == "faceport run strict=true "


def test_tab_in_fish(folder, third_party):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")

    def ask(line: str) -> list[str]:
        code = f"faceport completion fish | source; complete -C {line!r}"
        return subprocess.run(
            ["fish", "--no-config", "-c", code],
            cwd=folder,
            env={**os.environ, **third_party, "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()

    assert ask("faceport sc") == ["score"]
    assert {"run", "predict", "completion"} <= {*ask("faceport ")}
    assert ask("faceport run model=retinaface_m") == ["model=retinaface_mobilenet"]
    assert ask("faceport run model=retina_") == ["model=retina_of_mine"]
    assert ask("faceport run model=facenet model.we") == ["model.weights="]
    assert ask("faceport run -m model=facenet,retinaface_m") == ["model=facenet,retinaface_mobilenet"]
    assert ask("faceport run model.weights=weig") == ["model.weights=weights.pth"]
    assert ask("faceport predict mov") == ["movie.mp4"]
    assert ask("faceport predict ph") == ["photos of me/"]


def test_zsh_finds_the_script_in_a_folder_of_functions(folder, third_party):
    functions = folder / "functions"
    functions.mkdir()
    (functions / "_faceport").write_text(script(["zsh"]))
    command, (start, _, keys) = ZSH
    with shell(command, [f"fpath=({functions} $fpath)", start, keys], folder, third_party) as opened:
        assert (
            opened.complete("faceport run model=retinaface_m") == "faceport run model=retinaface_mobilenet "
        )
        assert opened.complete("faceport run mod") == "faceport run model="
