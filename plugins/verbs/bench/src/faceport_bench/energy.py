"""Energy, where this machine counts it and lets us read it; else the sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Reading = Mapping[str, float]  # joules since whenever, by source


@dataclass(frozen=True)
class Counter:
    """One counter of a processor package that the kernel shows (RAPL)."""

    name: str
    file: Path
    range: float  # joules after which it begins anew; 0: unknown


@dataclass(frozen=True)
class Energy:
    """Counters that can be read, and why others cannot."""

    counters: Sequence[Counter] = ()
    gpus: Sequence[Any] = ()  # handles of NVML
    missing: Sequence[str] = ()
    nvml: Any = field(default=None, repr=False)

    @classmethod
    def find(cls, root: Path = Path("/")) -> Energy:
        """Look for counters."""
        counters, why = _packages(root)
        nvml, gpus, why_not = _gpus()
        return cls(counters, gpus, [*filter(None, (why, why_not))], nvml)

    @property
    def measures(self) -> bool:
        """Tell whether there is anything to read."""
        return bool(self.counters or self.gpus)

    def read(self) -> dict[str, float]:
        """Read all counters."""
        found = {one.name: int(one.file.read_text()) / 1e6 for one in self.counters}
        for number, gpu in enumerate(self.gpus):
            found[f"gpu {number}"] = self.nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3
        return found

    def since(self, before: Reading) -> dict[str, float]:
        """Give the joules since an earlier reading; a counter that began anew went its range further."""
        ranges = {one.name: one.range for one in self.counters}
        spent = {}
        for name, now in self.read().items():
            joules = now - before.get(name, now)
            spent[name] = joules + ranges.get(name, 0.0) if joules < 0 else joules
        return spent


def _packages(root: Path) -> tuple[list[Counter], str]:
    counters, locked = [], 0
    for folder in sorted(root.glob("sys/class/powercap/*-rapl:*")):
        name = _text(folder / "name")
        if not (name.startswith("package") or name == "dram"):
            continue  # parts of a package, which has them in it
        if not _text(folder / "energy_uj").isdecimal():
            locked += 1
            continue
        most = _text(folder / "max_energy_range_uj")
        unique = f"{name} {folder.name.partition(':')[2]}"
        counters.append(Counter(unique, folder / "energy_uj", int(most) / 1e6 if most.isdecimal() else 0.0))
    if counters:
        return counters, ""
    if locked:
        return [], "the energy counters of the processor (RAPL) may be read by root only"
    return [], "this machine shows no energy counters of its processor (RAPL)"


def _gpus() -> tuple[Any, list[Any], str]:
    if not Path("/dev/nvidiactl").exists():
        return None, [], ""
    try:
        import pynvml
    except ImportError:
        return None, [], "energy of NVIDIA GPUs needs: pip install 'faceport-bench[nvidia]'"
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        for handle in handles:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return None, [], f"the driver does not tell the energy of the GPU: {error}"
    return pynvml, handles, ""


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
