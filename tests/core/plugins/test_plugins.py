"""One broken plugin never hurts the others: each fault is named with its plugin and its cure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceport.catalogue import health
from faceport.errors import ConfigError
from faceport.plugins.index import Plugin, installed
from faceport.plugins.loading import create
from tests.cli import SMALL, faceport
from tests.fakes import install

HOOK = """
from faceport.hooks import hookimpl
@hookimpl
def metrics():
    from faceport.api import Metric
    class Good(Metric):
        def compute(self, items):
            return {{"items": 1}}
    return {{"{module}": Good}}
"""
CARD = "card: {{summary: The metric of {module}}}\n"
INIT, YAML = "__init__.py", "conf/metric/{module}.yaml"

# module -> files that differ from a good plugin's, and what `list` and `doctor` must say of it
BROKEN = {
    "no_import": (
        {INIT: f"import no_such_module\n{HOOK}"},
        ["no_such_module", "pip install"],
    ),
    "no_library": (
        {INIT: f"import ctypes\nctypes.CDLL('libno_such_runtime.so.8')\n{HOOK}"},
        ["libno_such_runtime.so.8", "Install the runtime"],
    ),
    "no_python": ({INIT: "def metrics(:\n"}, ["does not parse", "no_python/__init__.py:1"]),
    "no_yaml": ({YAML: "card: [\n"}, ["no_yaml.yaml:2", "not valid YAML"]),
    "no_mapping": ({YAML: "- card\n"}, ["no_mapping.yaml", "'key: value'"]),
    "no_text": ({YAML: b"card: \xff\n"}, ["no_text.yaml", "not valid YAML"]),
    "raises": ({INIT: "raise RuntimeError('the licence has expired')\n"}, ["the licence has expired"]),
    "exits": ({INIT: "import sys\nsys.exit('no device')\n"}, ["no device"]),
    "dies": ({INIT: "import os\nos._exit(3)\n"}, ["ended the process", "3"]),
    "no_hook": (
        {INIT: HOOK.replace("def metrics", "def metriks")},
        ["'metriks'", "metrics", "does not exist"],
    ),
    "no_class": ({INIT: HOOK.replace("return", "return ['a', 'b'] #")}, ["hook 'metrics'", "a mapping"]),
    "wrong_class": (
        {INIT: HOOK.replace("class Good(Metric)", "class Good")},
        ["subclass of faceport.api.Metric"],
    ),
    "wrong_options": (
        {INIT: HOOK.replace("def compute", "Options = dict\n        def compute")},
        ["Options is a dataclass"],
    ),
    "late_import": (
        {INIT: HOOK.replace("from faceport.api", "import no_such_module\n    from faceport.api")},
        ["no_such_module", "pip install"],
    ),
    "other_name": ({INIT: HOOK.replace('"{module}"', '"metrix"')}, ["other_name.yaml"]),
}
# `list` runs no hook: that takes what a plugin may import, and seconds. `doctor` does.
LATE = ("no_hook", "no_class", "wrong_class", "wrong_options", "late_import", "other_name")


def put(
    site: Path, module: str, files: dict | None = None, points: dict | None = None, dist: str = ""
) -> None:
    """Install a plugin with one metric of its name, or what differs from that."""
    merged = {INIT: HOOK, YAML: CARD} | (files or {})
    texts = {
        f"{module}/{name.format(module=module)}": text.format(module=module)
        for name, text in merged.items()
        if isinstance(text, str)
    }
    install(site, dist or f"faceport-{module}", texts, {module: module} if points is None else points)
    for name, text in merged.items():
        if isinstance(text, bytes):
            path = site / module / name.format(module=module)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Install everything that can be wrong, beside one plugin that is right."""
    folder = tmp_path_factory.mktemp("broken")
    put(folder, "good")
    put(folder, "chatty", {INIT: f"print('[1]')\n{HOOK}"})
    for module, (files, _) in BROKEN.items():
        put(folder, module, files)
    install(folder, "faceport-nothing", {}, {"nothing": "no_such_package"})
    put(folder, "twin", points={"twin": "twin"}, dist="faceport-first-twin")
    put(folder, "twin2", points={"twin": "twin2"}, dist="faceport-second-twin")
    put(folder, "rival", {"conf/metric/rivalled.yaml": CARD})
    put(folder, "rival2", {"conf/metric/rivalled.yaml": CARD})
    return folder


