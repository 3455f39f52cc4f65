"""Who is in a picture and how they are seen: everything random, drawn from the seed alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceport_synthetic.geometry import Expression, Head, Points, Pose, Shape, build_head, project

Colour = tuple[float, float, float]  # RGB, 0..255

SKINS: tuple[Colour, ...] = ((247, 214, 190), (232, 188, 156), (205, 152, 115), (160, 108, 74), (96, 62, 44))
HAIRS: tuple[Colour, ...] = (
    (32, 26, 24),
    (62, 42, 30),
    (98, 66, 42),
    (150, 108, 62),
    (200, 164, 104),
    (138, 62, 34),
    (150, 148, 146),
)
EYES: tuple[Colour, ...] = ((74, 48, 30), (112, 80, 44), (92, 108, 60), (78, 116, 152), (104, 118, 124))
CLOTHES: tuple[Colour, ...] = (
    (52, 66, 98),
    (140, 48, 50),
    (224, 222, 214),
    (60, 92, 74),
    (44, 44, 48),
    (186, 142, 70),
    (108, 84, 128),
    (84, 138, 160),
)

HairStyle = Literal["short", "fringe", "swept", "long", "curly", "bald"]
Occluder = Literal["", "sunglasses", "mask", "hand", "board"]
HAIR_STYLES: tuple[HairStyle, ...] = ("short", "fringe", "swept", "long", "curly", "bald")
OCCLUDERS: tuple[Occluder, ...] = ("sunglasses", "mask", "hand", "board")
HIDDEN = 0.15  # how often each attribute is set

# How much people differ, as a standard deviation; what is not named is the same for all.
SPREAD = {
    "width": 0.05,
    "jaw": 0.6,
    "chin": 0.07,
    "forehead": 0.05,
    "eye_distance": 0.025,
    "eye_width": 0.018,
    "eye_height": 0.011,
    "eye_tilt": 0.018,
    "brow_height": 0.03,
    "brow_arch": 0.025,
    "brow_thickness": 0.02,
    "brow_width": 0.02,
    "nose_length": 0.045,
    "nose_width": 0.03,
    "nose_depth": 0.04,
    "mouth": 0.02,
    "mouth_width": 0.04,
    "upper_lip": 0.018,
    "lower_lip": 0.022,
}


@dataclass(frozen=True)
class Person:
    """Describe what makes somebody recognisable."""

    identity: int
    shape: Shape
    skin: Colour
    hair: Colour
    eyes: Colour
    lips: Colour
    brows: Colour
    style: HairStyle
    volume: float  # of the hair
    beard: float  # 0..1
    glasses: bool
    moles: tuple[tuple[float, float], ...]  # from the nose (0) to either ear (-1, 1), and how far down


@dataclass(frozen=True)
class View:
    """Describe how somebody is seen in one picture."""

    pose: Pose
    expression: Expression
    light: tuple[float, float, float]  # direction, towards the lamp
    ambient: float  # 0..1: how much of the light comes from everywhere
    exposure: float
    blur: float  # standard deviation in units; 0 is sharp
    occluder: Occluder
    makeup: bool
    clothes: Colour


@dataclass(frozen=True)
class Face:
    """Put a person, seen in one way, somewhere into a picture."""

    person: Person
    view: View
    flat: Head  # in units
    scale: float  # pixels per unit
    centre: tuple[float, float]  # of the bounding box, in pixels

    @cached_property
    def head(self) -> Head:
        """Place the head's points, in pixels."""
        skin = self.flat.skin
        middle = (skin.min(axis=0) + skin.max(axis=0)) / 2
        return self.flat.map(lambda points: (points - middle) * self.scale + self.centre)

    @cached_property
    def axes(self) -> Points:
        """Give the directions right and down of the head in the picture, one unit long, in pixels."""
        angle = np.deg2rad(self.view.pose.roll)
        return self.scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def at(self, origin: Points, right: ArrayLike, down: ArrayLike) -> Points:
        """Go some units from points along the head's own axes; many steps give many points."""
        place: Points = origin + np.stack(np.broadcast_arrays(right, down), axis=-1) @ self.axes
        return place

    def ring(self, centre: Points, right: float, down: float, count: int = 24) -> Points:
        """Make an ellipse from its half axes."""
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return self.at(centre, right * np.cos(angle), down * np.sin(angle))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Go a share of the way from one colour to another."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """Keep a share of a colour's light."""
    return mix((0, 0, 0), colour, share)


