"""Simulated faces: drawings whose features move as the action units of an emotion say.

Grey pictures of people who differ in shape, skin and hair. An emotion switches on its action units (Ekman & Friesen's
coding of facial movement); each moves brows, eyes, nose or mouth. Chance switches on others, turns and shades the
head. The simplest cartoon that makes recognition neither trivial nor hopeless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.base.random import generator
from thymos.sources.simulate.latent import PROTOTYPES as EMOTIONS
from thymos.sources.simulate.latent import known, number, shown, whole

__all__ = [
    "DOMAINS",
    "PARTNERS",
    "PRIOR",
    "PROTOTYPES",
    "TRAITS",
    "UNITS",
    "Domain",
    "draw_emotions",
    "flip_labels",
    "identities",
    "simulate_faces",
    "simulate_film",
]

#: Action units that can be drawn: 1, 2, 4 brows; 5, 6, 7 lids and cheeks; 9, 10 nose and upper lip; the rest mouth,
#: chin and jaw.
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 24, 25, 26)

#: Action units of each emotion and their strength at full intensity, after the prototypes of Ekman & Friesen.
PROTOTYPES: dict[str, dict[int, float]] = {
    "anger": {4: 1, 5: 0.7, 7: 1, 23: 1, 24: 0.5},
    "disgust": {9: 1, 10: 1, 15: 0.6, 17: 0.8, 4: 0.5},
    "fear": {1: 1, 2: 0.8, 4: 0.6, 5: 1, 20: 1, 25: 0.8, 26: 0.4, 7: 0.3},
    "happiness": {6: 1, 12: 1, 25: 0.7},
    "sadness": {1: 1, 4: 0.6, 15: 1, 17: 0.6},
    "surprise": {1: 1, 2: 1, 5: 1, 25: 1, 26: 1},
    "neutral": {},
}

#: Share of each emotion among the 28 709 training pictures of FER-2013.
PRIOR: dict[str, float] = {
    name: count / 28709 for name, count in zip(EMOTIONS, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)
}

#: Emotions that people take for each other.
PARTNERS = {"anger": "disgust", "fear": "surprise", "sadness": "neutral"}
PARTNERS |= {second: first for first, second in PARTNERS.items()}

#: What makes an identity: mean and SD. Lengths in units of half a picture, tones 0 (black) to 1 (white), ``beard`` the
#: share of people with one.
TRAITS: dict[str, tuple[float, float]] = {
    "head_width": (0.60, 0.035),
    "head_height": (0.80, 0.035),
    "jaw": (0.80, 0.07),  # width of the lower face relative to the head
    "skin": (0.70, 0.09),
    "hair": (0.25, 0.13),
    "hairline": (-0.52, 0.05),
    "hair_sides": (0.25, 0.35),  # how far down the hair reaches
    "beard": (0.15, 0.0),
    "eye_distance": (0.26, 0.018),  # from the midline
    "eye_width": (0.115, 0.009),
    "eye_opening": (0.052, 0.005),
    "brow_height": (-0.30, 0.015),
    "brow_thickness": (0.034, 0.009),
    "nose_length": (0.27, 0.022),
    "nose_width": (0.085, 0.012),
    "mouth_width": (0.20, 0.017),
    "lip": (0.032, 0.007),
}

_JITTER = 0.15  # SD of the strength of a unit, relative
_CHANCE, _CHANCE_SIZE = 0.15, 0.6  # probability that any other unit is on, and its largest strength
_ROLL, _SCALE, _SQUEEZE, _SHEAR, _SHIFT = 8.0, 0.06, 0.06, 0.04, 0.04  # SD: degrees, relative, share of a half picture
_LIGHT, _NOISE, _OCCLUSION = 0.15, 0.03, 0.10  # SD of a gradient, SD of a pixel, probability of a patch
_SURE = 0.8  # share of false labels that name the partner
_RISE = 2.0  # s from onset to apex of an expression
_CANVAS = 192  # pixels; smaller pictures are averaged from it


@dataclass(frozen=True)
class Domain:
    """A group of people who look and express themselves in a way of their own.

    Parameters
    ----------
    traits : mapping of str to float
        Shift of the mean of :data:`TRAITS`.
    rules : mapping of int to float
        Display rules: factor on the strength of action units.
    prior : mapping of str to float
        Share of each emotion.
    """

    traits: dict[str, float] = field(default_factory=dict)
    rules: dict[int, float] = field(default_factory=dict)
    prior: dict[str, float] = field(default_factory=lambda: PRIOR)


_MOUTH = (10, 12, 15, 17, 20, 23, 24, 25, 26)
_EVEN = dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS))

#: ``plain`` shows everything and has the class proportions of FER-2013; ``eyes`` and ``mouth`` show more there and
#: less elsewhere, look different and have other proportions.
DOMAINS: dict[str, Domain] = {
    "plain": Domain(),
    "eyes": Domain(
        {"skin": 0.08, "hair": -0.12, "eye_opening": -0.008, "head_width": 0.03, "brow_thickness": -0.006},
        {unit: 0.5 if unit in _MOUTH else 1.3 for unit in UNITS},
        {**_EVEN, "neutral": 2 / 7, "happiness": 0.5 / 7, "anger": 0.5 / 7},
    ),
    "mouth": Domain(
        {"skin": -0.18, "hair": -0.05, "lip": 0.012, "mouth_width": 0.015, "head_height": 0.03},
        {unit: 1.2 if unit in _MOUTH else 0.5 for unit in UNITS},
        _EVEN,
    ),
}


def identities(n: int, random_state: int = 0, domain: str = "plain") -> np.ndarray:
    """Draw people.

    Parameters
    ----------
    n : int
        How many.
    random_state : int
        Seed; the first people are the same for any `n`.
    domain : str
        One of :data:`DOMAINS`.

    Returns
    -------
    structured ndarray, shape (n,)
        One field per trait of :data:`TRAITS`; ``beard`` is 0 or the darkness of one.
    """
    shifts = _domain(domain).traits
    n, made = whole("n", n, 1), np.array(list(TRAITS.values()))
    rng = generator(random_state, "faces", "identities", domain)
    values = made[:, 0] + [shifts.get(name, 0) for name in TRAITS]
    draws = np.clip(rng.standard_normal((n, len(TRAITS) + 1)), -2.5, 2.5)
    people = np.zeros(n, dtype=[(name, float) for name in TRAITS])
    for name, value, sd, z in zip(TRAITS, values, made[:, 1], draws[:, :-1].T, strict=True):
        people[name] = value + sd * z
    people["skin"], people["hair"] = people["skin"].clip(0.3, 0.95), people["hair"].clip(0.05, 0.6)
    bearded = draws[:, -1] < -1.036  # the normal quantile of 15 %
    people["beard"] = np.where(bearded, 0.5 + 0.15 * np.tanh(draws[:, list(TRAITS).index("beard")]), 0)
    return people


def draw_emotions(n: int, random_state: int = 0, domain: str = "plain") -> np.ndarray:
    """Draw `n` emotions in the proportions of a domain: labels, shape (n,)."""
    prior = _domain(domain).prior
    share = np.array([prior[name] for name in EMOTIONS])
    rng = generator(random_state, "faces", "emotions", domain)
    return rng.choice(list(EMOTIONS), size=whole("n", n, 1), p=share / share.sum())


def flip_labels(emotions: Sequence[str] | np.ndarray, random_state: int = 0, rate: float = 0.05) -> np.ndarray:
    """Return labels, shape (n,), of which a share of `rate` is wrong, mostly naming the emotion of :data:`PARTNERS`."""
    names = np.array(known("emotion", emotions, EMOTIONS), dtype="<U9")
    rate = number("flip", rate, most=1)
    lot, kind, which = generator(random_state, "faces", "flip").uniform(size=(len(names), 3)).T
    others = {name: [other for other in EMOTIONS if other != name] for name in EMOTIONS}
    wrong = [
        PARTNERS[name] if name in PARTNERS and sure else others[name][int(w * len(others[name]))]
        for name, sure, w in zip(names.tolist(), kind < _SURE, which, strict=True)
    ]
    return np.where(lot < rate, wrong, names)


def simulate_faces(
    emotions: Sequence[str] | np.ndarray,
    people: np.ndarray,
    intensity: Any = None,
    random_state: int = 0,
    size: int = 48,
    domain: str = "plain",
    effect: float = 1.0,
    null: bool = False,
) -> np.ndarray:
    """Draw one face per emotion.

    Parameters
    ----------
    emotions : sequence of str or ndarray, length n
        Of :data:`PROTOTYPES`.
    people : structured ndarray, shape (n,)
        Rows of :func:`identities`.
    intensity : float or array-like, shape (n,), optional
        0 to 1; by default uniform between 0.4 and 1.
    random_state : int
        Seed; the first faces are the same for any number of them.
    size : int
        Height and width in pixels, at least 24.
    domain : str
        One of :data:`DOMAINS`, for its display rules.
    effect : float
        As :func:`~thymos.sources.simulate.latent.shown`.
    null : bool
        Take `effect` as zero: the same people, poses and chance movements, and no emotion in any of them.

    Returns
    -------
    ndarray, shape (n, size, size), uint8

    Raises
    ------
    InputError
        If a name or a parameter does not fit.
    MissingExtraError
        If Pillow is not installed.
    """
    emotions, people = known("emotion", emotions, PROTOTYPES), np.atleast_1d(people)
    n = len(emotions)
    if people.shape != (n,) or people.dtype.names != tuple(TRAITS):
        raise InputError(
            f"{n} emotions came with people of shape {people.shape}.",
            fits="one row of identities() per emotion",
            do="repeat or index the identities",
        )
    if intensity is None:
        intensity = generator(random_state, "faces", "intensity").uniform(0.4, 1, n)
    strength = _strength(intensity, effect, null) * np.ones(n)
    units = np.stack([_units(name, domain) for name in emotions]) if n else np.empty((0, len(UNITS)))
    moved = _movements(units * strength[:, None], random_state)
    return _shoot(moved, people, _poses(n, random_state), random_state, size)


def simulate_film(
    emotion: str,
    person: np.ndarray,
    intensity: float,
    n_frames: int,
    random_state: int = 0,
    sfreq: float = 1.0,
    size: int = 48,
    domain: str = "plain",
    effect: float = 1.0,
    null: bool = False,
) -> np.ndarray:
    """Draw one face in motion: the expression rises from nothing to its apex in 2 s and stays, the head drifts.

    Parameters
    ----------
    emotion, person, intensity, random_state, size, domain, effect, null
        As for :func:`simulate_faces`; one emotion, one row of :func:`identities`, one number.
    n_frames : int
        Number of frames; the first is the onset.
    sfreq : float
        Frames per second.

    Returns
    -------
    ndarray, shape (n_frames, size, size), uint8
    """
    known("emotion", [emotion], PROTOTYPES)
    n_frames, sfreq = whole("n_frames", n_frames, 1), number("sfreq", sfreq, 0.01, "Hz")
    rise = np.clip(np.arange(n_frames) / sfreq / _RISE, 0, 1)
    rise = rise**2 * (3 - 2 * rise)
    units = _units(emotion, domain) * _strength(intensity, effect, null)
    moved = _movements(units[None], random_state)[0] * (0.15 + 0.85 * rise)[:, None]  # chance movements rise alike
    start = _poses(1, random_state)
    steps = generator(random_state, "faces", "drift").standard_normal((n_frames, start.shape[1]))
    poses = start + 0.25 * np.array(_POSE) * steps.cumsum(axis=0) / math.sqrt(n_frames)
    return _shoot(moved, np.repeat(np.atleast_1d(person), n_frames), poses, random_state, size, film=True)


_POSE = (math.radians(_ROLL), _SCALE, _SQUEEZE, _SHEAR, _SHIFT, _SHIFT)


def _domain(name: str) -> Domain:
    return DOMAINS[known("domain", [name], DOMAINS)[0]]


def _strength(intensity: Any, effect: float, null: bool) -> np.ndarray:
    values = np.asarray(intensity, dtype=float)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"intensity={intensity!r} came.", fits="numbers from 0 to 1", do="change intensity")
    return shown(values, 0.0 if null else number("effect", effect))


def _units(emotion: str, domain: str) -> np.ndarray:
    """Return the strength of each of :data:`UNITS` at full intensity under the display rules of a domain."""
    rules, prototype = _domain(domain).rules, PROTOTYPES[emotion]
    return np.array([prototype.get(unit, 0) * rules.get(unit, 1) for unit in UNITS])


def _movements(units: np.ndarray, random_state: int) -> np.ndarray:
    """Add jitter and chance movements to the strength of units, shape (n, n_units)."""
    z = generator(random_state, "faces", "jitter").standard_normal(units.shape)
    lot, size = np.moveaxis(generator(random_state, "faces", "chance").uniform(size=(*units.shape, 2)), -1, 0)
    chance = np.where(lot < _CHANCE, _CHANCE_SIZE * size, 0)
    return np.clip(np.maximum(units * (1 + _JITTER * z), chance), 0, 1.4)


def _poses(n: int, random_state: int) -> np.ndarray:
    """Return roll in rad, log scale, squeeze, shear and shifts, shape (n, 6)."""
    z = generator(random_state, "faces", "pose").standard_normal((n, len(_POSE)))
    return np.clip(z, -2.5, 2.5) * _POSE


def _shoot(
    moved: np.ndarray, people: np.ndarray, poses: np.ndarray, random_state: int, size: int, film: bool = False
) -> np.ndarray:
    """Draw, light, cover and add noise; the frames of a film share light, background and cover."""
    size, n = whole("size", size, 24), len(moved)
    fine = max(2, round(_CANVAS / size))
    rng = generator(random_state, "faces", "light")
    light, tone, cover = (_same(rng_draw, n, film) for rng_draw in _scene(rng, n))
    pictures = np.empty((n, size, size), dtype=np.float32)
    for i in range(n):
        drawn = _draw(
            people[i], dict(zip(UNITS, moved[i].tolist(), strict=True)), poses[i], float(tone[i, 0]), size * fine
        )
        pictures[i] = drawn.reshape(size, fine, size, fine).mean(axis=(1, 3), dtype=np.float32)
    place = np.linspace(-1, 1, size, dtype=np.float32)
    slope = (_LIGHT * light[:, :2]).astype(np.float32)
    pictures *= 1 + slope[:, :1, None] * place[:, None] + slope[:, 1:, None] * place
    _cover(pictures, cover)
    noise = generator(random_state, "faces", "noise").standard_normal(pictures.shape, dtype=np.float32)
    return np.clip(pictures + 255 * _NOISE * noise, 0, 255).astype(np.uint8)


def _scene(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draws = rng.uniform(size=(n, 8))
    light = (
        np.sqrt(-2 * np.log(1 - draws[:, :1])) * np.c_[np.cos(2 * np.pi * draws[:, 1]), np.sin(2 * np.pi * draws[:, 1])]
    )
    return light, draws[:, 2:3], draws[:, 3:]


def _same(values: np.ndarray, n: int, film: bool) -> np.ndarray:
    return np.repeat(values[:1], n, axis=0) if film else values


def _cover(pictures: np.ndarray, draws: np.ndarray) -> None:
    """Hide a patch of some pictures."""
    size = pictures.shape[-1]
    for picture, (lot, side, x, y, tone) in zip(pictures, draws.tolist(), strict=True):
        if lot < _OCCLUSION:
            side = round((0.15 + 0.2 * side) * size)
            x, y = int(x * (size - side)), int(y * (size - side))
            picture[y : y + side, x : x + side] = 255 * tone


class _Pen:
    """Draws in face coordinates: x to the right, y down, the picture from -1 to 1 before the pose."""

    def __init__(self, draw: Any, size: int, pose: np.ndarray):
        roll, scale, squeeze, shear, dx, dy = pose
        turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
        shape = np.array([[1 - abs(squeeze), shear], [0, 1]])
        self.matrix = (turn @ shape * math.exp(scale) * size / 2).T
        self.origin = np.array([1 + dx, 1 + dy]) * size / 2
        self.yaw = squeeze
        self.width = math.exp(scale) * size / 2
        self.draw = draw

    def points(self, xy: Any) -> list[tuple[float, float]]:
        return list(map(tuple, (np.asarray(xy) @ self.matrix + self.origin).tolist()))

    def area(self, xy: Any, tone: float) -> None:
        self.draw.polygon(self.points(xy), fill=round(255 * min(max(tone, 0), 1)))

    def stroke(self, xy: Any, width: float, tone: float) -> None:
        line = max(1, round(width * self.width))
        self.draw.line(self.points(xy), fill=round(255 * min(max(tone, 0), 1)), width=line, joint="curve")


_ROUND = np.linspace(0, 2 * np.pi, 33)[:-1]
_COS, _SIN = np.cos(_ROUND), np.sin(_ROUND)
_ACROSS = np.linspace(-1, 1, 13)


def _draw(who: np.void, au: dict[int, float], pose: np.ndarray, background: float, size: int) -> np.ndarray:
    """Draw one face, shape (size, size), uint8."""
    image_module = require("PIL.Image", "faces")
    canvas = image_module.new("L", (size, size), round(255 * (0.15 + 0.7 * background)))
    pen = _Pen(require("PIL.ImageDraw", "faces").Draw(canvas), size, pose)
    skin = who["skin"]
    _head(pen, who, au, skin)
    shift = 0.25 * pen.yaw  # features slide with a turn of the head
    for side in (-1, 1):
        _eye(pen, who, au, skin, side, shift)
        _brow(pen, who, au, skin, side, shift)
    _nose(pen, who, au, skin, shift)
    _mouth(pen, who, au, skin, shift)
    return np.asarray(canvas)


def _head(pen: _Pen, who: np.void, au: dict[int, float], skin: float) -> None:
    w, h, hair = who["head_width"], who["head_height"], who["hair"]
    pen.area([(-0.3, 0.4), (0.3, 0.4), (0.36, 1.4), (-0.36, 1.4)], 0.82 * skin)
    pen.area([(-1.0, 1.4), (-0.7, 1.0), (0.7, 1.0), (1.0, 1.4)], 0.35)
    sides = max(who["hair_sides"], -0.2)
    pen.area(np.c_[(w + 0.08) * _COS, np.where(_SIN > 0, sides, h + 0.1) * _SIN - 0.05], hair)
    for side in (-1, 1):
        pen.area(np.c_[side * w + 0.07 * _COS, 0.02 + 0.13 * _SIN], 0.88 * skin)
    low = np.maximum(_SIN, 0)
    jaw = 1 - (1 - who["jaw"]) * low**2
    outline = np.c_[w * _COS * jaw, h * _SIN * (1 + 0.10 * au[26] * low)]
    pen.area(outline, skin)
    if who["beard"]:
        lower = outline[outline[:, 1] > 0.1]
        lower = lower[np.argsort(-np.arctan2(lower[:, 1], lower[:, 0]))]
        pen.area(np.r_[lower, [(-0.32, 0.28), (0.32, 0.28)][::-1]], skin * (1 - who["beard"]))
    top = outline[outline[:, 1] < who["hairline"]]
    top = top[np.argsort(top[:, 0])]
    fringe = who["hairline"] + 0.05 * _ACROSS**2
    pen.area(np.r_[top, np.c_[top[-1, 0] * _ACROSS, fringe][::-1]], hair)
    for y, unit in ((-0.44, au[1]), (-0.39, 0.5 * (au[1] + au[2]))):  # a raised brow folds the forehead
        if unit > 0.2:
            pen.stroke(np.c_[0.22 * _ACROSS, y - 0.02 * (1 - _ACROSS**2)], 0.018, skin * (1 - 0.22 * unit))


def _eye(pen: _Pen, who: np.void, au: dict[int, float], skin: float, side: int, shift: float) -> None:
    x0, y0, w = side * who["eye_distance"] + shift, -0.13, who["eye_width"]
    gap = who["eye_opening"] + 0.04 * au[5]
    up, down = gap * max(0.35, 1 - 0.35 * au[7]), gap * max(0.15, 1 - 0.5 * au[7] - 0.6 * au[6]) * 0.9
    arch = 1 - np.abs(_ACROSS) ** 2.2
    upper, lower = -up * arch, down * arch
    pen.area(np.c_[np.r_[x0 + w * _ACROSS, x0 + w * _ACROSS[::-1]], np.r_[y0 + upper, y0 + lower[::-1]]], 0.93)
    ball = 0.052
    iris = np.c_[ball * _COS, ball * _SIN]
    iris[:, 1] = np.clip(
        iris[:, 1], np.interp(iris[:, 0], w * _ACROSS, upper), np.interp(iris[:, 0], w * _ACROSS, lower)
    )
    pen.area(np.add(iris, (x0, y0)), 0.12)
    pen.stroke(np.c_[x0 + w * _ACROSS, y0 + upper], 0.022, 0.3 * skin)
    pen.stroke(np.c_[x0 + w * _ACROSS, y0 + lower], 0.012, 0.6 * skin)
    if (cheek := max(au[6], 0.7 * au[7])) > 0.2:
        pen.stroke(np.c_[x0 + 1.1 * w * _ACROSS, y0 + 0.075 + 0.025 * arch], 0.018, skin * (1 - 0.28 * cheek))
    if au[6] > 0.2:  # crow's feet, and the raised cheek
        corner = x0 + side * (w + 0.03)
        for rise in (-0.05, 0.0, 0.05):
            pen.stroke([(corner, y0 + 0.3 * rise), (corner + side * 0.06, y0 + rise)], 0.012, skin * (1 - 0.3 * au[6]))
        pen.area(np.c_[x0 + side * 0.05 + 0.10 * _COS, 0.12 - 0.02 * au[6] + 0.05 * _SIN], skin * (1 + 0.10 * au[6]))


def _brow(pen: _Pen, who: np.void, au: dict[int, float], skin: float, side: int, shift: float) -> None:
    x0, y0, thick = who["eye_distance"], who["brow_height"], who["brow_thickness"]
    inner = (x0 - 0.13 - 0.035 * au[4], y0 + 0.02 - 0.10 * au[1] + 0.085 * au[4])
    middle = (x0 + 0.01, y0 - 0.025 - 0.05 * au[1] - 0.07 * au[2] + 0.06 * au[4])
    outer = (x0 + 0.15, y0 + 0.02 - 0.10 * au[2] + 0.03 * au[4] + 0.025 * au[1])
    line = np.array([inner, middle, outer]) * (side, 1) + (shift, 0)
    tone = min(who["hair"], 0.55 * skin)
    ends = np.array([thick, 0.9 * thick, 0.4 * thick])
    pen.area(np.r_[line - np.c_[0 * ends, ends], (line + np.c_[0 * ends, ends])[::-1]], tone)
    if au[4] > 0.2:
        x = side * 0.045 + shift
        pen.stroke([(x, y0 + 0.00), (x * 0.9, y0 + 0.12)], 0.02, skin * (1 - 0.4 * au[4]))


def _nose(pen: _Pen, who: np.void, au: dict[int, float], skin: float, shift: float) -> None:
    w, wrinkle = who["nose_width"] * (1 + 0.25 * au[9]), max(au[9], 0)
    tip = -0.12 + who["nose_length"] + 0.02 - 0.035 * wrinkle
    x = 1.4 * shift
    pen.stroke([(x + 0.03, -0.10), (x + 0.045, tip - 0.06), (x + 0.8 * w, tip - 0.01)], 0.014, 0.82 * skin)
    pen.stroke(np.c_[x + 0.8 * w * _ACROSS, tip + 0.015 * (1 - _ACROSS**2)], 0.016, 0.65 * skin)
    fold = max(au[9], au[10], 0.8 * au[12])
    for side in (-1, 1):
        pen.area(np.c_[x + side * 0.55 * w + 0.02 * _COS, tip + 0.012 * _SIN], 0.35 * skin)
        if wrinkle > 0.2:
            for y in (-0.10, -0.05, 0.0):
                pen.stroke(
                    [(x + side * 0.02, y + 0.01), (x + side * 0.085, y - 0.02)], 0.016, skin * (1 - 0.4 * wrinkle)
                )
        if fold > 0.2:
            bend = 0.03 + 0.05 * au[12]
            line = [
                (x + side * (w + 0.02), tip - 0.02),
                (x + side * (w + 0.07 + bend), tip + 0.10),
                (x + side * (w + 0.09 + bend), tip + 0.20),
            ]
            pen.stroke(line, 0.018, skin * (1 - 0.35 * fold))


def _mouth(pen: _Pen, who: np.void, au: dict[int, float], skin: float, shift: float) -> None:
    w = who["mouth_width"] * (1 + 0.30 * au[12] + 0.35 * au[20] - 0.25 * au[23] - 0.10 * au[24] - 0.18 * au[26])
    y0 = 0.40 - 0.035 * au[17] + 0.02 * au[26]
    corner = y0 - 0.10 * au[12] + 0.08 * au[15] + 0.02 * au[20]
    open_ = 0.045 * au[25] + 0.12 * au[26]
    raised = 0.045 * au[10] + 0.02 * au[9]
    lip = who["lip"] * max(0.25, 1 - 0.45 * au[23] - 0.5 * au[24] - 0.25 * au[20] + 0.3 * au[17])
    arch = 1 - np.abs(_ACROSS) ** 2
    x = shift + w * _ACROSS
    top = corner + (y0 - 0.35 * open_ - raised - corner) * arch
    bottom = corner + (y0 + 0.75 * open_ + 0.012 * (au[10] > 0.2) - corner) * arch
    dip = 0.25 * lip * np.exp(-((_ACROSS / 0.25) ** 2))
    tone = 0.70 * skin if not who["beard"] else 0.62 * skin
    upper, lower = top - lip * arch**0.7 + dip, bottom + 1.3 * lip * arch**0.7
    pen.area(np.c_[np.r_[x, x[::-1]], np.r_[upper, lower[::-1]]], tone)
    if open_ > 0.012 or raised > 0.02:
        pen.area(np.c_[np.r_[x, x[::-1]], np.r_[top, bottom[::-1]]], 0.10)
        teeth = (
            np.minimum(bottom, top + 0.045)
            if au[12] > 0.3 or au[10] > 0.3 or au[20] > 0.3
            else top + 0.3 * (bottom - top)
        )
        pen.area(
            np.c_[np.r_[0.85 * (x - shift) + shift, (0.85 * (x - shift) + shift)[::-1]], np.r_[top, teeth[::-1]]], 0.9
        )
    else:
        pen.stroke(np.c_[x, (top + bottom) / 2], 0.02 + 0.012 * max(au[23], au[24]), 0.3 * skin)
    if au[12] > 0.2 or au[15] > 0.2:  # dimples at the corners
        for side in (-1, 1):
            at, pull = shift + side * (w + 0.025), 0.03 * (au[15] - au[12])
            pen.stroke(
                [(at, corner - 0.03 + pull), (at + side * 0.01, corner + 0.03 + pull)],
                0.016,
                skin * (1 - 0.35 * max(au[12], au[15])),
            )
    if au[17] > 0.2:
        chin = y0 + 0.75 * open_ + 0.12
        pen.stroke(np.c_[shift + 0.10 * _ACROSS, chin - 0.03 * arch], 0.02, skin * (1 - 0.35 * au[17]))
        pen.stroke([(shift - 0.03, chin + 0.07), (shift + 0.03, chin + 0.07)], 0.02, skin * (1 - 0.2 * au[17]))
