"""Faces as JSON or drawn, errors as sentences, and the options that stand in the query of a request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from faceport.data.drawing import draw
from faceport.data.pictures import encode
from faceport.data.predictions import not_finite
from faceport.errors import suggest
from faceport.types import ARRAYS, FIELDS, Faces, Image, Prediction

PICTURES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
DRAWN_FROM = 0.5  # score from which faces are drawn, where no threshold was asked for


@dataclass(frozen=True)
class Wish:
    """What a request asks for."""

    model: str | None = None
    fields: frozenset[str] = frozenset(FIELDS) - {"embeddings"}
    threshold: float | None = None


def read_wish(query: Mapping[str, str], also: Collection[str] = ()) -> Wish:
    """Read the query; what it asks for and nobody knows is a mistake, not ignored."""
    known = {"model", "fields", "threshold", *also}
    for key in query:
        if key not in known:
            raise HTTPException(400, f"there is no option '{key[:100]}'. {suggest(key[:100], known)}")
    wish = Wish(query.get("model"), threshold=number(query, "threshold", 0.0, 1.0))
    if "fields" in query:
        fields = frozenset(filter(None, query["fields"].split(",")))
        for field in fields:
            if field not in FIELDS:
                raise HTTPException(400, f"there is no field '{field[:100]}'. {suggest(field[:100], FIELDS)}")
        return replace(wish, fields=fields)
    return wish


def number(query: Mapping[str, str], key: str, low: float, high: float) -> float | None:
    """Read a number from a query."""
    text = query.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise HTTPException(400, f"{key} is '{text[:40]}', it must be a number from {low:g} to {high:g}")
    return value


def sure(prediction: Prediction, threshold: float | None, most: int) -> Faces:
    """Give the faces of a prediction, at most so many, the best ones; refuse what is no answer."""
    if prediction.error:
        raise HTTPException(422, prediction.error)
    faces = prediction.faces
    wrong = not_finite(faces)
    if wrong:
        raise HTTPException(500, f"the model answered with numbers that are not finite: {', '.join(wrong)}")
    if faces.scores is not None:
        if threshold is not None:
            faces = faces[faces.scores >= threshold]
        assert faces.scores is not None
        if len(faces) > most:
            faces = faces[(-faces.scores).argsort(kind="stable")]
    return faces[:most]


def content(faces: Faces, fields: Collection[str]) -> dict[str, Any]:
    """Give the fields that are known and asked for, ready for JSON."""
    found: dict[str, Any] = {"count": len(faces)}
    for name in ARRAYS:
        value = getattr(faces, name)
        if value is not None and name in fields:
            found[name] = _plain(value)
    if faces.attributes and "attributes" in fields:
        found["attributes"] = {name: _plain(value) for name, value in faces.attributes.items()}
    return found


def _plain(value: np.ndarray[Any, Any]) -> Any:
    return np.ascontiguousarray(value) if value.dtype.kind in "fiub" else value.tolist()


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer in JSON."""
    return Response(dumps(value), status, headers, "application/json")


def dumps(value: Any) -> bytes:
    """Write JSON, arrays included."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def wanted_picture(request: Request) -> str:
    """Tell which picture format a client wants in place of JSON; empty for none."""
    first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return first if first in PICTURES else ""


def drawn(image: Image, faces: Faces, kind: str) -> Response:
    """Answer with the picture and the faces on it."""
    return Response(encode(draw(image, faces), PICTURES[kind]), media_type=kind)
