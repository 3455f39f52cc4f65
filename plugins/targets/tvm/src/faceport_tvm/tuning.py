"""Search for fast loops by trying them: TVM's MetaSchedule, built and timed inside this process.

MetaSchedule's own workers are processes that spend a quarter of a minute each on getting ready; in this
process a trial takes some 0.3 to 0.6 s in all.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import lru_cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from faceport.errors import FaceportError, MissingError
from faceport.targets.machine import installed_version, silence
from faceport.targets.sentences import reason

AT_ONCE = 16  # most trials of a kernel before the next kernel has its turn
# TVM 0.27 is built for its FFI 0.1.14 and dies with 0.1.15 where it writes a network down.
PROBE = "import tvm; tvm.ir.save_json(tvm.ir.PrimType('float32'))"


def require_sound() -> None:
    """Refuse a pair of TVM and its FFI that would end this process with a segmentation fault."""
    if not _survives(PROBE):
        raise MissingError(
            f"target.tuning does not work with TVM {installed_version('apache-tvm')} and apache-tvm-ffi "
            f"{installed_version('apache-tvm-ffi')}, which crash together: "
            "pip install 'apache-tvm-ffi<0.1.15', or leave target.tuning at 0"
        )


@lru_cache(maxsize=2)
def _survives(code: str) -> bool:
    """Tell whether Python gets to the end of some code."""
    return not subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode


def fuse(module: Any, target: Any) -> Any:
    """Turn a graph into the kernels that are tuned, as the compiler would make them."""
    import tvm
    from tvm.relax import get_pipeline, transform

    with target:
        passes = [
            transform.DecomposeOpsForInference(),
            transform.CanonicalizeBindings(),
            get_pipeline("zero"),
        ]
        return tvm.transform.Sequential(passes)(module)


def kernels(module: Any, target: Any) -> list[Any]:
    """List the distinct kernels of a fused graph, each with how often it occurs."""
    from tvm.s_tir.meta_schedule.relax_integration import extract_tasks

    return list(extract_tasks(module, target))


def identify(tasks: list[Any]) -> list[str]:
    """Name kernels by what they compute, in which weights have no part, and how often."""
    return sorted(
        f"{sha256(task.dispatched[0].script().encode()).hexdigest()} x {int(task.weight)}" for task in tasks
    )


def require_enough(trials: int, tasks: list[Any], network: str) -> None:
    """Refuse a number of trials that leaves kernels out, which would be slow without a word."""
    if trials < len(tasks):
        raise FaceportError(
            f"target.tuning={trials} is too little for network '{network}', which has {len(tasks)} kernels: "
            f"give at least {len(tasks)}; some {-(-len(tasks) * AT_ONCE // 100) * 100} do well"
        )


def tune(
    tasks: list[Any],
    target: Any,
    trials: int,
    seed: int,
    threads: int,
    out: Path,
    advance: Callable[[], None],
) -> None:
    """Try schedules of all kernels, those that matter most more often, and keep the measurements in `out`."""
    import tvm
    from tvm.s_tir import meta_schedule as ms

    tvm.get_global_func("runtime.config_threadpool")(1, threads)
    built: dict[str, Any] = {}
    quiet = logging.getLogger("faceport_tvm.silent")
    quiet.setLevel(logging.CRITICAL)
    states = np.random.default_rng(seed).integers(1, 2**31 - 1, len(tasks))
    with _without_instructions():
        contexts = [
            ms.TuneContext(
                mod=task.dispatched[0],
                target=target,
                space_generator=_space(),
                search_strategy=_search(),
                task_name=task.task_name,
                rand_state=int(state),
                num_threads=1,
                logger=quiet,
            )
            for task, state in zip(tasks, states, strict=True)
        ]
    ms.tune.tune_tasks(
        tasks=contexts,
        task_weights=[float(task.weight) for task in tasks],
        work_dir=str(out),
        max_trials_global=trials,
        num_trials_per_iter=max(1, min(AT_ONCE, trials // len(tasks))),
        builder=_builder(built),
        runner=_runner(built, advance),
        database=ms.database.JSONDatabase(work_dir=str(out)),
        cost_model="random",  # a learned one (XGBoost) would bring 0.7 GB of packages
        measure_callbacks=[ms.measure_callback.AddToDatabase()],
    )


@contextmanager
def silence_but_python() -> Iterator[None]:
    """Keep what the search prints off the terminal, not what Python prints; bars begin and end inside."""
    with os.fdopen(os.dup(2), "w") as terminal, redirect_stderr(terminal), silence():
        yield


@contextmanager
def _without_instructions() -> Iterator[None]:
    """Keep TVM from registering the matrix instructions of every GPU and CPU, a quarter of a minute's work.

    They are for 8 and 16 bits: no rule of `_space` asks for one.
    """
    name = "tvm.s_tir.tensor_intrin"
    absent = name not in sys.modules
    sys.modules.setdefault(name, ModuleType(name))
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]


def _space() -> Any:
    """Tile, vectorise and unroll; the rules for a CPU with VNNI would add but int8 instructions."""
    from tvm.s_tir.meta_schedule.space_generator import PostOrderApply

    return PostOrderApply(sch_rules="llvm", postprocs="llvm", mutator_probs="llvm")


def _search() -> Any:
    """Vary the best schedules found so far; a smaller population than usual, as trials are cheap here."""
    from tvm.s_tir.meta_schedule.search_strategy import EvolutionarySearch

    return EvolutionarySearch(population_size=64, init_min_unmeasured=AT_ONCE, genetic_num_iters=2)


def _builder(built: dict[str, Any]) -> Any:
    """Compile candidates into memory, under names that the runner is told."""
    import tvm
    from tvm.ir.utils import derived_object
    from tvm.s_tir.meta_schedule.builder import BuilderResult, PyBuilder

    numbers = count()

    def compile_one(given: Any) -> Any:
        name = str(next(numbers))
        try:
            built[name] = tvm.tirx.build(given.mod, target=given.target)
        except Exception as error:  # TVM's own classes; a candidate that fails is one of many
            return BuilderResult(None, reason(error))
        return BuilderResult(name, None)

    @derived_object
    class Builder(PyBuilder):  # type: ignore[misc]
        def build(self, build_inputs: list[Any]) -> list[Any]:
            return [compile_one(given) for given in build_inputs]

    return Builder()


def _runner(built: dict[str, Any], advance: Callable[[], None]) -> Any:
    """Time candidates on this machine."""
    import tvm
    from tvm.ir.utils import derived_object
    from tvm.s_tir.meta_schedule.runner import PyRunner, PyRunnerFuture, RunnerResult

    def time_one(given: Any) -> Any:
        module = built.pop(str(given.artifact_path))
        try:
            arrays = [_argument(info) for info in given.args_info]
            timer = module.time_evaluator("main", tvm.cpu(), number=1, repeat=3, min_repeat_ms=5)
            return RunnerResult([min(timer(*arrays).results)], None)
        except Exception as error:  # TVM's own classes
            return RunnerResult(None, reason(error))
        finally:
            advance()

    @derived_object
    class Timed(PyRunnerFuture):  # type: ignore[misc]
        def __init__(self, result: Any) -> None:
            self._result = result

        def done(self) -> bool:
            return True

        def result(self) -> Any:
            return self._result

    @derived_object
    class Runner(PyRunner):  # type: ignore[misc]
        def run(self, runner_inputs: list[Any]) -> list[Any]:
            return [Timed(time_one(given)) for given in runner_inputs]

    return Runner()


def _argument(info: Any) -> Any:
    """Make a tensor that any kernel can read: ones, but zeros where they may be positions in another."""
    import tvm

    make = np.ones if str(info.dtype).startswith("float") else np.zeros
    return tvm.runtime.tensor(make([int(size) for size in info.shape], str(info.dtype)))


def apply(module: Any, target: Any, measured: Path) -> Any:
    """Give every kernel the fastest schedule that was measured."""
    from tvm.relax import transform
    from tvm.s_tir.meta_schedule.database import JSONDatabase

    with target, JSONDatabase(work_dir=str(measured), allow_missing=False):
        return transform.MetaScheduleApplyDatabase()(module)
