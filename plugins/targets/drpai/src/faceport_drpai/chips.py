"""The chips, and where in their memory the accelerator looks for a network.

Addresses of release 1: Renesas' sample application of v1.1.0 (first model; how-to of each board). Of release
2: the same repository at v2.7.0. https://github.com/renesas-rz/rzv_drp-ai_tvm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEHIND_BASE = 0x32E0000  # release 2: how far behind the driver's area the sample puts its first model


@dataclass(frozen=True)
class Chip:
    """One of the family."""

    precision: str  # of the accelerator
    address: int | None = None  # release 1 bakes it in when it compiles; None: there is no release 1 for it
    frequencies: frozenset[int] = frozenset()  # numbers by which Run() takes one
    python: bool = False  # the runtime has a module for Python


_FREQUENCIES = frozenset(range(1, 17)) - {2}  # 1: 1000 MHz, 3: 630, 4: 420, 5: 315 ... 16: 84
CHIPS: Mapping[str, Chip] = {
    "V2L": Chip("fp16", 0x838E0000),
    "V2M": Chip("fp16", 0xC38E0000),
    "V2MA": Chip("fp16", 0x438E0000),
    "V2H": Chip("int8", None, _FREQUENCIES, python=True),
    "V2N": Chip("int8", None, _FREQUENCIES, python=True),
}
