"""Measure what models cost on targets, several in turn, and leave a record of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from faceport.api import Verb
from faceport.errors import ConfigError, FaceportError
from faceport.progress import working
from faceport.runs.folder import alone_in, run_folder
from faceport.runs.published import published_of
from faceport.runs.record import FILE, Record
from faceport_bench.cold import Cold, cold_start
from faceport_bench.energy import Energy
from faceport_bench.options import BenchOptions
from faceport_bench.records import record_of
from faceport_bench.roofline import Peak, better, measure_peak
from faceport_bench.session import measure_all
from faceport_bench.subjects import Variant, opened

TOGETHER = "together"  # where the command line puts all configurations


@dataclass(frozen=True)
class Benched:
    """A record of each configuration, in the order in which they were given."""

    records: Sequence[Record]
    baseline: str  # what the others were held against; empty where there are no others


class Bench(Verb):
    """Measure latency, throughput and what they cost."""

    Options = BenchOptions
    options: BenchOptions

    def act(self, config: Mapping[str, Any]) -> Benched:
        """Open every configuration, measure them in turn, and write a record of each."""
        configs = [_own(one) for one in config.get(TOGETHER) or [config]]
        for each in configs:
            published_of(each)  # what it holds is known to be readable before the work
        started, energy = time.perf_counter(), Energy.find()
        with opened(configs) as variants:
            if not any(variant.whole or variant.alone() for variant in variants):
                raise ConfigError("there is nothing to measure: choose a dataset, or subject=networks")
            peak = _peak()
            found = measure_all(variants, energy)
            peak = better(peak, _peak())
            records = []
            for variant, one in zip(variants, found, strict=True):
                folder = run_folder(variant.config, "bench")
                with alone_in(folder):
                    (folder / FILE).unlink(missing_ok=True)
                    cold, said = _cold(variant)
                    record = record_of(variant, one, peak, cold, energy, folder, said)
                    record = replace(record, seconds=round(time.perf_counter() - started, 3))
                    record.write(folder / FILE)
                records.append(record)
            from faceport_bench.session import baseline

            return Benched(records, baseline(variants).label if len(variants) > 1 else "")

    def show(self, outcome: Benched) -> int:
        """Show tables, published numbers beside ours, and why something is INVALID."""
        from faceport_bench.show import show

        return show(outcome.records, outcome.baseline)


def _peak() -> Peak:
    with working("measuring what this machine can do at most"):
        return measure_peak()


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != TOGETHER}


def _cold(variant: Variant) -> tuple[Cold | None, list[str]]:
    """Start cold where that was asked for; where it cannot be done, say why."""
    if not variant.options.cold:
        return None, []
    try:
        with working(f"starting cold: {variant.label}"):
            config = {**variant.config, "remake": False}
            return cold_start(config, variant.options.shape), []
    except FaceportError as error:
        return None, [f"no cold start was measured: {error}"]
