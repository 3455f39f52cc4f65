"""Options of DRP-AI, and the names of its files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faceport.api import TargetOptions
from faceport.errors import ConfigError
from faceport.targets.reach import check_reach
from faceport_drpai.chips import BEHIND_BASE, CHIPS

ONNX, ABOUT, SCRIPT, PIXELS = "model.onnx", "drpai.json", "compile.sh", "pixels.py"
PICTURES, MADE = (
    "calibration",
    "made",
)  # made/: what the board gets
RUNTIME = "drpai"


@dataclass(frozen=True)
class DrpaiOptions(TargetOptions):
    """Options of the target; conf/target/drpai.yaml explains them."""

    precision: Literal["fp32", "fp16", "int8"] = "fp16"
    product: str = ""
    release: Literal[1, 2] = 2
    mode: Literal["accelerator", "cpu"] = "accelerator"
    address: str | None = None
    frequency: int | None = None
    level: Literal[0, 1] = 1
    cpu_type: Literal["float16", "float32"] = "float16"
    quantizer_options: str = ""
    pictures: int = 100
    runner: Literal["cpp", "mera"] = "cpp"
    reach: str = "local"
    folder: str = "exchange"
    driver: str = "/dev/drpai0"
    threads: int | None = None
    dry_run: bool = False
    compile_script: str = ""
    tvm_root: str = ""
    python: str = "python3"
    limit: float = 3600.0

    def __post_init__(self) -> None:
        check_reach(self.reach)
        if self.product and self.product not in CHIPS:
            raise ValueError(f"option 'product' is '{self.product}', it must be one of {', '.join(CHIPS)}")
        for name in ("pictures", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"option '{name}' is {value}, it must be at least 1")
        if self.address is not None and _number(self.address) is None:
            raise ValueError(
                f"option 'address' is '{self.address}', it must be hexadecimal, e.g. '0x438E0000'"
            )

    def check_chip(self) -> None:
        """Refuse what the chip cannot do; options are settled one by one, so only a compiler asks."""
        chip = CHIPS[self.product]
        if self.release == 1 and chip.address is None:
            raise ConfigError(f"target.release is 1, which knows no {self.product}: use 2")
        if self.mode == "cpu" and self.precision == "int8":
            raise ConfigError("target.precision is int8, CPU mode has fp32 and fp16")
        if self.mode == "accelerator" and self.precision != chip.precision:
            raise ConfigError(
                f"target.precision is {self.precision}, the accelerator of {self.product} computes in "
                f"{chip.precision}"
            )
        if self.frequency is not None and self.frequency not in chip.frequencies:
            known = ", ".join(map(str, sorted(chip.frequencies))) or "nothing: its clock is fixed"
            raise ConfigError(f"target.frequency is {self.frequency}, {self.product} takes {known}")
        if self.runner == "mera" and (not chip.python or self.release == 1 or self.mode == "cpu"):
            raise ConfigError(
                "target.runner is mera, which runs accelerators of V2H and V2N in release 2: use cpp"
            )

    @property
    def baked(self) -> int:
        """Give the address that is compiled in: release 2 compiles for 0 and is told when it loads."""
        if self.release == 2:
            return 0
        return _number(self.address or "") or CHIPS[self.product].address or 0

    @property
    def behind_base(self) -> int:
        """Say how far behind the driver's area a network of release 2 lies."""
        found = _number(self.address or "")
        return BEHIND_BASE if found is None else found


def _number(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
