"""From a seed and a hospital to a chest radiograph with findings, exact masks and what is known of the patient."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.data.phantoms.anatomy import Bools
from sightline.data.phantoms.hospitals import Film, Hospital, Population
from sightline.data.phantoms.marks import mark_layers
from sightline.data.phantoms.projection import Projection
from sightline.data.phantoms.radiographs.canvas import FINDINGS, Finding, Place
from sightline.data.phantoms.radiographs.chest import HEART, LUNGS, Chest, draw_chest
from sightline.data.phantoms.radiographs.patients import Patient, draw_patient
from sightline.data.phantoms.radiographs.plane import COARSEST, Plane, Single, shrink, stretch
from sightline.data.phantoms.requests import check_patient

_TONES = 4096  # levels of the tone curve
_LOG_READINGS = np.log(np.linspace(1e-6, 1.3, _TONES, dtype=np.float32))


@dataclass(frozen=True)
class Lesion:
    """One finding on a film.

    Attributes:
        severity: from 0 to 1.
        places: where it lies; empty for the heart.
        mask: the pixels that it touches, `(size, size)`: inside the lungs, or for cardiomegaly the heart.
    """

    severity: float
    places: tuple[Place, ...]
    mask: Bools


@dataclass(frozen=True)
class Radiograph:
    """One radiograph and what is true of it.

    Attributes:
        film: grey level before the hospital's marks are put on, `(size, size)` in [0, 1], dense tissue bright.
        lungs: the lung fields, `(size, size)`.
        heart: the heart, `(size, size)`.
        lesions: what is there, by finding.
        patient: who is on it.
        ratio: cardiothoracic ratio.
        marks_seed: seeds the small differences of the marks from film to film.
    """

    film: Single
    lungs: Bools
    heart: Bools
    lesions: Mapping[Finding, Lesion]
    patient: Patient
    ratio: float
    marks_seed: np.random.SeedSequence

    def develop(self, hospital: Hospital) -> NDArray[np.uint8]:
        """Put a hospital's marks on, the same way each time and never over the lungs, and make 8 bits of it."""
        exact = 255 * self.film
        grey = np.rint(exact, out=exact).astype(np.uint8)
        if hospital.marks is not None:
            rng = np.random.default_rng(self.marks_seed)
            level, cover = mark_layers(hospital.marks, rng, len(grey), oversample=2, penumbra=False)
            marked = np.flatnonzero((cover > 0) & ~self.lungs)
            bare = self.film.take(marked) * (255 - cover.take(marked))
            grey.flat[marked] = np.rint(bare + level.take(marked))
        return grey


def make_radiograph(
    seed: int | Sequence[int],
    hospital: Hospital,
    size: int = 256,
    findings: Mapping[Finding, float] | None = None,
) -> Radiograph:
    """Make one patient's radiograph as a hospital would take it, its marks left to `Radiograph.develop`.

    The seed decides the patient and everything else, each part by a stream of its own: two calls that differ in one
    finding differ inside its mask only. For an enlarged heart that means that the edge enhancement ends at its border.
    (Two findings of one patient may make room for each other: a nodule is not drawn where fluid would hide it.)

    Args:
        seed: the patient; for a patient of a cohort `(cohort's seed, index)`.
        hospital: whose patients come and whose film it is.
        size: pixels along each side, at least 32.
        findings: severity in [0, 1] of each finding that is there; drawn from the hospital's population if None.

    Raises:
        SettingsError: a finding is unknown, a severity out of its range, or the size too small.
    """
    check_patient(findings or {}, FINDINGS, size)
    who, ill, exposure, marks, blood, *each = np.random.SeedSequence(seed).spawn(5 + len(FINDINGS))
    patient = draw_patient(np.random.default_rng(who), hospital.population)
    severities = draw_findings(np.random.default_rng(ill), hospital.population) if findings is None else findings
    rng = np.random.default_rng(exposure)
    plane = Plane(_position(hospital.film, rng, size))
    chest = draw_chest(patient, severities, plane, {"blood": blood, **dict(zip(FINDINGS, each, strict=True))})
    film = _expose(chest, plane, hospital.film, rng)
    bits = plane.touched(chest.bits)

    def mask(bit: int) -> Bools:
        return (bits & np.uint8(1 << bit)).astype(bool)

    lungs, heart = mask(LUNGS), mask(HEART)
    lesions = {
        name: Lesion(
            severities[name], chest.places[name], heart if name == "cardiomegaly" else mask(FINDINGS.index(name))
        )
        for name in FINDINGS
        if name in severities
    }
    return Radiograph(film, lungs, heart, lesions, patient, chest.ratio, marks)


