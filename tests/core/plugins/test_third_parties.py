"""Verbs, kinds and names that other people bring, right or broken: none of them hurts anybody else."""

import json
import re
from pathlib import Path

import pytest

from tests.cli import SMALL, faceport
from tests.fakes import install

VERB = """
from dataclasses import dataclass
from faceport.hooks import hookimpl
@hookimpl
def verbs():
    from faceport.verb import Verb
    @dataclass(frozen=True)
    class Given:
        OPTIONS
    class Made(Verb):
        Options = Given
        def act(self, config):
            return self.options
        def show(self, outcome):
            print("acted:", outcome)
            return 0
    return {"NAME": Made}
"""
METRIC = """
from faceport.hooks import hookimpl
@hookimpl
def metrics():
    from dataclasses import dataclass
    from faceport.api import Metric
    @dataclass(frozen=True)
    class Given:
        factor: int = 1
    class Made(Metric):
        Options = Given
        def compute(self, items):
            return {"items": self.options.factor * sum(1 for _ in items)}
    return {"NAME": Made}
"""
MODEL = """
from faceport.hooks import hookimpl
@hookimpl
def models():
    return {"retinaface_mobilenet": "faceport_retinaface.model:RetinaFace"}
"""
KIND = """
from faceport.hooks import hookimpl
@hookimpl
def kinds():
    return {"NAME": VALUE}
"""
THINGS = """
@hookimpl
def NAMEs():
    return {"sweet": type("Sweet", (), {})}
"""
CARD = "card: {summary: what SOMEBODY brings}\n"


def verb(name: str, options: str = "size: int = 1") -> str:
    return VERB.replace("NAME", name).replace("OPTIONS", options)


def kind(name: str, value: str = "dict", things: str = "") -> str:
    return (KIND + things).replace("NAME", name).replace("VALUE", value)


# distribution -> entry point, code, YAML files; and what `list` or `doctor` must say of it
BROUGHT = {
    "good-verb": ("good_verb", verb("good"), {"verb/good": "size: 1\n"}, []),
    "raising": (
        "raising",
        "raise RuntimeError('the licence has expired')",
        {"verb/raising": ""},
        ["RuntimeError: the licence has expired"],
    ),
    "misfit": ("misfit", verb("misfit"), {"verb/misfit": "sise: 1\n"}, []),
    "no-class": ("no_class", verb("other"), {"verb/classless": ""}, ["names no class for classless.yaml"]),
    "shadow": (
        "shadow",
        verb("run"),
        {"verb/run": "size: 1\n"},
        ["note: verb 'run' is that of faceport;", "is chosen by faceport shadow/run"],
    ),
    "baseless": (
        "baseless",
        "from faceport.hooks import hookimpl" + THINGS.replace("NAME", "orphan"),
        {"kind/orphan": "", "orphan/sweet": ""},
        ["names no class for orphan.yaml"],
    ),
    "unclassed": (
        "unclassed",
        kind("odd", "5"),
        {"kind/odd": ""},
        ["answers 'odd' with 5, which is no class"],
    ),
    "lost": (
        "lost",
        kind("far", "'no_such_module:Base'"),
        {"kind/far": ""},
        ["no_such_module", "pip install"],
    ),
    "loose": (
        "loose",
        kind("flaw", "dict", THINGS),
        {"kind/flaw": "", "flaw/sweet": ""},
        ["must be a subclass of builtins.dict whose Options is a dataclass"],
    ),
    "first-taste": ("first_taste", kind("taste"), {"kind/taste": ""}, ["two plugins offer kind 'taste'"]),
    "second-taste": ("second_taste", kind("taste"), {"kind/taste": ""}, []),
    "reserved": (
        "reserved",
        kind("model"),
        {"kind/model": ""},
        ["it brings a kind 'model'", "a name of the core's own"],
    ),
    "hyphen": ("hyphen", kind("my-kind"), {"kind/my-kind": ""}, ["kind 'my-kind'", "letters, digits and _"]),
    "rival-model": (
        "rival",
        MODEL,
        {"model/retinaface_mobilenet": "weights: random\nsize: 64\n"},
        [
            "note: model 'retinaface_mobilenet' is that of faceport-retinaface",
            "is chosen by model=rival/retinaface_mobilenet",
        ],
    ),
    "own-metric": ("one", METRIC.replace("NAME", "rivalled"), {"metric/rivalled": "factor: 1\n"}, []),
    "other-metric": (
        "two",
        METRIC.replace("NAME", "rivalled"),
        {"metric/rivalled": "factor: 1000\n"},
        ["two plugins offer metric 'rivalled'", "metric=one/rivalled or metric=two/rivalled"],
    ),
    "faceport-retinaface-fork": (
        "retinaface",
        MODEL,
        {"model/retinaface_mobilenet": "weights: random\n"},
        ["two distributions call their plugin 'retinaface'", "the name belongs to faceport-retinaface"],
    ),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("site")
    for name, (point, code, files, _) in BROUGHT.items():
        module = f"brought_{name.replace('-', '_')}"
        texts = {
            f"{module}/conf/{path}.yaml": CARD.replace("SOMEBODY", name) + text
            for path, text in files.items()
        }
        install(folder, name, {f"{module}/__init__.py": code, **texts}, {point: module})
    return str(folder)


def say(folder: Path, site: str, *words: str, code: int = 0) -> str:
    return faceport(*words, folder=folder, code=code, PYTHONPATH=site)


CODE = ("verb=raising", "verb=classless", "kind=orphan", "kind=odd", "kind=far", "flaw=sweet")  # must be run


@pytest.fixture(scope="module")
def told(site, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("told")
    return say(folder, site, "list") + "\n" + say(folder, site, "doctor", *CODE, code=1)


@pytest.mark.parametrize("name", [name for name in BROUGHT if BROUGHT[name][3]])
def test_list_and_doctor_name_what_is_wrong(name, told):
    about = [line for line in re.split(r"\n(?! )", told) if f"{name} 1.0" in line]
    for part in BROUGHT[name][3]:
        assert any(part in line for line in about), f"{part!r} is not in {about}"


def test_list_help_and_completion_are_as_ever(site, tmp_path):
    listed, plain = say(tmp_path, site, "list"), faceport("list", folder=tmp_path)
    ours = [line for line in plain.splitlines() if not line.startswith(("broken", "note"))]
    names = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert {line.split()[0] for line in ours if line.strip()} <= names
    for part in (
        "the licence has expired",
        "note: verb 'run' is that of faceport",
        "shadow/run",
        "rival/retinaface_mobilenet",
    ):
        assert part in listed
    shown = say(tmp_path, site, "--help")
    assert "  run        run a model on a dataset" in shown and "  good " in shown and "  raising " in shown
    assert say(tmp_path, site, "run", "--help") == faceport("run", "--help", folder=tmp_path).replace(
        "retinaface_resnet50\n", "retinaface_resnet50, rival/retinaface_mobilenet\n"
    ).replace("verification, widerface_ap", "two/rivalled, verification, widerface_ap").replace(
        "latency, ", "latency, one/rivalled, "
    )
    assert say(tmp_path, site, "--complete", "run", "model=retinaface_m") == "model=retinaface_mobilenet\n"
    assert say(tmp_path, site, "--complete", "run", "model=ri") == "model=rival/retinaface_mobilenet\n"
    assert say(tmp_path, site, "--complete", "goo") == "good\n"


def test_runs_of_others_are_as_ever(site, tmp_path):
    say(tmp_path, site, "run", *SMALL, "dataset.count=1", "record=record.json")
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["status"] == "done" and "rival-model" not in record["versions"]
    assert record["versions"]["faceport-retinaface"]


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (["good"], 0, ["acted: ", "size=1"]),
        (["good", "size=3"], 0, ["size=3"]),
        (
            ["raising"],
            1,
            ["error: plugin 'raising' (raising 1.0) cannot be loaded", "the licence has expired"],
        ),
        (["misfit"], 1, ["error: verb 'misfit' has no option 'sise'", "Did you mean size?"]),
        (["misfit", "size=1"], 1, ["`faceport misfit` has no option 'size=1'", "Did you mean sise?"]),
        (["classless"], 1, ["ships classless.yaml but its hook 'verbs' names no class"]),
        (["shadow/run"], 0, ["acted: ", "size=1"]),
        (["list", "orphan=sweet"], 0, ["what baseless brings"]),
        (["list", "taste"], 1, ["error: two plugins offer kind 'taste'", "Uninstall one of them"]),
        (["list", "my-kind"], 1, ["error: there is no kind 'my-kind'"]),
    ],
    ids=str,
)
def test_calling_them_says_what_is_wrong(words, code, parts, site, tmp_path):
    said = say(tmp_path, site, *words, code=code)
    assert not code or len(said.strip().splitlines()) == 1
    for part in parts:
        assert part in said


