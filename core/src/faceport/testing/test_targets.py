"""Every target: compiles a tiny network, runs it rightly, says what ran, and fails in sentences."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from faceport.api import CAPABILITIES, Artifact, Away, Network, Session, Source, Target
from faceport.artifacts.shapes import compile_network, open_network
from faceport.errors import FaceportError
from faceport.files import file_sha256
from faceport.networks.parity import compare_calls, worst
from faceport.plugins.index import Choice
from faceport.testing.checks import check_sentence
from faceport.testing.choices import small
from faceport.testing.tiny import Form, draw_inputs, right_outputs, tiny_source
from faceport.types import Array, Tensors

TOLERANCES = {
    "fp32": 1e-4,
    "fp16": 1e-2,
    "bf16": 5e-2,
    "int16": 0.05,
    "int8": 0.2,
}  # largest error over the spread
REPEATED = 1e-5  # the same for two runs of the same thing
BATCHES = (1, 3)
SIZES = ((12, 16), (20, 8), (12, 16))  # height, width
FACTS = ("runtime", "version", "device", "precision")
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "channels last": lambda image: np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "mirrored": lambda image: image[..., ::-1],
}


class Bench:
    """A target with the tiny network on it, compiled and opened."""

    def __init__(self, target: Target, form: Form, folder: Path) -> None:
        self.target, self.form = target, form
        self.artifact = self.compile(folder)
        self.session = open_network(target, self.artifact)

    def compile(self, folder: Path, free: bool = False) -> Artifact:
        """Compile the network; everything goes into the empty folder."""
        (folder / "source").mkdir()
        sizes = SIZES if free else SIZES[:1]
        calls = [draw_inputs(batch, h, w, seed=batch) for batch, (h, w) in product(BATCHES, sizes)]
        source = tiny_source(self.form, free, folder / "source")
        return self.compile_source(source, folder / "artifact", calls)

    def compile_source(self, source: Source, out: Path, calls: Sequence[Tensors]) -> Artifact:
        """Compile a source into a new folder; skip where the target asks for a module that there is not."""
        out.mkdir()
        try:
            compile_network(self.target, source, out, calls)
        except FaceportError as error:
            if self.form == "onnx" and str(error) == _refusal(source):
                pytest.skip("the target compiles torch modules only")
            raise
        return Artifact(out, source.network, {"network": source.network.name})


def _refusal(source: Source) -> str:
    with pytest.raises(FaceportError) as caught:
        source.module()
    return str(caught.value)


@pytest.fixture(scope="module")
def target(target_choice: Choice, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Make the target."""
    made: Target = small(target_choice, tmp_path_factory.mktemp(target_choice.name))
    return made


