"""Chips, and the numbers by which Qualcomm's compiler knows them.

From Qualcomm's own table in ExecuTorch, backends/qualcomm/serialization/qc_schema.py. The compiler takes any
architecture without a word and compiles for another one, so nothing but these numbers ever reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """What the compiler wants to be told."""

    model: int  # soc_model
    architecture: int  # htp_arch, the version of the Hexagon NPU


CHIPS = {
    "qcm6490": Chip(93, 68),
    "qcs9100": Chip(77, 73),
    "sa8255": Chip(52, 73),
    "sa8295": Chip(39, 68),
    "sa8540": Chip(62, 68),
    "sa8797": Chip(72, 81),
    "sar2230p": Chip(95, 81),
    "sm8350": Chip(30, 68),
    "sm8450": Chip(36, 69),
    "sm8475": Chip(42, 69),
    "sm8550": Chip(43, 73),
    "sm8650": Chip(57, 75),
    "sm8750": Chip(69, 79),
    "sm8845": Chip(97, 81),
    "sm8850": Chip(87, 81),
    "ssg2115p": Chip(46, 73),
    "ssg2125p": Chip(58, 73),
    "sw6100": Chip(96, 81),
    "sxr1230p": Chip(45, 73),
    "sxr2230p": Chip(53, 69),
    "sxr2330p": Chip(75, 79),
}
