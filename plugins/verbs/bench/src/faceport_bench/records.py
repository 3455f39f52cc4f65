"""The record of one variant, as faceport run writes them, so that runs, choose and report show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceport.data.predictions import FILE as PREDICTIONS
from faceport.data.predictions import PredictionFile, read_predictions
from faceport.engine.engine import Engine
from faceport.engine.timing import SERVICE
from faceport.errors import FaceportError
from faceport.progress import progress
from faceport.runs.provenance import artifact_facts, surroundings
from faceport.runs.record import Record, Samples, Timing
from faceport.runs.reference import reference_predictions
from faceport.runs.scoring import score
from faceport.types import Sample
from faceport_bench.cold import Cold
from faceport_bench.energy import Energy
from faceport_bench.net_loading import work_module
from faceport_bench.results import Result
from faceport_bench.roofline import BYTES, Peak
from faceport_bench.session import Found, scenario_words
from faceport_bench.subjects import STORED, Variant
from faceport_bench.system import PIPELINE

WHOLE = ("service_time", "time_in_engine")  # stages that are all others together: the queries stand for them


def record_of(
    variant: Variant,
    found: Found,
    peak: Peak | None,
    cold: Cold | None,
    energy: Energy,
    folder: Path,
    said: list[str],
) -> Record:
    """Gather what was found of a variant; what is not to be believed is incomplete."""
    subject, first = next(iter(found.results.items()))
    work, notes = work_of(variant), [*said, *found.notes]
    alone = {name: one for name, one in found.results.items() if name != PIPELINE}
    metrics: dict[str, Mapping[str, Any]] = {
        "query": {"protocol": protocol(variant, subject), **first.numbers()},
        "cpu": first.cpu(),
        "energy": first.energy(),
        "memory": _memory(cold),
        "start": _start(cold, variant),
        "work": _work(work, alone, peak, variant),
        "alone": {"networks": {name: _alone(name, one, work, peak, variant) for name, one in alone.items()}},
    }
    if not first.energy():
        notes += [f"energy was not measured: {why}" for why in energy.missing]
    if variant.made_seconds is None:
        notes.append(STORED)
    notes += [
        f"network '{name}' alone is INVALID: {why}"
        for name, one in alone.items()
        if one is not first
        for why in one.reasons
    ]
    scored = _scored(variant, folder) if variant.plan.metrics and variant.config.get("metric") else {}
    stages = (
        {name: one for name, one in first.stages.items() if name not in WHOLE} if _one_each(first) else {}
    )
    return Record(
        "incomplete" if first.reasons else "done",
        variant.config,
        f"INVALID: {'; '.join(first.reasons)}" if first.reasons else "",
        folder=str(folder),
        samples=Samples(total=first.counted, predicted=first.counted),
        timing=Timing(
            samples=first.counted,
            seconds=round(first.seconds, 6),
            samples_per_second=round(first.per_second, 3) or None,
            stages={**stages, SERVICE: first.histogram().summary()},
            loaded=_loaded(variant, subject),
        ),
        metrics={name: one for name, one in {**metrics, **scored}.items() if one},
        settled=variant.plan.settled(),
        data=dict(variant.plan.dataset.facts()) if "dataset" in variant.plan.parts else {},
        notes=[*variant.plan.warnings(), *dict.fromkeys(notes)],
        verb="bench",
        **artifact_facts(variant.built),
        **surroundings(variant.config, variant.plan.metrics),
    )


def protocol(variant: Variant, subject: str) -> str:
    """Say how it was measured."""
    options = variant.options
    what = (
        f"{len(variant.samples)} pictures ({options.pictures})"
        if subject == PIPELINE
        else f"network {subject} alone"
    )
    return f"v1, {scenario_words(variant.config)}, {what}, profile {options.profile}"


def _one_each(result: Result) -> bool:
    """Tell whether queries were of one picture each, asked alike: stages are then of the same pictures."""
    outcome = result.measured.outcome
    return outcome is not None and outcome.steady and bool(result.stages)


def _loaded(variant: Variant, subject: str) -> dict[str, Any]:
    plan = variant.plan
    load = plan.settings.load(variant.built.sessions)
    return {
        "scenario": scenario_words(variant.config),
        "subject": variant.options.shape or subject,
        "workers": load.workers,
        "in_flight": load.in_flight,
        "batch_size": plan.settings.batch_size,
        "streams": max((session.streams for session in variant.built.sessions.values()), default=1),
        "threads": plan.config["target"].get("threads"),
    }


def _memory(cold: Cold | None) -> dict[str, Any]:
    if cold is None:
        return {}
    return {
        "protocol": "v1, most that a process of its own had, Python included, for five pictures",
        "peak_mb": round(cold.peak_mb, 1),
        **({"children_mb": round(cold.children_mb, 1)} if cold.children_mb else {}),
    }


def _start(cold: Cold | None, variant: Variant) -> dict[str, float]:
    found = {}
    if cold is not None:
        found = {"cold_s": cold.seconds, "python_s": cold.imported, "open_s": cold.opened}
        found["first_s"] = cold.seconds - cold.imported - cold.opened
    if variant.made_seconds is not None:
        found["made_s"] = variant.made_seconds
    return {name: round(value, 3) for name, value in found.items()}


def work_of(variant: Variant) -> dict[str, Any]:
    """Count what one row of each network takes; nothing where that cannot be counted."""
    module = work_module()
    if module is None:
        return {}
    published = variant.config.get("published") or {}
    counting = module.Counting.of(published["counting"]) if published.get("counting") else None
    found = {}
    for name in variant.alone() or [*variant.plan.model.networks]:
        network = variant.plan.model.networks[name]
        shapes = {key: (network.batch or 1, *one.shape[1:]) for key, one in variant.inputs(name).items()}
        try:
            found[name] = module.count_work(network, shapes, counting)
        except FaceportError:
            continue  # of ONNX files nothing is counted
    return found


def _rates(work: Any, result: Result, peak: Peak | None, variant: Variant) -> dict[str, Any]:
    """Give multiply-adds a second, and the share of what this machine can do."""
    macs = work.macs * result.per_second
    if peak is None or not macs:
        return {}
    size = BYTES.get(variant.plan.target.precision, 4)
    # Weights are read once for a batch, inputs and outputs are of each row.
    moved = size * (work.params + (work.elements - work.params) * result.rows) / result.rows
    roof = peak.roof(work.macs, moved)
    return {
        "gmacs_per_second": float(f"{macs / 1e9:.6g}"),
        "share_of_peak": round(macs / peak.macs_per_second, 4),
        "share_of_roof": round(macs / roof, 4),
        "bound": peak.bound(work.macs, moved),
    }


def _work(
    work: Mapping[str, Any], alone: Mapping[str, Result], peak: Peak | None, variant: Variant
) -> dict[str, Any]:
    """Give the work of a model of one network, and of several their parameters."""
    if not work:
        return {}
    found: dict[str, Any] = {"params": sum(one.params for one in work.values())}
    if len(work) == 1:
        ((name, one),) = work.items()
        found |= {"macs": one.macs, **({"counted": one.counted} if one.counted is not None else {})}
        if name in alone:
            found |= _rates(one, alone[name], peak, variant)
    if peak is not None:
        found["peak_gmacs_per_second"] = float(f"{peak.macs_per_second / 1e9:.6g}")
        found["peak_gb_per_second"] = float(f"{peak.bytes_per_second / 1e9:.6g}")
        found["protocol"] = (
            "v1, multiply-adds of convolutions and matrix products, for one row; peak: float32, measured in "
            f"the same call by {peak.by}"
        )
    return found


def _alone(
    name: str, result: Result, work: Mapping[str, Any], peak: Peak | None, variant: Variant
) -> dict[str, Any]:
    """Give the line of one network in the table of networks."""
    numbers = result.numbers()
    found: dict[str, Any] = {
        "rows": result.rows,
        **{key: one for key, one in numbers.items() if key != "interval"},
    }
    if name in work:
        found |= {
            "params": work[name].params,
            "macs": work[name].macs,
            **_rates(work[name], result, peak, variant),
        }
    if result.reasons:
        found["invalid"] = "; ".join(result.reasons)
    return found


def _scored(variant: Variant, folder: Path) -> dict[str, Mapping[str, Any]]:
    """Run the whole dataset once and compute the metrics that were chosen."""
    plan = variant.plan
    if any(metric.against_reference for metric in plan.metrics.values()):
        reference_predictions(plan)
    engine = Engine(plan.model, variant.built.sessions, plan.settings)
    questions: Sequence[Sample] | Any = plan.questions()
    with (
        PredictionFile(folder / PREDICTIONS, fresh=True) as file,
        progress("accuracy", plan.count()) as shown,
    ):
        for prediction in shown.over(engine.run(questions)):
            file.write(prediction)
    return dict(score(plan, lambda: read_predictions(folder / PREDICTIONS), None))