def test_a_name_of_two_is_chosen_by_its_plugin(site, tmp_path):
    words = ["dataset=synthetic", "dataset.count=1", "record=record.json"]
    say(tmp_path, site, "run", "model=rival/retinaface_mobilenet", "model.size=160", *words)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["config"]["model"] == {
        "name": "rival/retinaface_mobilenet",
        "weights": "random",
        "size": 160,
    }
    assert record["versions"]["rival-model"] == "1.0"
    assert Path(record["folder"]).parent.name == "runs" and (tmp_path / record["folder"]).is_dir()
    both = ["metric=[one/rivalled]", "metric=[two/rivalled]"]
    for word, count in zip(both, (1, 1000), strict=True):
        say(tmp_path, site, "run", *SMALL, "dataset.count=1", word, "record=record.json")
        record = json.loads((tmp_path / "record.json").read_text())
        assert record["metrics"] == {word[8:-1]: {"items": count}}
    say(
        tmp_path,
        site,
        "run",
        *SMALL,
        "dataset.count=1",
        both[1],
        "metric.rivalled.factor=5",
        "record=record.json",
    )
    assert json.loads((tmp_path / "record.json").read_text())["metrics"] == {"two/rivalled": {"items": 5}}
    said = say(tmp_path, site, "run", *SMALL, "metric=[rivalled]", code=1)
    assert (
        "two plugins offer metric 'rivalled'" in said and "metric=one/rivalled or metric=two/rivalled" in said
    )
    say(tmp_path, site, "export", "model=retinaface/retinaface_mobilenet", "model.weights=random", "out=onnx")
    assert (tmp_path / "onnx" / "retinaface.onnx").is_file(), (
        "the longer name of what is not shadowed works too"
    )
    said = say(tmp_path, site, "run", "model=nobody/retinaface_mobilenet", "dataset=synthetic", code=1)
    assert "could not find model 'nobody/retinaface_mobilenet'" in said
