"""Put two runs side by side: what changed, every number, and the pictures that changed most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faceport.api import Verb
from faceport.errors import ConfigError
from faceport.progress import progress
from faceport.runs.records import Run, one
from faceport.verbs.show.quantities import Number, known_keys, numbers_of
from faceport_report.changes import changes
from faceport_report.comparable import comparable
from faceport_report.comparison import Comparison, show_comparison
from faceport_report.conditions import conditions_of
from faceport_report.curves import Opened, metric_of, opened
from faceport_report.durations import time_intervals
from faceport_report.paired import Difference, jackknife, of_intervals
from faceport_report.pictures import changed_pictures

FAILED = 1


@dataclass(frozen=True)
class CompareOptions:
    """Options of the verb; conf/verb/compare.yaml explains them."""

    runs: list[str] = field(default_factory=list)
    fail_if: Any = None
    intervals: bool = True


class Compare(Verb):
    """Compare two runs."""

    Options = CompareOptions
    options: CompareOptions

    def act(self, config: Mapping[str, Any]) -> Comparison:
        """Read both records, and predictions where they are there."""
        names = self.options.runs
        if len(names) != 2:
            raise ConfigError(f"compare takes two runs, {len(names)} were given: faceport compare A B")
        return compare(one(names[0]), one(names[1]), self.options.fail_if, self.options.intervals)

    def show(self, outcome: Comparison) -> int:
        """Show what changed; exit code 1 where a condition of fail_if holds."""
        show_comparison(outcome)
        return FAILED if outcome.failures else 0


def compare(before: Run, after: Run, fail_if: Any = None, intervals: bool = True) -> Comparison:
    """Compare two runs number by number."""
    first, second = numbers_of(before.record), numbers_of(after.record)
    known = known_keys([first, second])
    conditions = conditions_of(fail_if, known)
    notes = [
        f"{run.path} is {run.record.status}: {run.record.reason}" for run in (before, after) if not run.scored
    ]
    paired, why = _paired(before, after) if intervals else ({}, "")
    notes += [why] if why else []
    times = [time_intervals(run.record) for run in (before, after)]
    rows = {}
    for key, example in known.items():
        rows[key] = (example, _difference(key, first.get(key), second.get(key), paired.get(key), times))
    both = [key for key in known if key in first and key in second and known[key].sign]
    strange = [key for key in both if not comparable(before.record, after.record, key)]
    if strange:
        why = "of other data, another protocol, machine or load, so not to be compared"
        notes.append(f"{why}: {', '.join(strange[:8])}")
    failures = [said for test in conditions if (said := test(rows))]
    return Comparison(
        before,
        after,
        tuple(changes(before.record, after.record)),
        rows,
        tuple(changed_pictures(before, after)),
        tuple(failures),
        tuple(notes),
    )


def _difference(
    key: str,
    old: Number | None,
    new: Number | None,
    paired: tuple[float, float] | None,
    times: Sequence[Mapping[str, tuple[float, float]]],
) -> Difference:
    if old is None or new is None:
        return Difference(old.value if old else None, new.value if new else None)
    if paired:
        return Difference(old.value, new.value, paired, "pairs")
    if all(key in table for table in times):
        ends = of_intervals(old.value, times[0][key], new.value, times[1][key])
        return Difference(old.value, new.value, ends, "durations")
    if old.interval and new.interval:
        ends = of_intervals(old.value, old.interval, new.value, new.interval)
        return Difference(old.value, new.value, ends, "intervals")
    return Difference(old.value, new.value)


def _paired(before: Run, after: Run) -> tuple[dict[str, tuple[float, float]], str]:
    """Find intervals over the same pictures, for metrics that both runs have; or say why there are none."""
    both: list[Opened] = []
    for run in (before, after):
        found = opened(run)
        if isinstance(found, str):
            return {}, f"no intervals over pairs of pictures: {run.path}: {found}"
        both.append(found)
    first, second = both
    if [item.id for item in first.items] != [item.id for item in second.items]:
        return {}, "no intervals over pairs of pictures: these are runs over different ones"
    ends: dict[str, tuple[float, float]] = {}
    shared = [name for name in before.record.metrics if name in after.record.metrics]
    reasons = []
    with progress("intervals", len(shared)) as shown:
        for name in shown.over(shared):
            try:
                metric = metric_of(before, name, bootstrap=0)
                if not metric.against_reference:
                    made = jackknife(metric, first.items, second.items)
                    ends |= {f"{name}.{key}": interval for key, interval in made.items()}
            except Exception as error:  # of a plugin
                reasons.append(f"no intervals over pairs of pictures for {name}: {error}")
    return ends, "; ".join(reasons)