def draw_findings(rng: np.random.Generator, population: Population) -> dict[Finding, float]:
    """Draw what a patient has, and how much of it, by the same draws whatever the population."""
    chances, severities = rng.random(len(FINDINGS)), rng.beta(1.3, 1.6, len(FINDINGS))
    return {
        finding: float(severity)
        for finding, chance, severity in zip(FINDINGS, chances, severities, strict=True)
        if chance < getattr(population, finding)
    }


def _position(film: Film, rng: np.random.Generator, size: int) -> Projection:
    angle = np.deg2rad(rng.uniform(-film.angle_degrees, film.angle_degrees))
    right, down = (float(x) for x in rng.uniform(-film.shift, film.shift, 2))
    return Projection(size, float(rng.uniform(*film.scale)), (right, down), float(angle))


def _expose(chest: Chest, plane: Plane, film: Film, rng: np.random.Generator) -> Single:
    """Tone curve, edge enhancement and grain; exposure is set on the healthy chest, so a finding changes nothing else.

    Args:
        chest: what is drawn.
        plane: where on.
        film: ranges of the look.
        rng: advanced by the same draws whatever the findings.

    Returns:
        Grey level in [0, 1], `(size, size)`.
    """
    size = plane.film.side
    gamma, noise, sharpening = (float(rng.uniform(*x)) for x in (film.gamma, film.noise, film.sharpening))
    sample = chest.healthy[::3, ::3]
    low = 0.72 * _quantile(sample[chest.healthy_lungs[::3, ::3]], 0.05)
    high = _quantile(sample, 0.985) + 1.5
    sharp = _sharpen(chest.base, sharpening, size)
    if chest.base is not chest.healthy:
        enlarged = (chest.bits & np.uint8(1 << HEART)).astype(bool)
        sharp = np.where(enlarged, sharp, _sharpen(chest.healthy, sharpening, size))
    if chest.more is not None:
        sharp += chest.more
    rays = plane.lay(sharp)
    rays -= low
    rays *= (_TONES - 1) / (1.3 * (high - low))
    reading = np.exp(gamma * _LOG_READINGS)
    above = (1.03 + 0.93 / math.tanh(1.1) * np.tanh(1.1 * reading)).astype(np.float32)  # the tone, and 1
    grey = above.take(np.clip(rays, 0, _TONES - 1, out=rays).astype(np.int32))
    grain = _grain(rng, size)
    grain *= 0.6 * noise
    grain += 1
    grey *= grain  # the brighter, the more
    grey -= 1
    return np.clip(grey, 0, 1, out=grey)


def _quantile(values: Single, share: float) -> float:
    last = int(share * (values.size - 1))
    return float(np.partition(values, last, axis=None)[last])


def _grain(rng: np.random.Generator, size: int) -> Single:
    """Noise of unit deviation, `(size, size)`: neighbours share theirs, and the sum of four is nearly normal."""
    side = size + 1
    drawn = np.frombuffer(rng.bytes(side**2), np.uint8).reshape(side, side).astype(np.uint16)
    pairs = drawn[1:] + drawn[:-1]
    grain = (pairs[:, 1:] + pairs[:, :-1]).astype(np.float32)
    grain -= 2 * 255
    grain *= math.sqrt(3) / 256  # each of the four varies by 256 / sqrt(12)
    return grain


def _sharpen(rays: Single, strength: float, size: int) -> Single:
    """Raise edges by what a blur takes away, inside the body."""
    coarse = ndimage.gaussian_filter(shrink(rays, COARSEST), 0.02 / COARSEST * size, truncate=2.5)
    sharp = stretch(coarse, COARSEST)
    np.subtract(rays, sharp, out=sharp)
    sharp *= strength
    sharp *= rays > 1
    sharp += rays
    return sharp
