"""One call of faceport bench: variants opened, each subject of them measured in turn, the rest beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import cpu_count
from typing import Any

from faceport.errors import ConfigError
from faceport.files import digest
from faceport.progress import working
from faceport.runs import chosen
from faceport_bench.alone import Alone
from faceport_bench.energy import Energy
from faceport_bench.interleaved import Ratio, measure_together, ratios
from faceport_bench.judging import reasons_against
from faceport_bench.machine import Conditions, Meter, make_pulse, others_between, reasons_between
from faceport_bench.pipeline import Pipeline
from faceport_bench.results import Result
from faceport_bench.scenario import Scenario
from faceport_bench.subjects import Variant
from faceport_bench.system import PIPELINE

BUSY = 0.1  # of the processors that others may keep busy without a word of it
STRICTLY_BUSY = 0.05  # and with a word, where the profile is strict


@dataclass(frozen=True)
class Found:
    """What was found of a variant."""

    results: Mapping[str, Result]  # by subject; the first is what the record is of
    notes: Sequence[str]


def measure_all(variants: Sequence[Variant], energy: Energy) -> list[Found]:
    """Measure every subject of every variant; those that are asked alike are measured in turn."""
    found: list[dict[str, Result]] = [{} for _ in variants]
    notes: list[list[str]] = [[] for _ in variants]
    base = baseline(variants)
    for group in _asked_alike(variants):
        subjects = dict.fromkeys(
            subject
            for at in group
            for subject in (*([PIPELINE] if variants[at].whole else []), *variants[at].alone())
        )
        for subject in subjects:
            some = [at for at in group if _has(variants[at], subject)]
            said = f"{subject}, {len(some)} in turn" if len(some) > 1 else subject
            with working(f"measuring {said}"):
                results, noted = _measure([variants[at] for at in some], subject, energy, base)
            for at, result in zip(some, results, strict=True):
                found[at][subject] = result
                notes[at] += noted
    return [Found(results, tuple(dict.fromkeys(said))) for results, said in zip(found, notes, strict=True)]


def baseline(variants: Sequence[Variant]) -> Variant:
    """Find what the others are held against."""
    words = variants[0].options.baseline
    if not words:
        return variants[0]
    wanted = words.split()
    for variant in variants:
        if set(wanted) <= set(variant.label.split()):
            return variant
    known = "; ".join(variant.label for variant in variants)
    raise ConfigError(f"baseline={words}: no configuration is called so. These are: {known}")


def _asked_alike(variants: Sequence[Variant]) -> list[list[int]]:
    """Group variants by scenario and limits."""
    groups: dict[str, list[int]] = {}
    for at, variant in enumerate(variants):
        key = digest([variant.config["scenario"], repr(variant.options.limits)])
        groups.setdefault(key, []).append(at)
    return [*groups.values()]


def _has(variant: Variant, subject: str) -> bool:
    return variant.whole if subject == PIPELINE else subject in variant.alone()


def _measure(
    variants: Sequence[Variant], subject: str, energy: Energy, base: Variant
) -> tuple[list[Result], list[str]]:
    """Measure one subject of variants in turn, watched by the machine's own counters."""
    scenario: Scenario = chosen.make(variants[0].config, "scenario")
    limits, strict = variants[0].options.limits, variants[0].options.profile == "strict"
    meter = Meter(len(variants), energy if energy.measures else None)
    with ExitStack() as stack:
        systems = [variant.system(subject, scenario) for variant in variants]
        for system in systems:
            if isinstance(system, Alone):
                stack.callback(system.close)
            elif isinstance(system, Pipeline):
                stack.callback(setattr, system.watch, "counting", False)
        before = Conditions.read()
        measured, pulses = measure_together(scenario, systems, limits, make_pulse, meter.around)
        after = Conditions.read()
    common, notes = reasons_between(before, after), []
    others = others_between(before, after)
    if others is not None and others > (cpu_count() or 1) * (STRICTLY_BUSY if strict else BUSY):
        sentence = f"other processes kept {others:.1f} of {cpu_count()} processors busy meanwhile"
        if strict:
            common.append(f"too noisy: {sentence}")
        else:
            notes.append(f"{subject}: {sentence}")
    found = ratios(measured, variants.index(base)) if base in variants else {}
    results = []
    for at, (variant, one) in enumerate(zip(variants, measured, strict=True)):
        assert one.outcome is not None  # a scenario that ends has one
        reasons = [*reasons_against(one.outcome, limits, pulses), *common]
        if not one.settled:
            notes.append(
                f"{subject}: the warm-up never came to rest; the first turns may be slower than the last"
            )
        stages = variant.watch.stages.summary() if subject == PIPELINE else {}
        rows = systems[at].rows
        own = _per_row(found[at], rows / systems[variants.index(base)].rows) if at in found else None
        results.append(Result(subject, rows, one, meter.spent[at], reasons, stages, own))
    return results, notes


def _per_row(one: Ratio, rows: float) -> Ratio:
    """Make a ratio of batches one of rows."""
    interval = one.interval and (one.interval[0] * rows, one.interval[1] * rows)
    return replace(one, times=one.times * rows, interval=interval)


def scenario_words(config: Mapping[str, Any]) -> str:
    """Write a scenario as it is typed."""
    choice = chosen.of(config["scenario"])
    options = [f"{key}={value}" for key, value in choice.options.items() if value is not None]
    return " ".join([choice.name, *options])
