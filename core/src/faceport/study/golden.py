"""Golden vectors: pictures with what a model made of them at every step, to check another pipeline by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from faceport.api import Model, Session
from faceport.artifacts.recording import Limits, MemoryRecorder
from faceport.data.pictures import write_picture
from faceport.data.predictions import to_json
from faceport.engine.engine import Engine
from faceport.engine.flow import Settings
from faceport.types import Prediction, Sample, Tensors

LIMITS = Limits(calls=3, rows=2)  # of each network and picture


def write_golden(
    model: Model, sessions: Mapping[str, Session], samples: Iterable[Sample], count: int, folder: Path
) -> dict[str, Any]:
    """Write pictures, the tensors of each network, and the faces; describe the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    vectors: dict[str, list[dict[str, str]]] = {name: [] for name in model.networks}
    for index, sample in enumerate(islice(samples, count)):
        recorder = MemoryRecorder(LIMITS)
        faces = Engine(model, sessions, Settings(), [recorder]).one(sample)
        picture = folder / f"picture-{index}.png"
        write_picture(picture, sample.image)
        entry = {"picture": picture.name, "faces": _faces(Prediction(sample.id, faces))}
        if sample.faces is not None:
            entry["told"] = _faces(Prediction(sample.id, sample.faces))
        pictures.append(entry)
        for name, calls in recorder.calls.items():
            vectors[name] += write_calls(folder, f"{name}-{index}", sessions[name], calls)
    return {"pictures": pictures, "vectors": vectors}


def _faces(prediction: Prediction) -> Any:
    return orjson.loads(to_json(prediction))


def write_calls(folder: Path, stem: str, session: Session, calls: Sequence[Tensors]) -> list[dict[str, str]]:
    """Write input and output tensors of calls, NumPy files that any tool reads."""
    written = []
    for number, inputs in enumerate(calls):
        outputs = session.run(inputs)
        file = folder / f"{stem}-{number}.npz"
        named: Any = {f"input.{name}": value for name, value in inputs.items()}
        named |= {f"output.{name}": value for name, value in outputs.items()}
        np.savez_compressed(file, **named)
        written.append({"file": file.name, "picture": f"picture-{stem.rpartition('-')[2]}.png"})
    return written
