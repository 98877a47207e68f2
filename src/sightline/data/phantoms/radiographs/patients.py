"""Who is on the film: age, sex and view drawn from a hospital's population, and an anatomy that goes with them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Floats, chest_wall, draw_anatomy, of_side, silhouette
from sightline.data.phantoms.hospitals import Population

_HEART = 0.3442  # width of a heart of scale 1: up to this, and 0.6 % less, as the diaphragm's level has it
_DOWN = np.linspace(0, 1, 80)
_MAGNIFIED = 1.07  # the heart of a film taken from the front, on which it lies farther from the detector


@dataclass(frozen=True)
class Patient:
    """One patient.

    Attributes:
        age: years.
        sex: `F` or `M`.
        view: `PA`, or `AP` where the film was taken at the bedside.
        anatomy: the healthy chest.
        ratio: cardiothoracic ratio of the healthy chest.
    """

    age: int
    sex: Literal["F", "M"]
    view: Literal["PA", "AP"]
    anatomy: Anatomy
    ratio: float


def draw_patient(rng: np.random.Generator, population: Population) -> Patient:
    """Draw one adult patient.

    Args:
        rng: generator that is advanced, by the same draws whatever the population.
        population: who comes to the hospital.
    """
    age = int(np.clip(rng.normal(*population.age), 18, 97))
    female, bedside = rng.random() < population.female, rng.random() < population.bedside
    ratio = float(np.clip(rng.normal(0.445 + 0.0004 * (age - 50), 0.024), 0.38, 0.49))
    size, bust, knob, rise = 0.955 + 0.01 * rng.normal(), rng.uniform(0.5, 1.25), rng.normal(0, 0.004), rng.random()
    anatomy = draw_anatomy(rng)
    anatomy = replace(anatomy, breast=0.0, knob=float(np.clip(0.02 + 0.0003 * (age - 45) + knob, 0.012, 0.042)))
    if female:
        width = (size * anatomy.width[0], size * anatomy.width[1])
        anatomy = replace(anatomy, width=width, depth_cm=0.95 * anatomy.depth_cm, breast=float(bust))
    if bedside:  # sitting up in bed: a shallower breath, the shoulders drawn up
        lift, ratio = 0.02 + 0.03 * float(rise), _MAGNIFIED * ratio
        dome = (anatomy.dome[0] - lift, anatomy.dome[1] - lift)
        anatomy = replace(anatomy, dome=dome, shoulder=anatomy.shoulder - 0.4 * lift)
    anatomy = replace(anatomy, heart=ratio * chest_width(anatomy) / _HEART)
    return Patient(age, "F" if female else "M", "AP" if bedside else "PA", anatomy, cardiothoracic_ratio(anatomy))


def cardiothoracic_ratio(anatomy: Anatomy) -> float:
    """Greatest width of the heart over that of the chest inside, above the diaphragm."""
    heart = 0.0
    for side in (RIGHT, LEFT):
        heart += float(silhouette(anatomy, side, _levels(anatomy, side)).max()) + of_side(anatomy.enlargement, side)
    return heart / chest_width(anatomy)


def chest_width(anatomy: Anatomy) -> float:
    """Greatest width of the chest inside, above the diaphragm."""
    return sum(float(chest_wall(anatomy, side, _levels(anatomy, side)).max()) for side in (RIGHT, LEFT))


def _levels(anatomy: Anatomy, side: int) -> Floats:
    levels: Floats = 0.4 + (of_side(anatomy.dome, side) - 0.4) * _DOWN
    return levels
