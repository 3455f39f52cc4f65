"""What an artifact says of itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from faceport.errors import FaceportError
from faceport_drpai.options import ABOUT


@dataclass(frozen=True)
class About:
    """What a session must know of a compiled network."""

    product: str
    release: int
    mode: str
    precision: str
    address: str  # that was compiled in
    outputs: Sequence[str]
    shapes: Sequence[Sequence[int]]

    def write(self, folder: Path) -> None:
        """Write it beside the network."""
        (folder / ABOUT).write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read it."""
        try:
            return cls(**json.loads((folder / ABOUT).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise FaceportError(
                f"drpai cannot open {folder}: {ABOUT} is damaged. Delete the folder and compile again"
            ) from error