@pytest.fixture(scope="module", params=["torch", "onnx"])
def opened(target: Target, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Put either form of the tiny network on a target; skip where something is not installed."""
    missing = target.missing()
    if missing:
        pytest.skip(missing)
    if request.param == "torch":
        pytest.importorskip("torch", exc_type=ImportError)
    return Bench(target, request.param, tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def bench(opened: Bench) -> Bench:
    """Give a target that can be called; skip one whose networks run elsewhere."""
    if isinstance(opened.session, Away):
        pytest.skip("its networks run on a machine that cannot be called from here")
    return opened


def run_apart(session: Session, inputs: Tensors) -> Tensors:
    """Run one batch and copy what comes, so that no later run can change it."""
    return {name: value.copy() for name, value in session.run(inputs).items()}


def check_outputs(session: Session, network: Network, inputs: Tensors, found: Tensors) -> None:
    """Hold outputs to the reference, as far as the precision that ran allows."""
    check_close(session, right_outputs(network, inputs), found)


def check_close(session: Session, right: Tensors, found: Tensors) -> None:
    """Hold outputs to the right ones."""
    name, error = worst(compare_calls([right], [found]))
    allowed = TOLERANCES[session.facts["precision"]]
    assert error <= allowed, (
        f"'{name}' is off by {error:.2g} of its spread, allowed is {allowed:g}: look at order, layout and "
        "dtype of the outputs, and that facts tells the precision that really runs"
    )


def test_missing_is_empty_or_a_sentence(target: Target) -> None:
    missing = target.missing()
    assert isinstance(missing, str), "missing() must give a text; '' where nothing is missing"
    if missing:
        check_sentence(missing)


def test_recipe_is_plain_and_stable(target: Target, target_choice: Choice, tmp_path: Path) -> None:
    again: Target = small(target_choice, tmp_path)
    recipes = [json.dumps(dict(one.recipe()), sort_keys=True) for one in (target, again)]
    assert recipes[0] == recipes[1], "recipe() must depend on options and versions alone"


def test_capabilities_are_known(target: Target) -> None:
    strange = sorted(target.capabilities - set(CAPABILITIES))
    assert not strange, f"capabilities names {strange}, which the core does not know: {[*CAPABILITIES]}"
    assert target.batch is None or target.batch >= 1, f"batch is {target.batch}, it must be at least 1"


def test_facts_say_what_runs(opened: Bench) -> None:
    facts = opened.session.facts
    lacking = [name for name in FACTS if not facts.get(name)]
    assert not lacking, f"facts lacks {lacking}: add what the runtime itself reports"
    assert all(isinstance(value, str) for value in facts.values()), "write every value of facts as text"
    assert facts["precision"] in TOLERANCES, f"precision is '{facts['precision']}', not of {[*TOLERANCES]}"
    assert opened.session.streams >= 1 and opened.session.window >= 1, "streams and window are at least 1"


def test_what_is_away_leaves_calls_and_says_what_to_do(opened: Bench) -> None:
    session, inputs = opened.session, draw_inputs(3)
    if not isinstance(session, Away):
        return
    for _ in range(2):  # of the same call, in the next round
        assert session.answer("00000000-00-000", inputs) is None, "nobody can have answered yet"
    check_sentence(session.dispatch())
    with pytest.raises(FaceportError) as caught:
        session.run(inputs)
    check_sentence(str(caught.value))
    again = open_network(opened.target, opened.artifact)
    assert isinstance(again, Away)
    assert not again.dispatch(), "nothing was left in this round: there is nothing to do"
    again.close()


@pytest.mark.parametrize("batch", BATCHES)
def test_outputs_are_right(bench: Bench, batch: int) -> None:
    inputs = draw_inputs(batch)
    check_outputs(bench.session, bench.artifact.network, inputs, bench.session.run(inputs))


def test_free_sizes_are_right(bench: Bench, tmp_path: Path) -> None:
    artifact = bench.compile(tmp_path, free=True)
    session = open_network(bench.target, artifact)
    for batch, (height, width) in product(BATCHES, SIZES):
        inputs = draw_inputs(batch, height, width)
        check_outputs(session, artifact.network, inputs, session.run(inputs))
    session.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_is_right(bench: Bench, layout: str) -> None:
    inputs = {"image": LAYOUTS[layout](draw_inputs(1)["image"])}
    check_outputs(bench.session, bench.artifact.network, inputs, bench.session.run(inputs))


def test_outputs_are_the_callers_to_keep(bench: Bench) -> None:
    first = bench.session.run(draw_inputs(1))
    kept = {name: value.copy() for name, value in first.items()}
    bench.session.run(draw_inputs(1, seed=1))
    for name, value in first.items():
        assert (value == kept[name]).all(), (
            f"output '{name}' was overwritten by the next run: copy what the runtime lends"
        )


def test_inputs_are_left_as_they_are(bench: Bench) -> None:
    inputs = draw_inputs(1)
    before = {name: value.copy() for name, value in inputs.items()}
    bench.session.run(inputs)
    assert all((inputs[name] == value).all() for name, value in before.items()), (
        "run() wrote into its inputs: copy them first"
    )


def test_run_many_equals_run(bench: Bench) -> None:
    batches = [draw_inputs(1, seed=seed) for seed in range(4)]
    many = bench.session.run_many(batches)
    assert len(many) == len(batches)
    alone = [run_apart(bench.session, inputs) for inputs in batches]
    assert worst(compare_calls(alone, many))[1] <= REPEATED


def test_threads_do_not_disturb_each_other(bench: Bench) -> None:
    session = bench.session
    batches = [draw_inputs(1, seed=seed) for seed in range(16)]
    alone = [run_apart(session, inputs) for inputs in batches]
    with ThreadPoolExecutor(min(session.streams, 4)) as pool:  # never the thread that opened the session
        together = list(pool.map(session.run, batches))
    assert worst(compare_calls(alone, together))[1] <= REPEATED


def test_source_is_left_as_it_is(opened: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    source = tiny_source(opened.form, False, folder)
    source.onnx()
    before = {file.name: file_sha256(file) for file in folder.iterdir()}
    opened.compile_source(source, tmp_path / "artifact", [draw_inputs(1)])
    after = {file.name: file_sha256(file) for file in folder.iterdir()}
    assert after == before, "compile() changed its source, or wrote beside it"


def test_artifact_can_be_carried_away(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made, inputs = bench.compile(tmp_path / "made"), draw_inputs(1)
    right = right_outputs(made.network, inputs)
    shutil.copytree(made.path, tmp_path / "carried")
    shutil.rmtree(tmp_path / "made")
    session = open_network(bench.target, Artifact(tmp_path / "carried", made.network, made.manifest))
    check_close(session, right, session.run(inputs))
    session.close()


@pytest.mark.parametrize("damage", ["no files", "empty", "garbage", "half"])
def test_damaged_artifact_is_a_sentence(bench: Bench, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bench.artifact.path, folder)
    for file in (one for one in folder.rglob("*") if one.is_file()):
        content = file.read_bytes()
        spoiled = {"empty": b"", "garbage": b"\xff\x00garbage" * 64, "half": content[: len(content) // 2]}
        if damage in spoiled:
            file.write_bytes(spoiled[damage])
        else:
            file.unlink()
    with pytest.raises(FaceportError) as caught:
        artifact = Artifact(folder, bench.artifact.network, bench.artifact.manifest)
        open_network(bench.target, artifact).run(draw_inputs(1))
    check_sentence(str(caught.value))


def test_closing_one_session_leaves_others_open(bench: Bench) -> None:
    open_network(bench.target, bench.artifact).close()
    inputs = draw_inputs(1)
    check_outputs(bench.session, bench.artifact.network, inputs, bench.session.run(inputs))