def make_person(seed: int, identity: int) -> Person:
    """Make up somebody: the same seed and number are always the same person."""
    rng = np.random.default_rng([seed, identity, 1])
    default = Shape()
    measures = {
        item.name: getattr(default, item.name) + SPREAD[item.name] * _normal(rng) for item in fields(Shape)
    }
    skin = _between(SKINS, rng.random())
    hair = _vary(rng, HAIRS[rng.integers(len(HAIRS))], 10)
    style = HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=[0.28, 0.17, 0.17, 0.2, 0.1, 0.08])]
    bearded = style != "long" and rng.random() < 0.3
    return Person(
        identity=identity,
        shape=Shape(**measures),
        skin=_vary(rng, skin, 5),
        hair=hair,
        eyes=_vary(rng, EYES[rng.integers(len(EYES))], 8),
        lips=_vary(rng, mix(skin, (168, 62, 66), 0.45), 6),
        brows=mix(hair, (40, 30, 26), 0.45),
        style=style,
        volume=float(rng.uniform(0.9, 1.3)),
        beard=float(rng.uniform(0.35, 0.9)) if bearded else 0.0,
        glasses=bool(rng.random() < 0.18),
        moles=tuple((float(x), float(y)) for x, y in rng.uniform((-1, -0.2), (1, 0.4), (rng.integers(3), 2))),
    )


def make_view(rng: np.random.Generator) -> View:
    """Make up how a face is seen."""
    hard = {
        name: rng.random() < HIDDEN for name in ("pose", "expression", "light", "blur", "occluder", "makeup")
    }
    side = rng.choice([-1, 1])
    pose = Pose(
        yaw=float(side * rng.uniform(28, 42) if hard["pose"] else rng.uniform(-22, 22)),
        pitch=float(rng.uniform(-14, 14)),
        roll=7 * _normal(rng),
    )
    expression = Expression(
        smile=float(rng.uniform(-0.3, 1)),
        mouth_open=float(
            rng.uniform(0.5, 1) if hard["expression"] else rng.choice([0, 0, rng.uniform(0, 0.3)])
        ),
        blink=float(rng.choice([0, 1], p=[0.96, 0.04]) + rng.uniform(0, 0.15)) / 1.15,
        brows=float(rng.uniform(-0.6, 0.8)),
        gaze=(float(rng.uniform(-1, 1)), float(rng.uniform(-0.6, 0.8))),
    )
    azimuth, height = rng.uniform(-70, 70), rng.uniform(10, 60)
    if hard["light"]:
        azimuth = side * rng.uniform(60, 100)
    azimuth, height = np.deg2rad([azimuth, height])
    light = (np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height))
    return View(
        pose=pose,
        expression=expression,
        light=(float(light[0]), float(light[1]), float(light[2])),
        ambient=float(rng.uniform(0.2, 0.35) if hard["light"] else rng.uniform(0.55, 0.8)),
        exposure=float(rng.uniform(0.55, 0.8) if hard["light"] else rng.uniform(0.95, 1.1)),
        blur=float(rng.uniform(0.04, 0.1)) if hard["blur"] else 0.0,
        occluder=OCCLUDERS[rng.integers(len(OCCLUDERS))] if hard["occluder"] else "",
        makeup=bool(hard["makeup"]),
        clothes=_vary(rng, CLOTHES[rng.integers(len(CLOTHES))], 15),
    )


def arrange(rng: np.random.Generator, size: tuple[int, int], count: int) -> list[tuple[float, float, float]]:
    """Choose a centre (x, y) and a height in pixels for each face: each stands free in its cell of a grid."""
    if not count:
        return []
    height, width = size
    columns = max(1, round(np.sqrt(count * width / height / 0.8)))
    rows = -(-count // columns)
    cell = np.array([width / columns, height / rows])
    places = []
    for place in np.sort(rng.choice(columns * rows, count, replace=False)):
        corner = np.array([place % columns, place // columns]) * cell
        # Room for hair and ears: a head is some 1.35 x 1.3 times as large as the face's box.
        most = min(cell[1] / 1.35, cell[0] / 1.3)
        tall = most * rng.uniform(0.45, 1) ** 1.2
        free = cell - (tall * 1.3, tall * 1.35)
        x, y = corner + rng.uniform(0, 1, 2) * free + (tall * 0.65, tall * 0.8)
        places.append((float(x), float(y), float(tall)))
    return places


def make_faces(
    seed: int, index: int, size: tuple[int, int], count: tuple[int, int], identities: int
) -> list[Face]:
    """Make up all faces of one picture, the farthest first."""
    rng = np.random.default_rng([seed, index, 2])
    number = int(rng.integers(count[0], count[1] + 1))
    chosen = rng.choice(identities, number, replace=identities < number)
    faces = []
    for identity, (x, y, tall) in zip(chosen.tolist(), arrange(rng, size, number), strict=True):
        person, view = make_person(seed, identity), make_view(rng)
        flat = project(build_head(person.shape, view.expression), view.pose)
        scale = tall / np.ptp(flat.skin, axis=0).max()
        faces.append(Face(person, view, flat, float(scale), (x, y)))
    return sorted(faces, key=lambda face: face.centre[1])


def _normal(rng: np.random.Generator) -> float:
    return float(np.clip(rng.standard_normal(), -2, 2))


def _between(colours: tuple[Colour, ...], share: float) -> Colour:
    place = share * (len(colours) - 1)
    index = min(int(place), len(colours) - 2)
    return mix(colours[index], colours[index + 1], place - index)


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    changed: NDArray[Any] = np.clip(
        np.array(colour) + rng.normal(0, spread, 3) * 0.5 + rng.normal(0, spread), 0, 255
    )
    red, green, blue = changed.tolist()
    return red, green, blue
