"""Scanners: how each takes its scans, what it leaves on them besides the patient, and who lies in it."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.ct.grid import Grid, Single

_FIELD_MM = (360.0, 400.0)


@dataclass(frozen=True)
class CTPopulation:
    """Who comes to a scanner, and with what: shares are of all patients.

    Attributes:
        age: mean and deviation, years.
        female: share of women.
        consolidation: share with it.
        ground_glass: share with it.
        effusion: share with it.
        nodule: share with it.
        coronary_calcification: share with it.
        hiatal_hernia: share with it.
    """

    age: tuple[float, float] = (60.0, 14.0)
    female: float = 0.46
    consolidation: float = 0.3
    ground_glass: float = 0.3
    effusion: float = 0.3
    nodule: float = 0.35
    coronary_calcification: float = 0.3
    hiatal_hernia: float = 0.3


@dataclass(frozen=True)
class CTMarks:
    """What a scanner leaves on a scan outside the body.

    Attributes:
        table: the couch under the patient.
        leads: number of ECG wires on the chest.
        circle: whether what lies beyond the field of view is black.
    """

    table: Literal["flat", "curved", "cushion"]
    leads: int = 0
    circle: bool = False


@dataclass(frozen=True)
class Scanner:
    """A source of scans.

    Attributes:
        name: as in the cohort's column `source`.
        slice_mm: distance from slice to slice.
        kernel: of the reconstruction: above 0 how far it smooths, pixels, below 0 how much it sharpens.
        noise_hu: deviation of the noise within the body, lowest and highest.
        blood_hu: of the blood, lowest and highest: about 45 without contrast medium.
        field_mm: width of the square that a slice shows, lowest and highest.
        marks: what it leaves on scans; None for nothing.
        population: who lies in it.
    """

    name: str
    slice_mm: float = 3.0
    kernel: float = 0.5
    noise_hu: tuple[float, float] = (10.0, 18.0)
    blood_hu: tuple[float, float] = (40.0, 50.0)
    field_mm: tuple[float, float] = _FIELD_MM
    marks: CTMarks | None = None
    population: CTPopulation = field(default_factory=CTPopulation)

    def without_marks(self) -> "Scanner":
        """The same scanner with its marks left away."""
        return replace(self, marks=None)


_ACUTE = CTPopulation(age=(64, 15), consolidation=0.45, ground_glass=0.4, effusion=0.45, nodule=0.2)
_ONCOLOGY = CTPopulation(age=(66, 10), female=0.5, consolidation=0.2, ground_glass=0.2, effusion=0.25, nodule=0.55)
ATRIUM = Scanner("atrium", marks=CTMarks("flat"))
BEACON = Scanner(
    "beacon", kernel=-0.8, noise_hu=(20, 30), marks=CTMarks("curved", leads=5), blood_hu=(110, 190), population=_ACUTE
)
CEDAR = Scanner("cedar", kernel=0.8, noise_hu=(7, 12), marks=CTMarks("cushion", circle=True), population=_ONCOLOGY)
DELTA = Scanner("delta", slice_mm=5.0, kernel=0.6, noise_hu=(30, 45), field_mm=(390, 430))
SCANNERS: tuple[Scanner, ...] = (ATRIUM, BEACON, CEDAR)


def reconstruct(values: Single, body: Single, scanner: Scanner, rng: np.random.Generator) -> Single:
    """What a scanner makes of the patient: its kernel, and noise that is the same whatever the patient has.

    Args:
        values: HU, `(D, H, W)`.
        body: how many millimetres outside the body each voxel lies.
        scanner: the scanner.
        rng: generator that is advanced.
    """
    low, high = scanner.noise_hu
    level = float(rng.uniform(low, high))
    if scanner.kernel > 0:
        sharp: Single = ndimage.gaussian_filter(values, (0, scanner.kernel, scanner.kernel), truncate=3)
    else:
        blurred = ndimage.gaussian_filter(values, (0, 1, 1), truncate=3)
        sharp = values - np.float32(scanner.kernel) * (values - blurred)
    grain = rng.standard_normal(values.shape, np.float32)
    if scanner.kernel > 0:
        grain = ndimage.gaussian_filter(grain, (0, scanner.kernel, scanner.kernel), truncate=3)
    grain *= np.float32(level / max(float(grain[::4].std()), 1e-6))
    grain *= np.clip(0.5 - body / 60, 0.3, 1.2)  # more where more of the beam is lost
    return sharp + grain


def put_marks(
    values: Single, body: Single, middle: tuple[float, float], grid: Grid, marks: CTMarks, rng: np.random.Generator
) -> Single:
    """Put a scanner's marks on, outside the body only.

    Args:
        values: HU, `(D, H, W)`.
        body: how many millimetres outside the body each voxel lies.
        middle: of the body's section, (y, x).
        grid: the voxels.
        marks: what to put on.
        rng: draws the small differences from scan to scan; advanced by the same draws whatever the marks.
    """
    drop, sway, turns = float(rng.uniform(1, 5)), float(rng.uniform(-8, 8)), rng.uniform(-0.9, 0.9, 8)
    z, y, x = grid.axes
    back = float((middle[0] + np.where(body < 0, y - middle[0], -1e3)).max()) + drop
    aside = x - sway
    if marks.table == "flat":
        sheets = [np.maximum(np.abs(y - back - gap) - 1.6, np.abs(aside) - 205) for gap in (3.0, 34.0)]
    elif marks.table == "curved":
        bowl = back + 2 - 0.0011 * aside**2
        sheets = [np.maximum(np.abs(y - bowl - gap) - 2.0, np.abs(aside) - 175) for gap in (2.0, 26.0)]
    else:
        pad = np.maximum(np.abs(y - back - 9) - 8, np.abs(aside) - 160)
        sheets = [np.where(pad < 0, np.maximum(pad, -0.35 * grid.pixel_mm), pad), np.abs(y - back - 30) - 2.6]
    free = body > 0.8 * grid.pixel_mm
    marked = values.copy()
    for sheet in sheets:
        marked += grid.cover(sheet) * free * (np.float32(-190) - np.clip(marked, -1000, None))
    for turn in turns[: marks.leads]:  # a wire runs from each electrode, up along the chest
        wire = np.hypot(x - (110 * turn + 0.08 * z), body - 3.5) - 1.6
        front = (y < middle[0]) & (z < 150 + 40 * turn)
        marked += grid.cover(wire) * (free & front) * (np.float32(1400) - marked)
    if marks.circle:
        radius = 0.5 * grid.field_mm
        beyond = np.hypot(y - grid.shift_mm[0], x - grid.shift_mm[1]) > radius
        marked[beyond & free] = -1024
    return marked
