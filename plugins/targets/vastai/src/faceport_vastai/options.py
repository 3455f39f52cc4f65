"""Options of Vastai, and the names of its files in an artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from faceport.api import TargetOptions
from faceport.targets.reach import check_reach

ONNX, CONFIG, VDSP, ABOUT = "model.onnx", "vamc.yaml", "vdsp_params.json", "vastai.json"
PICTURES, SUITE, PREFIX, PARTS = "calibration", "suite", "mod", 3  # vamc makes three files, called mod...
RUNTIME = "vastai"
ACTIVATE = (
    "/opt/vastai/vaststreamx/vaststreamx/bin/activate.sh",
    "/opt/vastai/vastpipe/vastpipe/bin/activate.sh",
)


@dataclass(frozen=True)
class VastaiOptions(TargetOptions):
    """Options of the target; conf/target/vastai.yaml explains them."""

    precision: Literal["fp16", "int8"] = "fp16"
    calibrate_mode: Literal["kl_divergence", "percentile", "max", "mse"] = "kl_divergence"
    per_channel: bool = True
    cluster_mode: int = 0
    data_transport_mode: int = 1
    pictures: int = 50
    reach: str = "local"
    folder: str = "exchange"
    device: int = 0
    instances: int = 1
    dry_run: bool = False
    compile_script: str = ""
    run_scripts: list[str] = field(default_factory=lambda: list(ACTIVATE))
    limit: float = 3600.0

    def __post_init__(self) -> None:
        check_reach(self.reach)
        for name, least in (("pictures", 1), ("instances", 1), ("device", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"option '{name}' is {getattr(self, name)}, it must be at least {least}")
