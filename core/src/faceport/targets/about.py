"""What an artifact says of itself, in a JSON file beside the compiled network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from faceport.errors import FaceportError


@dataclass(frozen=True)
class AboutFile:
    """What a session must know of a compiled network; a target adds the fields."""

    runtime: ClassVar[str]  # whose artifact it is
    name_of_file: ClassVar[str]

    def write(self, folder: Path) -> None:
        """Write it beside the network."""
        (folder / self.name_of_file).write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it, or say that it is damaged."""
        try:
            return cls.of(json.loads((folder / cls.name_of_file).read_text()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            damaged = f"{cls.name_of_file} is damaged. Delete the folder and compile again"
            raise FaceportError(f"{cls.runtime} cannot open {folder}: {damaged}") from error

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Make it of what the file holds."""
        return cls(**content)
