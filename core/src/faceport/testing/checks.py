"""What must hold of values wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from faceport.types import ARRAYS, Array, Faces, Tensors, TensorSpec

SHAPES = {"boxes": (4,), "scores": (), "points": (5, 2), "landmarks": (None, 2), "embeddings": (None,)}


def check_sentence(text: str) -> None:
    """Hold a message to one line that a user can act on."""
    assert text.strip(), "the message is empty"
    assert "\n" not in text.strip(), f"the message has several lines: {text!r}"
    assert len(text.split()) >= 4, f"the message is no sentence: {text!r}"
    assert "Traceback" not in text, f"the message is a traceback: {text!r}"


def check_faces(faces: Faces) -> None:
    """Hold the fields of faces to their shapes, types and ranges."""
    for name, shape in SHAPES.items():
        value = getattr(faces, name)
        if value is None:
            continue
        assert value.dtype == np.float32, f"{name} must be float32, not {value.dtype}"
        fits = value.ndim == len(shape) + 1 and all(
            want is None or have == want for have, want in zip(value.shape[1:], shape, strict=True)
        )
        assert fits, f"{name} has shape {value.shape}, expected (n, {', '.join(map(str, shape))})"
    if faces.scores is not None and len(faces):
        assert faces.scores.min() >= 0 and faces.scores.max() <= 1, "scores must lie in 0..1"


def check_finite(faces: Faces) -> None:
    """Refuse NaN and infinity in what a model says."""
    for name in sorted(faces.fields & set(SHAPES)):
        assert np.isfinite(getattr(faces, name)).all(), f"{name} are not all finite"


def check_same(one: Faces, other: Faces, tolerance: float, where: str) -> None:
    """Hold two results for the same picture against each other."""
    assert one.fields == other.fields, (
        f"{where}: fields differ, {sorted(one.fields)} and {sorted(other.fields)}"
    )
    assert len(one) == len(other), f"{where}: {len(one)} and {len(other)} faces"
    for name in ARRAYS:
        check_equal(getattr(one, name), getattr(other, name), tolerance, f"{where}: {name}")
    for name, value in one.attributes.items():
        check_equal(value, other.attributes[name], tolerance, f"{where}: attribute {name}")


def check_equal(one: Array | None, other: Array | None, tolerance: float, where: str) -> None:
    """Hold two arrays, or two times nothing, against each other."""
    if one is None or other is None:
        assert one is other, f"{where} is known only once"
    elif np.issubdtype(one.dtype, np.number):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=where)
    else:
        assert np.array_equal(one, other), f"{where} differ"


def check_tensors(tensors: Tensors, specs: Sequence[TensorSpec], sizes: Mapping[str, int]) -> dict[str, int]:
    """Hold tensors to their specs; give the free dimensions, which must agree with each other and `sizes`."""
    names = [spec.name for spec in specs]
    assert sorted(tensors) == sorted(names), f"tensors are {sorted(tensors)}, declared are {sorted(names)}"
    sizes_seen = dict(sizes)
    for spec in specs:
        value = tensors[spec.name]
        assert isinstance(value, np.ndarray), f"'{spec.name}' must be a NumPy array, not {type(value)}"
        assert value.dtype == np.dtype(spec.dtype), f"'{spec.name}' is {value.dtype}, declared {spec.dtype}"
        assert value.ndim == len(spec.shape), f"'{spec.name}' has shape {value.shape}, declared {spec.shape}"
        for size, declared in zip(value.shape, spec.shape, strict=True):
            wanted = sizes_seen.setdefault(declared, size) if isinstance(declared, str) else declared
            assert size == wanted, (
                f"'{spec.name}' has shape {value.shape}, declared {spec.shape} with {declared} = {wanted}"
            )
    return sizes_seen
