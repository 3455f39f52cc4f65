"""A device that nobody can call: calls are left as files, and answers are read once they have come."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faceport.api import Artifact, Away, Session, Source, Target
from faceport.errors import FaceportError, explain_import
from faceport.files import disk_errors, file_sha256
from faceport.types import Tensors
from faceport_example_mailbox import answer

FILE = "model.onnx"


@dataclass(frozen=True)
class MailboxOptions:
    """Options; conf/target/example_mailbox.yaml explains them."""

    folder: str = "mailbox"


class ExampleMailbox(Target):
    """Leave calls in a folder, for whoever can bring them to the device."""

    Options = MailboxOptions
    options: MailboxOptions

    def missing(self) -> str:
        """Say what to install here; what the device needs is its own business."""
        try:
            import onnx
        except ImportError as error:
            return f"{explain_import(error)} (pip install onnx)"
        del onnx
        return ""

    def compile(self, source: Source, out: Path, calibration: Iterable[Tensors]) -> None:
        """Keep the exported network: it is compiled where it runs."""
        shutil.copyfile(source.onnx(), out / FILE)

    def open(self, artifact: Artifact) -> Session:
        """Find the place of this very network, whatever else is in the folder; nothing is written yet."""
        import onnx

        path = artifact.path / FILE
        try:
            onnx.checker.check_model(str(path))
        except Exception as error:  # parser and checker have their own classes
            raise FaceportError(f"cannot open {path}: it is damaged. Delete it and compile again") from error
        box = Path(self.options.folder).expanduser()
        return Mailbox(path, box / f"{artifact.network.name}-{file_sha256(path)[:8]}")


class Mailbox(Away):
    """Questions and answers of one network."""

    def __init__(self, model: Path, folder: Path) -> None:
        self._model, self._folder = model, folder
        self._left = 0  # questions without an answer
        self._facts = {"runtime": "mailbox", "version": "1", "device": "not known yet", "precision": "fp32"}

    @property
    def facts(self) -> Mapping[str, str]:
        """Say what ran, as the last answer says."""
        return self._facts

    def answer(self, call: str, inputs: Tensors) -> Tensors | None:
        """Read an answer, or leave the question; its name holds a hash, so that runs may share the folder."""
        asked = answer.digest(inputs)
        question = self._folder / "questions" / f"{call}-{asked[:8]}.npz"
        reply = answer.reply_to(question)
        if reply.is_file():
            return self._read(reply, asked)
        if not question.is_file():
            with disk_errors(question):
                answer.write(question, inputs)
        self._left += 1
        return None

    def _read(self, path: Path, asked: str) -> Tensors:
        cure = "Delete it and answer again"
        try:
            with np.load(path) as file:
                outputs = {name: file[name] for name in file}
            seal = json.loads(str(outputs.pop("seal")))
            wanted, given = seal["inputs"], seal["outputs"]
            facts = {**seal["facts"], "runtime": f"mailbox, {seal['facts']['runtime']}"}
        except (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
            raise FaceportError(f"{path} is damaged. {cure}") from error
        if wanted != asked:
            raise FaceportError(f"{path} answers other inputs than were asked: was it exchanged? {cure}")
        if given != answer.digest(outputs):
            raise FaceportError(f"{path} was changed after it was written. {cure}")
        self._facts = facts
        return outputs

    def dispatch(self) -> str:
        """Put network and script beside the questions."""
        if not self._left:
            return ""
        box = self._folder.parent
        with disk_errors(box):
            shutil.copyfile(self._model, self._folder / FILE)
            shutil.copyfile(answer.__file__, box / "answer.py")
        return f"Run `python {box}/answer.py` there (take {box} with you, and bring it back)."
