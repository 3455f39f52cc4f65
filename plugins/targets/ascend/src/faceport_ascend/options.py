"""Options of Ascend, and the names of its files in an artifact."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from faceport.api import TargetOptions
from faceport.bounds import Count
from faceport.targets.reach import check_reach

OM, ONNX, ABOUT, SKELETON, AIPP = "model.om", "model.onnx", "ascend.json", "skeleton.onnx", "aipp.cfg"
RUNTIME = "ascend"
Runner = Literal["auto", "infer_session", "ais_bench", "msame"]


@dataclass(frozen=True)
class AscendOptions(TargetOptions):
    """Options of the target; conf/target/ascend.yaml explains them."""

    precision: Literal["fp16"] = "fp16"
    soc_version: str = ""
    precision_mode: Literal[
        "force_fp16",
        "force_fp32",
        "allow_fp32_to_fp16",
        "allow_mix_precision",
        "must_keep_origin_dtype",
    ] = "force_fp16"
    batch: Count | None = None
    ranges: dict[str, str] = field(default_factory=dict)
    fixed_sizes: bool = False
    aipp: bool = False
    host_softmax: bool = True
    reach: str = "local"
    runner: Runner = "auto"
    folder: str = "exchange"
    device: int = 0
    dry_run: bool = False
    env_script: str = "/usr/local/Ascend/ascend-toolkit/set_env.sh"
    python: str = "python3"
    limit: float = 3600.0

    def __post_init__(self) -> None:
        check_reach(self.reach)
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"option 'batch' is {self.batch}, it must be at least 1")
        if not 0 <= self.device <= 255:
            raise ValueError(f"option 'device' is {self.device}, it must be from 0 to 255")
        if self.soc_version and not re.fullmatch(r"Ascend\d+\w*", self.soc_version):
            raise ValueError(
                f"option 'soc_version' is '{self.soc_version}', it must be Ascend and the name that "
                "`npu-smi info` shows, e.g. Ascend310P3"
            )
        if self.aipp and not (self.batch and not self.ranges):
            raise ValueError("option 'aipp' takes static shapes only: give batch too, and no ranges")