@pytest.fixture(scope="module")
def listed(site) -> str:
    return faceport("list", folder=site, PYTHONPATH=str(site))


@pytest.fixture(scope="module")
def doctored(site, listed) -> str:
    """Ask the doctor after the list, which must not profit from his findings."""
    return faceport("doctor", folder=site, code=1, PYTHONPATH=str(site))


def line_of(text: str, name: str) -> str:
    """Give the line of a plugin, and the lines that belong to it."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if f"'{name}' (faceport" in line)
    end = next((n for n in range(start + 1, len(lines)) if not lines[n].startswith("    ")), len(lines))
    return "\n".join(lines[start:end])


@pytest.mark.parametrize("module", BROKEN)
def test_doctor_names_plugin_fault_and_cure(module, doctored):
    told = line_of(doctored, module)
    assert told.startswith("broken")
    assert f"faceport-{module.replace('_', '-')} 1.0" in told or f"faceport-{module} 1.0" in told
    for part in BROKEN[module][1]:
        assert part in told


@pytest.mark.parametrize("module", [module for module in BROKEN if module not in LATE])
def test_list_names_plugin_fault_and_cure(module, listed):
    told = line_of(listed, module)
    assert told.startswith("broken")
    for part in BROKEN[module][1]:
        assert part in told


def test_entry_point_to_nothing(listed, doctored):
    for text in (line_of(listed, "nothing"), line_of(doctored, "nothing")):
        assert "no module 'no_such_package'" in text
        assert "reinstall or uninstall faceport-nothing" in text


def test_two_plugins_with_one_name(listed, doctored, site):
    for text in (listed, doctored):
        assert "faceport-first-twin 1.0 and faceport-second-twin 1.0" in text
        assert "Uninstall one of them" in text
    said = faceport("list", "metric=twin", folder=site, code=1, PYTHONPATH=str(site))
    assert "two distributions call their plugin 'twin'" in said


def test_two_plugins_with_one_choice(listed, doctored, site):
    for text in (listed, doctored):
        assert "metric 'rivalled'" in text and "faceport-rival 1.0" in text and "faceport-rival2 1.0" in text
    said = faceport("list", "metric=rivalled", folder=site, code=1, PYTHONPATH=str(site))
    assert "two plugins offer metric 'rivalled'" in said and "Uninstall one of them" in said
    assert "  rival " in listed and "  rival2 " in listed, "what else they offer still works"


def test_what_is_right_is_untouched(listed, doctored):
    assert line_of(doctored, "good").startswith("ok") and line_of(doctored, "chatty").startswith("ok")
    assert "'good'" not in listed and "'chatty'" not in listed
    assert "The metric of good" in listed
    for plugin in installed().plugins:
        assert line_of(doctored, plugin.name).startswith(("ok", "not usable here"))
        assert f"broken: plugin '{plugin.name}'" not in listed


def test_everything_else_runs(site, tmp_path):
    words = [*SMALL, "dataset.count=2", "dataset.size=[64,64]", "metric=[good]"]
    shown = faceport("run", *words, folder=tmp_path, PYTHONPATH=str(site))
    assert "good" in shown and "record:" in shown
    assert "metric=good\n" in faceport(
        "--complete", "run", "metric=go", folder=tmp_path, PYTHONPATH=str(site)
    )


@pytest.mark.parametrize("module", [*BROKEN, "nothing"])
def test_choosing_a_broken_plugin_says_why(module, site, tmp_path):
    if module in ("nothing", "dies"):  # there is nothing to choose; the process ends before it can speak
        return
    said = faceport("run", *SMALL, f"metric=[{module}]", folder=tmp_path, code=1, PYTHONPATH=str(site))
    assert said.startswith("error: ") and len(said.strip().splitlines()) == 1
    assert f"'{module}' (faceport-{module} 1.0)" in said
    for part in BROKEN[module][1]:
        assert part in said


def test_a_plugin_that_never_ends_hides_no_other(tmp_path, monkeypatch):
    put(tmp_path, "a_good_one")
    put(tmp_path, "endless", {INIT: f"import time\ntime.sleep(60)\n{HOOK}"})
    put(tmp_path, "too_late", {INIT: "raise RuntimeError('the licence has expired')\n"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(health, "TIMEOUT", 3)
    plugins = [Plugin(name, name, "1.0", name) for name in ("a_good_one", "endless", "too_late")]
    faults = {finding.plugin.name: " ".join(finding.faults) for finding in health.try_import(plugins)}
    assert faults["a_good_one"] == ""
    assert "no end of it after 3 seconds" in faults["endless"]
    assert "the licence has expired" in faults["too_late"]


HEAVY = """
import os, pathlib
pathlib.Path(os.environ["IMPORTED"]).touch()
import torch
"""


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["list"], ["list", "metric=heavy"], ["--complete", "run", "metric=he"]],
    ids=" ".join,
)
def test_a_plugin_that_imports_torch_costs_nothing(words, tmp_path):
    put(tmp_path, "heavy", {INIT: HEAVY + HOOK})
    mark = tmp_path / "imported"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "faceport", *words],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "IMPORTED": str(mark),
            "FACEPORT_CACHE": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "faceport" in imported, "the measurement works"
    assert not imported & {"torch", "onnxruntime", "openvino", "hydra", "cv2", "onnx"}
    assert not mark.exists(), "the plugin's code was run"
    if words[0] in ("list", "--complete"):
        assert "heavy" in done.stdout


def test_doctor_does_import_it(tmp_path):
    put(tmp_path, "heavy", {INIT: HEAVY + HOOK})
    mark = tmp_path / "imported"
    faceport("doctor", "metric=heavy", folder=tmp_path, PYTHONPATH=str(tmp_path), IMPORTED=str(mark))
    assert mark.exists()


@pytest.mark.parametrize(
    ("kind", "name", "options", "parts"),
    [
        (
            "target",
            "onnxruntime",
            {"threds": 2},
            ["no option 'threds'", "Did you mean threads", "onnxruntime.yaml"],
        ),
        ("target", "onnxruntime", {"threads": "many"}, ["'threads'", "many", "onnxruntime.yaml"]),
        ("target", "onnxruntime", {"graph": "al"}, ["'graph' is 'al'", "none, basic, extended, all"]),
        ("target", "onnxruntime", {"threads": [1]}, ["'threads'", "onnxruntime.yaml"]),
        ("dataset", "folder", {}, ["'path' must be given", "dataset.path=PATH"]),
        ("dataset", "folder", {"path": "x", "every": 0}, ["'every' must be 1 or more"]),
    ],
)
def test_options_are_typed(kind, name, options, parts):
    with pytest.raises(ConfigError) as caught:
        create(kind, name, **options)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("target.threds=2", ["Did you mean threads"]),
        ("target.threads=many", ["threads", "many"]),
        ("target.graph=al", ["none, basic, extended, all"]),
        ("target=onnxruntim", ["could not find target 'onnxruntim'", "Did you mean onnxruntime?"]),
        ("modle=retinaface_mobilenet", ["no option 'modle'", "Did you mean model?"]),
        ("metric=[landmark]", ["could not find metric 'landmark'", "Did you mean landmarks?"]),
        ("detector=pipnet_resnet18", ["finds no faces by itself"]),
        ("batch_size=none", ["batch_size"]),
        ("batch_size=0", ["at least 1"]),
    ],
)
def test_mistakes_on_the_command_line_are_sentences(word, parts, tmp_path):
    said = faceport("run", *SMALL, word, folder=tmp_path, code=1)
    assert said.startswith("error: ") and len(said.strip().splitlines()) == 1, said
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    "words", [["run", *SMALL], ["predict", "photo.jpg", "model=retinaface_mobilenet"]], ids=lambda w: w[0]
)
def test_opencv_without_its_system_library(words, tmp_path):
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    said = faceport(*words, folder=tmp_path, code=1, PYTHONPATH=str(tmp_path))
    assert "apt-get install libgl1" in said and "opencv-python-headless" in said
    assert len(said.strip().splitlines()) == 1
    faceport("list", folder=tmp_path, PYTHONPATH=str(tmp_path))


def test_kind_that_does_not_exist():
    with pytest.raises(ConfigError, match="no kind 'modl'. Did you mean model"):
        create("modl", "retinaface_mobilenet")


def test_options_convert_as_yaml_does():
    made = create("target", "onnxruntime", threads="2")
    assert made.options.threads == 2
