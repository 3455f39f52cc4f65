"""What happened in a training, line by line: log.jsonl, and TensorBoard's files where they are wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faceport.errors import MissingError
from faceport.files import write_atomically

FILE = "log.jsonl"


class Log:
    """Append lines, each with one system call; what comes after the state that is gone on from is dropped."""

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        self.path = folder / FILE
        kept = [line for line in read_log(self.path) if line["step"] <= step]
        write_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        self._number = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._board = _board(folder, step) if tensorboard else None

    def write(self, step: int, **numbers: float) -> None:
        """Write the numbers of a step."""
        os.write(self._number, (json.dumps({"step": step, **numbers}) + "\n").encode())
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        os.close(self._number)
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> Iterator[Mapping[str, Any]]:
    """Read the whole lines of a log."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue  # the last one, of a process that was killed
        if isinstance(content, dict) and isinstance(content.get("step"), int):
            yield content


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingError(
            "tensorboard=true needs tensorboard: pip install 'faceport-train[tensorboard]'"
        ) from error
    return SummaryWriter(folder / "tensorboard", purge_step=step)
