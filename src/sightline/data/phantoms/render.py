"""From a seed, a finding and a hospital to a chest radiograph with its exact masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Bools, Floats, air_cm, draw_anatomy, lung
from sightline.data.phantoms.body import body_cm, gas_cm
from sightline.data.phantoms.findings import FINDINGS, Finding, draw_finding
from sightline.data.phantoms.hospitals import Film, Hospital
from sightline.data.phantoms.marks import stamp
from sightline.data.phantoms.projection import Projection
from sightline.data.phantoms.skeleton import airway_cm, bone_cm
from sightline.data.phantoms.vessels import vessels_cm
from sightline.errors import SettingsError

_OVERSAMPLE = 2
_AIR = 0.78  # how much less a centimetre of lung weakens the beam than one of soft tissue


@dataclass(frozen=True)
class Phantom:
    """One radiograph and what is true of it.

    Attributes:
        image: grey film, `(size, size)` uint8, dense tissue bright.
        lungs: the lung fields, `(size, size)` bool.
        lesion: the pixels that the finding touches, `(size, size)` bool, inside the lungs; all False when normal.
    """

    image: NDArray[np.uint8]
    lungs: Bools
    lesion: Bools


@dataclass(frozen=True)
class Exposure:
    """A film before its hospital's marks are put on.

    Attributes:
        film: grey level, `(size, size)` in [0, 1].
        lungs: as in `Phantom`.
        lesion: as in `Phantom`.
        marks_seed: seeds the small differences of the marks from film to film.
    """

    film: Floats
    lungs: Bools
    lesion: Bools
    marks_seed: np.random.SeedSequence

    def develop(self, hospital: Hospital) -> Phantom:
        """Put a hospital's marks on, the same way each time, and make 8 bits of it."""
        film = self.film
        if hospital.marks is not None:
            film = stamp(film, self.lungs, hospital.marks, np.random.default_rng(self.marks_seed))
        return Phantom(np.round(255 * np.clip(film, 0, 1)).astype(np.uint8), self.lungs, self.lesion)


def render_phantom(seed: int | Sequence[int], finding: Finding, hospital: Hospital, size: int = 96) -> Phantom:
    """Render one patient's radiograph.

    The seed alone decides the patient, the film's grain and the nudges of the marks, so that two calls that differ in
    the finding differ inside the lesion only, and two that differ in the marks differ outside the lungs only.

    Args:
        seed: the patient; for a patient of a cohort `(cohort's seed, index)`.
        finding: one of `FINDINGS`.
        hospital: exposes the film and leaves its marks.
        size: pixels along each side, at least 32.

    Raises:
        SettingsError: the finding is unknown or the size too small.
    """
    return expose(seed, finding, hospital.film, size).develop(hospital)


def expose(seed: int | Sequence[int], finding: Finding, film: Film, size: int) -> Exposure:
    """Render one patient without any hospital's marks; arguments and errors as in `render_phantom`."""
    if finding not in FINDINGS:
        raise SettingsError(f"finding must be one of {', '.join(FINDINGS)}, got {finding!r}")
    if size < 32:
        raise SettingsError(f"size must be at least 32 pixels for a chest to be seen, got {size}")
    body, blood, ill, exposure, marks = np.random.SeedSequence(seed).spawn(5)
    anatomy = draw_anatomy(np.random.default_rng(body))
    rng = np.random.default_rng(exposure)
    projection = _position(film, rng, _OVERSAMPLE * size)
    u, v = projection.coordinates()
    # every pixel of the final film that lung touches is lung, so that masks, lesion and marks are exact
    fields = lung(anatomy, RIGHT, u, v) | lung(anatomy, LEFT, u, v)
    lungs = np.asarray(_blocks(fields).any(axis=(1, 3)))
    fine_lungs = np.kron(lungs, np.ones((_OVERSAMPLE, _OVERSAMPLE), bool))
    opacity = draw_finding(finding, anatomy, np.random.default_rng(ill), u, v, fine_lungs)

    air = air_cm(anatomy, u, v)
    vessels = vessels_cm(anatomy, np.random.default_rng(blood), projection, fine_lungs)
    solid = ndimage.gaussian_filter(body_cm(anatomy, u, v), 0.006 * projection.side) + bone_cm(anatomy, projection)
    solid -= gas_cm(anatomy, u, v) + airway_cm(u, v)
    healthy = np.maximum(solid - _AIR * air + vessels, 0)
    filled = np.maximum(solid - _AIR * air * (1 - opacity) + vessels * (1 - opacity), 0)
    grey = _expose(healthy, filled, film, rng, fine_lungs)
    touched = _blocks(opacity).max(axis=(1, 3)) > 0
    return Exposure(grey, lungs, touched & lungs, marks)


def _position(film: Film, rng: np.random.Generator, side: int) -> Projection:
    angle = np.deg2rad(rng.uniform(-film.angle_degrees, film.angle_degrees))
    right, down = (float(x) for x in rng.uniform(-film.shift, film.shift, 2))
    return Projection(side, float(rng.uniform(*film.scale)), (right, down), float(angle))


def _blocks(fine: NDArray[Any]) -> NDArray[Any]:
    side = fine.shape[0] // _OVERSAMPLE
    return fine.reshape(side, _OVERSAMPLE, side, _OVERSAMPLE)


def _expose(healthy: Floats, filled: Floats, film: Film, rng: np.random.Generator, lungs: Bools) -> Floats:
    """Tone curve, edge enhancement and grain; exposure is set on the healthy chest, so a finding changes nothing else.

    Args:
        healthy: centimetres along each ray without the finding, `(2 size, 2 size)`.
        filled: the same with it.
        film: ranges of the look.
        rng: advanced by the same draws whatever the finding.
        lungs: the lung fields, `(2 size, 2 size)`.

    Returns:
        Grey level in [0, 1], `(size, size)`.
    """
    gamma, noise, sharpening = (float(rng.uniform(*x)) for x in (film.gamma, film.noise, film.sharpening))
    low = 0.72 * np.quantile(healthy[lungs], 0.05)
    high = np.quantile(healthy, 0.985) + 1.5
    detail = sharpening * (healthy - ndimage.gaussian_filter(healthy, 0.02 * healthy.shape[0]))
    reading = (filled + np.where(healthy > 1, detail, 0) - low) / (high - low)
    tone = np.clip(reading, 0, 1.3) ** gamma
    tone = 0.03 + 0.93 * np.tanh(1.1 * tone) / np.tanh(1.1)
    rows = tone[::2] + tone[1::2]
    grey = (rows[:, ::2] + rows[:, 1::2]) / 4
    grain = ndimage.gaussian_filter(rng.normal(size=grey.shape), 0.55) * 1.6
    grey = grey + noise * grain * (0.6 + 0.6 * grey)
    clipped: Floats = np.clip(grey, 0, 1)
    return clipped
