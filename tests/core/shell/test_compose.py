"""Command lines into configurations: words taken as they are meant, experiments, sweeps."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hydra
import pytest

from faceport.errors import ConfigError, FaceportError
from faceport.runs.plan import make_plan
from faceport.shell.compose import compose_config, hydra_main
from faceport.shell.flags import Flags, take_flags
from faceport.shell.offers import offers
from faceport.shell.verb import make_verb

MODEL = ["model=retinaface_mobilenet", "model.weights=random"]
SWEEP = Flags(sweep=True)


def composed(*words: str, verb: str = "run") -> dict:
    return compose_config(verb, [*MODEL, *words])


PATHS = [
    "photos",
    "/a folder/with  blanks",
    "/x[1].jpg",
    "[x]/[y",
    "{a}/b}",
    "/sizes=[3,4]/x",
    "a=b",
    "photos/**/*.jpg",
    "it's",
    'say "x"',
    "'",
    "C:\\faces\\new",
    "back\\",
    "~/x",
    "$HOME/x",
    "100%",
    "(1) copy",
    "#1",
    "a;b|c&d",
    "a:b",
    "görüntü 写真 🙂",
    "007",
    "-5",
    "1.2.3",
    "",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_taken_to_the_letter(path):
    config = composed("dataset=folder", f"dataset.path={path}", f"out={path}")
    assert make_plan(config).dataset.options.path == path
    assert make_verb("run", config).options.out == path


def test_values_have_their_types():
    config = composed(
        "dataset=synthetic",
        "dataset.count=3",
        "dataset.size=[320, 240]",
        "model.confidence=1e-3",
        "model.top_k=null",
        "model.clip=true",
        "strict=true",
        "limit=2",
        "record=null",
    )
    assert (config["dataset"]["count"], config["dataset"]["size"]) == (3, [320, 240])
    assert (config["model"]["confidence"], config["model"]["top_k"]) == (1e-3, None)
    assert (config["model"]["clip"], config["strict"], config["limit"]) == (True, True, 2)
    assert config["record"] is None


def test_a_path_in_quotes_may_have_a_comma():
    plan = make_plan(composed("dataset=folder", "dataset.path='/a,b/c'"))
    assert plan.dataset.options.path == "/a,b/c"
    with pytest.raises(ConfigError, match="quote the value.*sweep"):
        composed("dataset=folder", "dataset.path=/a,b/c")


def test_groups_carry_their_names_and_what_is_not_chosen_is_none():
    config = composed("dataset=synthetic")
    assert (config["model"]["name"], config["dataset"]["name"]) == ("retinaface_mobilenet", "synthetic")
    assert config["target"]["name"] == "onnxruntime"
    assert config.get("detector") is None
    assert config.get("metric") is None
    assert not {"hydra", "experiment", "defaults", "card"} & {*config, *config["model"]}
    chosen = composed("dataset=synthetic", "detector=mtcnn", "detector.weights=random")
    assert (chosen["detector"]["name"], chosen["detector"]["weights"]) == ("mtcnn", "random")


def test_one_metric_and_lists_of_them():
    for word in ("metric=landmarks", "metric=[landmarks]"):
        assert list(composed("dataset=synthetic", word)["metric"]) == ["landmarks"]
    config = composed("dataset=synthetic", "metric=[landmarks,widerface_ap]", "metric.landmarks.norm=box")
    assert list(config["metric"]) == ["landmarks", "widerface_ap"]
    assert config["metric"]["landmarks"]["norm"] == "box"
    with pytest.raises(ConfigError, match="could not find metric 'landmark'. Did you mean landmarks"):
        composed("dataset=synthetic", "metric=[landmark,widerface_ap]")


def test_nothing_may_be_chosen_where_something_need_not_be():
    for word in ("detector=null", "metric=null", "~detector"):
        assert composed("dataset=synthetic", word)["model"]["name"] == "retinaface_mobilenet"
    config = composed("dataset=synthetic", "detector=null", "metric=null")
    assert config["detector"] is None
    assert not config.get("metric")
    for word in ("target=null", "dataset=null", "~dataset"):
        with pytest.raises(ConfigError, match=r"choose a (target|dataset): .*=NAME\. Available: "):
            composed("dataset=synthetic", word)


def test_a_folder_whose_name_looks_like_a_number():
    assert composed("dataset=synthetic", "out=2024_01_15")["out"] == "2024_01_15"


def test_only_options_of_the_verb_are_taken():
    with pytest.raises(ConfigError, match="`faceport run` has no option 'threshold'"):
        composed("dataset=synthetic", "threshold=0.3")
    with pytest.raises(ConfigError, match="`faceport export` has no option 'metric'"):
        composed("metric=landmarks", verb="export")


def test_composing_inside_a_program_that_uses_hydra_itself():
    with hydra.initialize(config_path=None, version_base="1.3"):
        assert composed("dataset=synthetic", "limit=3")["limit"] == 3
        again = hydra.compose("run", ["model=retinaface_mobilenet", "dataset=synthetic", "limit=4"])
        assert again.limit == 4


def test_the_order_of_words_does_not_matter():
    one = compose_config("run", ["model.size=64", "dataset.count=2", "dataset=synthetic", *MODEL])
    assert one == composed("dataset=synthetic", "dataset.count=2", "model.size=64")


def test_later_words_win():
    assert composed("dataset=synthetic", "limit=2", "limit=5")["limit"] == 5
    assert composed("dataset=synthetic", "model=retinaface_resnet50")["model"]["backbone"] == "resnet50"


def test_options_may_refer_to_others():
    config = composed("dataset=folder", "dataset.path=${out}/photos", "out=here")
    assert config["dataset"]["path"] == "here/photos"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dataset=synthetic", "model"], "'model' is no option: write KEY=VALUE"),
        (["dataset=synthetic", "=3"], "'=3' is no option"),
        (["dataset=synthetic", "modle=facenet"], "no option 'modle'. Did you mean model"),
        (
            ["dataset=synthetic", "dataset=widerfase"],
            "could not find dataset 'widerfase'. Did you mean widerface",
        ),
        ([], r"choose a dataset: dataset=NAME\. Available: .*synthetic"),
        (["dataset=synthetic", "out=${nowhere}"], "nowhere"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_right(words, sentence):
    with pytest.raises(ConfigError, match=sentence):
        composed(*words)


def test_composing_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, before = list(sys.argv), Path.cwd()
    composed("dataset=synthetic")
    assert not list(tmp_path.iterdir())
    assert (sys.argv, Path.cwd()) == (words, before)


def test_threads_compose_without_disturbing_each_other():
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: composed("dataset=synthetic", f"limit={n}")["limit"], range(1, 13))
        assert list(found) == list(range(1, 13))


SMALL = """\
# @package _global_
defaults:
  - override /model: retinaface_mobilenet
  - override /target: torch
  - override /dataset: synthetic
  - override /metric: [widerface_ap]
