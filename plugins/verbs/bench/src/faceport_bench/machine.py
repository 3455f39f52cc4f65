"""What the machine says of itself while something is measured: processor time, throttling, neighbours."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np

from faceport_bench.energy import Energy

THROTTLED_SHARE = 0.01  # of the time, in which a quota may hold processes back
STOLEN_SHARE = 0.02  # of the processors, that other guests of the same hardware may take
PULSE = 100_000  # sines of a pulse
HERTZ = 100  # ticks of /proc/stat in a second


@dataclass
class Spent:
    """What turns of one system took."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of this process and its finished children, over all threads
    joules: dict[str, float] = field(default_factory=dict)  # by source


class Meter:
    """Read what is spent around the turns of several systems."""

    def __init__(self, systems: int, energy: Energy | None = None) -> None:
        self.spent = [Spent() for _ in range(systems)]
        self._energy = energy

    @contextmanager
    def around(self, system: int) -> Iterator[None]:
        """Count what is spent in between."""
        energy = self._energy.read() if self._energy else {}
        began, cpu = perf_counter(), cpu_seconds()
        yield
        spent = self.spent[system]
        spent.seconds += perf_counter() - began
        spent.cpu_seconds += cpu_seconds() - cpu
        if self._energy:
            for source, joules in self._energy.since(energy).items():
                spent.joules[source] = spent.joules.get(source, 0.0) + joules


def cpu_seconds() -> float:
    """Give the processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@dataclass(frozen=True)
class Conditions:
    """Counters of the machine at one moment; None where it has no such counter."""

    at: float  # seconds
    own: float  # processor seconds of this process
    hot: int | None  # times that a processor was too hot
    held_back: float | None  # seconds in which a quota held processes back
    ticks: tuple[float, float] | None  # processor seconds of all that run here: busy, stolen by other guests

    @classmethod
    def read(cls, root: Path = Path("/")) -> Conditions:
        """Read them."""
        return cls(perf_counter(), cpu_seconds(), _hot(root), _held_back(root), _ticks(root))


def reasons_between(before: Conditions, after: Conditions) -> list[str]:
    """List what the counters say against a measurement."""
    seconds = max(after.at - before.at, 1e-9)
    reasons = []
    if before.hot is not None and after.hot is not None and after.hot > before.hot:
        reasons.append(f"throttled: a processor was too hot {after.hot - before.hot} times")
    if before.held_back is not None and after.held_back is not None:
        held = after.held_back - before.held_back
        if held > THROTTLED_SHARE * seconds:
            reasons.append(f"throttled: a quota of processor time held processes back for {held:.2f} s")
    if before.ticks and after.ticks:
        share = (after.ticks[1] - before.ticks[1]) / seconds / (os.cpu_count() or 1)
        if share > STOLEN_SHARE:
            reasons.append(f"too noisy: other guests of this hardware took {share:.0%} of its processors")
    return reasons


def others_between(before: Conditions, after: Conditions) -> float | None:
    """Tell how many processors other processes kept busy meanwhile; None where nobody says."""
    if not (before.ticks and after.ticks):
        return None
    busy = after.ticks[0] - before.ticks[0] - (after.own - before.own)
    return max(busy, 0.0) / max(after.at - before.at, 1e-9)


def _hot(root: Path) -> int | None:
    files = [*root.glob("sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count")]
    counts = [int(text) for file in files if (text := _text(file)).isdecimal()]
    return sum(counts) if counts else None


def _held_back(root: Path) -> float | None:
    """Read the quota of the control group, as Linux has it in its second version or its first."""
    for name, unit in (("sys/fs/cgroup/cpu.stat", 1e-6), ("sys/fs/cgroup/cpu/cpu.stat", 1e-9)):
        words = _text(root / name).split()
        counters = dict(zip(words[::2], words[1::2], strict=False))
        for key in ("throttled_usec", "throttled_time"):
            if counters.get(key, "").isdecimal():
                return int(counters[key]) * unit
    return None


def _ticks(root: Path) -> tuple[float, float] | None:
    words = _text(root / "proc/stat").split("\n", 1)[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    user, nice, system, _, _, irq, soft, stolen = map(int, words[1:9])
    return (user + nice + system + irq + soft) / HERTZ, stolen / HERTZ


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def make_pulse() -> float:
    """Time a small piece of work of one processor, the same each time.

    The quickest of three counts, so that one disturbance is no sign.
    """
    values = np.linspace(0, 1, PULSE)
    shortest = float("inf")
    for _ in range(3):
        before = perf_counter()
        np.sin(values)
        shortest = min(shortest, perf_counter() - before)
    return shortest
