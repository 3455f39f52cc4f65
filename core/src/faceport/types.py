"""What flows between datasets, models, targets and metrics: plain frozen values over numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (height, width, 3), RGB
Array = NDArray[Any]
Tensors = Mapping[str, Array]  # by name; axis 0 of each is the batch

ARRAYS = ("boxes", "scores", "points", "landmarks", "embeddings", "identities")  # fields of Faces
FIELDS = (*ARRAYS, "attributes")


@dataclass(frozen=True)
class TensorSpec:
    """Describe one input or output of a network; a string in the shape names a free dimension."""

    name: str
    shape: tuple[int | str, ...]  # the first is always "batch"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.shape or self.shape[0] != "batch":
            raise ValueError(f"axis 0 of tensor '{self.name}' must be 'batch', its shape is {self.shape}")


@dataclass(frozen=True, eq=False)
class Faces:
    """Hold the faces of one picture as parallel arrays; None stands for 'not known'."""

    boxes: NDArray[np.float32] | None = None  # (n, 4) x1, y1, x2, y2 in pixels of the picture
    scores: NDArray[np.float32] | None = None  # (n,) 0..1
    points: NDArray[np.float32] | None = None  # (n, 5, 2) eyes, nose, mouth corners; viewer's left first
    landmarks: NDArray[np.float32] | None = None  # (n, k, 2) x, y in pixels of the picture
    embeddings: NDArray[np.float32] | None = None  # (n, d)
    identities: NDArray[Any] | None = None  # (n,) names or numbers
    attributes: Mapping[str, Array] = field(default_factory=dict)  # name -> (n, ...)

    def __post_init__(self) -> None:
        lengths = {name: len(value) for name, value in self._arrays()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"fields of Faces differ in length: {lengths}")

    def _arrays(self) -> Iterable[tuple[str, Array]]:
        for name in ARRAYS:
            value = getattr(self, name)
            if value is not None:
                yield name, value
        yield from self.attributes.items()

    def __len__(self) -> int:
        return next((len(value) for _, value in self._arrays()), 0)

    def __getitem__(self, index: slice | Array) -> Faces:
        """Select faces by slice, mask or list of positions."""
        return Faces(
            **{name: getattr(self, name)[index] for name in self.fields if name != "attributes"},
            attributes={name: value[index] for name, value in self.attributes.items()},
        )

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that are set."""
        names = {name for name in ARRAYS if getattr(self, name) is not None}
        return frozenset(names | {"attributes"} if self.attributes else names)

    def only(self, names: Iterable[str]) -> Faces:
        """Keep the named fields and forget the others."""
        return Faces(**{name: getattr(self, name) for name in names if name in self.fields})

    def with_fields(self, **fields: Any) -> Faces:
        """Replace fields by name."""
        return Faces(**{name: getattr(self, name) for name in FIELDS} | fields)


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture on its way through a model, decoded when it is first looked at."""

    id: str  # unique in its dataset; names the prediction
    source: Image | Callable[[], Image]  # pixels, or what makes them (called in a worker thread)
    truth: Faces | None = None  # for metrics only: models never see it
    faces: Faces | None = None  # what the model needs to be told: boxes, points

    @property
    def image(self) -> Image:
        """Decode the picture, once."""
        # Not a cached_property: before Python 3.12 that holds one lock for all instances while it computes,
        # and no two pictures would ever be decoded at the same time.
        image: Image | None = self.__dict__.get("_image")
        if image is None:
            image = self.source() if callable(self.source) else self.source
            self.__dict__["_image"] = image
        return image


@dataclass(frozen=True, eq=False)
class Call:
    """Ask for a network to be run; axis 0 of every input is the batch and must not be empty."""

    network: str
    inputs: Tensors

    @property
    def size(self) -> int:
        """Number of items along the batch axis."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model said of one sample, or why it could not."""

    id: str
    faces: Faces
    error: str = ""  # why the picture could not be read; faces are then empty


@dataclass(frozen=True, eq=False)
class Crops:
    """Say what the crops of one picture show, and how their files are called; n faces."""

    names: list[str]  # (n,) of files, with '/' for folders; the suffix says how pixels are written
    regions: NDArray[np.float64]  # (n, 4) x1, y1, x2, y2 in the picture; pixels are truncated to whole ones
    landmarks: NDArray[np.float64] | None = None  # (n, k, 2) in the picture

    @property
    def relative(self) -> NDArray[np.float64] | None:
        """Give the landmarks in shares of the regions' sides: 0..1 within the crop."""
        if self.landmarks is None:
            return None
        low, high = self.regions[:, None, :2], self.regions[:, None, 2:]
        return np.asarray((self.landmarks - low) / (high - low))
