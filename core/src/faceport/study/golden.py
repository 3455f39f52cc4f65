"""Golden vectors: pictures with what a model made of them at every step, to check another pipeline by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from faceport.api import Model, Session
from faceport.data.pictures import write_picture
from faceport.data.predictions import to_json
from faceport.engine.engine import Engine, Settings
from faceport.types import Prediction, Sample, Tensors

MOST_CALLS = 3  # kept of each network and picture
MOST_ROWS = 2  # kept of each call


def write_golden(
    model: Model, sessions: Mapping[str, Session], samples: Iterable[Sample], count: int, folder: Path
) -> dict[str, Any]:
    """Write pictures, the tensors of each network, and the faces; describe the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    vectors: dict[str, list[dict[str, str]]] = {name: [] for name in model.networks}
    for index, sample in enumerate(islice(samples, count)):
        calls: dict[str, list[Tensors]] = {name: [] for name in model.networks}

        def record(name: str, inputs: Tensors, calls: dict[str, list[Tensors]] = calls) -> None:
            calls[name].append(inputs)

        faces = Engine(model, sessions, Settings(), record).one(sample)
        picture = folder / f"picture-{index}.png"
        write_picture(picture, sample.image)
        entry = {"picture": picture.name, "faces": _faces(Prediction(sample.id, faces))}
        if sample.faces is not None:
            entry["told"] = _faces(Prediction(sample.id, sample.faces))
        pictures.append(entry)
        for name, inputs in calls.items():
            vectors[name] += _write_calls(folder, f"{name}-{index}", sessions[name], inputs[:MOST_CALLS])
    return {"pictures": pictures, "vectors": vectors}


def _faces(prediction: Prediction) -> Any:
    return orjson.loads(to_json(prediction))


def _write_calls(folder: Path, stem: str, session: Session, calls: Sequence[Tensors]) -> list[dict[str, str]]:
    """Write input and output tensors of calls, NumPy files that any tool reads."""
    written = []
    for number, call in enumerate(calls):
        inputs = {name: value[:MOST_ROWS] for name, value in call.items()}
        outputs = session.run(inputs)
        file = folder / f"{stem}-{number}.npz"
        named: Any = {f"input.{name}": value for name, value in inputs.items()}
        named |= {f"output.{name}": value for name, value in outputs.items()}
        np.savez_compressed(file, **named)
        written.append({"file": file.name, "picture": f"picture-{stem.rpartition('-')[2]}.png"})
    return written