model: {weights: random, size: 64}
limit: 2
"""
GRID = """\
# @package _global_
defaults: [small]
hydra: {sweeper: {params: {batch_size: "1,2", target: "torch,onnxruntime"}}}
"""


@pytest.fixture
def experiments(tmp_path, monkeypatch):
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text(SMALL)
    (folder / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["faceport"])


def test_an_experiment_of_this_folder_chooses_and_sets(experiments):
    config = compose_config("run", ["experiment=small"])
    names = [config[group]["name"] for group in ("model", "target", "dataset")]
    assert names == ["retinaface_mobilenet", "torch", "synthetic"]
    assert list(config["metric"]) == ["widerface_ap"]
    assert (config["model"]["size"], config["limit"], config["batch_size"]) == (64, 2, 1)


def test_words_win_over_the_experiment(experiments):
    config = compose_config("run", ["experiment=small", "limit=7", "target=onnxruntime", "model.size=96"])
    assert (config["limit"], config["target"]["name"], config["model"]["size"]) == (7, "onnxruntime", 96)


def test_an_experiment_that_does_not_exist(experiments):
    with pytest.raises(ConfigError, match=r"no .*conf/experiment/smal\.yaml\. Did you mean small"):
        compose_config("run", ["experiment=smal"])


def jobs(*words: str) -> list[tuple]:
    found = []

    def job(config: dict) -> None:
        found.append((config["model"]["name"], config["target"]["name"], config["batch_size"]))

    hydra_main("run", SWEEP, words, job)
    return found


def test_a_sweep_goes_through_all_combinations(experiments):
    found = jobs(*MODEL, "dataset=synthetic", "target=torch,onnxruntime", "batch_size=1,8", "out=there")
    model = "retinaface_mobilenet"
    wanted = [(model, target, size) for target in ("torch", "onnxruntime") for size in (1, 8)]
    assert found == wanted


def test_a_sweep_over_names_by_pattern_and_numbers_by_range(experiments):
    found = jobs("experiment=small", "model=glob(retinaface_*)", "batch_size=range(1,3)")
    names = ["retinaface_mobilenet", "retinaface_resnet50"]
    assert found == [(name, "torch", size) for name in names for size in (1, 2)]


def test_a_sweep_with_and_without_a_detector(experiments):
    found = []
    hydra_main(
        "run",
        SWEEP,
        ["experiment=small", "detector=null,mtcnn"],
        lambda config: found.append(config["detector"]),
    )
    assert found[0] is None
    assert found[1]["name"] == "mtcnn"


def test_a_sweep_may_stand_in_an_experiment(experiments):
    assert {job[1:] for job in jobs("experiment=grid")} == {
        ("torch", 1),
        ("torch", 2),
        ("onnxruntime", 1),
        ("onnxruntime", 2),
    }


def test_a_sweep_over_lists_of_metrics_and_paths_with_blanks(experiments):
    found = []

    def job(config: dict) -> None:
        found.append((config["dataset"]["path"], list(config["metric"])))

    words = ["dataset=folder", "dataset.path=/a b,/c d", "metric=[landmarks,widerface_ap],verification"]
    hydra_main("run", SWEEP, [*MODEL, *words], job)
    both = [["landmarks", "widerface_ap"], ["verification"]]
    assert found == [(path, metrics) for path in ("/a b", "/c d") for metrics in both]


def test_a_wrong_name_in_a_sweep_is_found_before_anything_runs(experiments):
    with pytest.raises(ConfigError, match="could not find target 'onnxruntim'. Did you mean onnxruntime"):
        jobs("experiment=small", "target=torch,onnxruntim")


def test_flags_are_taken_with_their_values(tmp_path):
    words = ["-m", "a=1", "-cd", str(tmp_path), "b=2", "--precision=int8"]
    flags, rest = take_flags(offers("run"), words)
    assert flags == Flags(True, tmp_path) and rest == ["a=1", "b=2", "--precision=int8"]
    assert flags.words() == ["--multirun"]
    for words in (["--cfg", "job"], ["-c=job"], ["a=1", "-c", "job"]):
        assert take_flags(offers("export"), words)[0] == Flags(shown=("--cfg", "job"))
    for words in ([], ["--run"], ["-r"]):
        assert take_flags(offers("run"), words) == (Flags(), [])


@pytest.mark.parametrize(
    ("verb", "words", "reason"),
    [
        ("run", ["-cn=mine"], "--config-name does not exist here.*experiment/NAME.yaml.*--config-dir"),
        ("run", ["--config-path", "here"], "--config-path does not exist here.*--config-dir"),
        ("run", ["--experimental-rerun=x"], "the same command again repeats a run"),
        ("run", ["-sc", "install=bash"], "faceport completion bash"),
        ("run", ["--config-dir"], "--config-dir lacks its value: --config-dir FOLDER"),
        ("run", ["-cd", "-m"], "-cd lacks its value"),
        ("run", ["-cd=nowhere"], "--config-dir nowhere: there is no such folder"),
        ("run", ["--cfg=jobs"], "--cfg is 'jobs'. Did you mean job"),
        ("run", ["-m", "--cfg", "job"], "--cfg and --multirun exclude each other"),
        ("run", ["--cfg=job", "--info=all"], "--cfg and --info exclude each other"),
        ("run", ["--resolve"], "--resolve belongs to --cfg job"),
        ("compile", ["-m"], "`faceport compile` takes one value of each option: only run can be swept"),
    ],
)
def test_flags_that_cannot_work_are_refused(verb, words, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FaceportError, match=reason):
        take_flags(offers(verb), words)


def test_an_experiment_of_another_folder(experiments, tmp_path, monkeypatch):
    folder = tmp_path / "conf"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert compose_config("run", ["experiment=small"], folder)["limit"] == 2
    with pytest.raises(ConfigError, match=r"no .*elsewhere/conf/experiment/small\.yaml.*by --config-dir DIR"):
        compose_config("run", ["experiment=small"])
    with pytest.raises(ConfigError, match=r"and no .*/smal\.yaml\. Did you mean small"):
        compose_config("run", ["experiment=smal"], folder)
    found = []
    hydra_main("run", Flags(True, folder), ["experiment=grid"], lambda config: found.append(config["limit"]))
    assert len(found) == 4


def test_experiments_of_this_folder_and_of_another_are_there_at_once(experiments, tmp_path):
    other = tmp_path / "other"
    (other / "experiment").mkdir(parents=True)
    (other / "experiment" / "tiny.yaml").write_text(SMALL.replace("limit: 2", "limit: 1"))
    assert compose_config("run", ["experiment=tiny"], other)["limit"] == 1
    assert compose_config("run", ["experiment=small"], other)["limit"] == 2
