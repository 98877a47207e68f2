"""From a seed and a scanner to a chest CT with findings, organ labels and exact lesion masks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Bools
from sightline.data.phantoms.ct.bones import paint_cage, paint_spine
from sightline.data.phantoms.ct.grid import Canvas, Grid, Single
from sightline.data.phantoms.ct.lesions import (
    CT_FINDINGS,
    Change,
    CTFinding,
    Lungs,
    Place,
    apply_change,
    draw_lung_finding,
)
from sightline.data.phantoms.ct.mediastinal import MEDIASTINAL, Mediastinum, draw_mediastinal_finding
from sightline.data.phantoms.ct.organs import (
    AIR_HU,
    CARINA,
    ORGANS,
    PARTITION,
    paint_abdomen,
    paint_airways,
    paint_body,
    paint_heart,
    paint_lungs,
    paint_vessels,
    partition,
)
from sightline.data.phantoms.ct.scanners import CTPopulation, Scanner, put_marks, reconstruct
from sightline.data.phantoms.ct.shortcuts import put_shortcuts
from sightline.data.phantoms.ct.thorax import Thorax, draw_thorax
from sightline.data.phantoms.ct.trees import draw, grow
from sightline.data.phantoms.requests import check_patient, check_share

REACH_PIXELS = 3  # how far beyond its mask a finding shows, within its slice: the reconstruction smooths
_HILA = {RIGHT: (CARINA + 22, 12.0, -44.0), LEFT: (CARINA + 20, 18.0, 46.0)}


@dataclass(frozen=True)
class CTLesion:
    """One finding in a scan.

    Attributes:
        severity: from 0 to 1.
        places: where it lies.
        mask: the voxels that it takes up or part of, in a lung or between them, `(D, H, W)`.
    """

    severity: float
    places: tuple[Place, ...]
    mask: Bools


@dataclass(frozen=True, eq=False)
class CTPhantom:
    """One scan and what is true of it.

    Attributes:
        grid: the voxels.
        values: HU before the scanner's marks are put on, `(D, H, W)`.
        labels: number of the organ as in `ORGANS`, 0 elsewhere, `(D, H, W)`.
        parts: number of the part of the chest as in `PARTITION`, 0 elsewhere, `(D, H, W)`.
        lesions: what is there, by finding.
        body: how many millimetres outside the body each voxel lies.
        age: years.
        sex: `F` or `M`.
        blood_hu: of the blood: about 45 without contrast medium.
        marks_seed: seeds the small differences of the marks from scan to scan.
    """

    grid: Grid
    values: Single
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    lesions: Mapping[CTFinding, CTLesion]
    body: Single
    age: int
    sex: Literal["F", "M"]
    blood_hu: float
    marks_seed: np.random.SeedSequence

    @property
    def lungs(self) -> Bools:
        """Both lungs, with what is in them."""
        return np.isin(self.labels, (ORGANS["lung_right"], ORGANS["lung_left"]))

    def allowed(self, finding: CTFinding) -> tuple[int, ...]:
        """Parts of the chest, as numbers of `PARTITION`, in which a finding lies that is there."""
        return tuple(int(part) for part in np.unique(self.parts[self.lesions[finding].mask]) if part)

    def develop(self, scanner: Scanner, shortcuts: Collection[CTFinding] = ()) -> NDArray[np.int16]:
        """Put a scanner's marks and shortcuts on, never in the body, and make whole HU of it; the same way each time.

        Args:
            scanner: whose marks.
            shortcuts: findings whose object is put on.
        """
        values = self.values
        if scanner.marks is not None:
            rng = np.random.default_rng(self.marks_seed)
            values = put_marks(values, self.body, (10.0, 0.0), self.grid, scanner.marks, rng)
        if shortcuts:
            apart = np.random.SeedSequence(self.marks_seed.entropy, spawn_key=(*self.marks_seed.spawn_key, 0))
            values = put_shortcuts(values, self.body, self.grid, shortcuts, np.random.default_rng(apart))
        return np.rint(np.clip(values, -1024, 3071)).astype(np.int16)


def make_ct(
    seed: int | Sequence[int],
    scanner: Scanner,
    size: int = 128,
    findings: Mapping[CTFinding, float] | None = None,
    *,
    least_severity: float = 0.0,
) -> CTPhantom:
    """Make one patient's chest CT as a scanner would take it, its marks left to `CTPhantom.develop`.

    The seed decides the patient and everything else, each part by a stream of its own: two calls that differ in one
    finding differ within `REACH_PIXELS` of its mask only, where the reconstruction smooths over the edge.

    Args:
        seed: the patient; for a patient of a cohort `(cohort's seed, index)`.
        scanner: whose patients come and whose scan it is.
        size: rows and columns, at least 32.
        findings: severity in [0, 1] of each finding that is there; drawn from the scanner's population if None.
        least_severity: of the findings that are drawn, in [0, 1].

    Raises:
        SettingsError: a finding is unknown, a severity out of its range, or the size too small.
    """
    check_patient(findings or {}, CT_FINDINGS, size)
    check_share(least_severity, "least_severity")
    who, ill, scan, tissue, grain, marks, *each = np.random.SeedSequence(seed).spawn(6 + len(CT_FINDINGS))
    rng = np.random.default_rng(who)
    age, female = int(np.clip(rng.normal(*scanner.population.age), 18, 97)), rng.random() < scanner.population.female
    thorax = draw_thorax(rng, female=female)
    severities = findings
    if severities is None:
        severities = draw_ct_findings(np.random.default_rng(ill), scanner.population, least=least_severity)
    rng = np.random.default_rng(scan)
    grid = Grid(size, float(rng.uniform(*scanner.field_mm)), scanner.slice_mm, _shift(rng))
    blood = float(rng.uniform(*scanner.blood_hu))
    canvas = Canvas(grid, np.full(grid.shape, AIR_HU, np.float32), np.zeros(grid.shape, np.uint8))
    body, lungs = _paint(canvas, thorax, blood, np.random.default_rng(tissue))
    parts = partition(canvas, thorax)
    mediastinum = Mediastinum(thorax, parts == PARTITION["mediastinum"])
    changes = _find(canvas, lungs, mediastinum, severities, dict(zip(CT_FINDINGS, each, strict=True)))
    lesions = {name: CTLesion(severities[name], change.places, change.share > 0) for name, change in changes.items()}
    values = reconstruct(canvas.values, body, scanner, np.random.default_rng(grain))
    return CTPhantom(grid, values, canvas.labels, parts, lesions, body, age, "F" if female else "M", blood, marks)


def draw_ct_findings(
    rng: np.random.Generator, population: CTPopulation, *, least: float = 0.0
) -> dict[CTFinding, float]:
    """Draw what a patient has, and how much of it from `least` to 1, by the same draws whatever the population."""
    chances, severities = rng.random(len(CT_FINDINGS)), rng.beta(1.3, 1.6, len(CT_FINDINGS))
    return {
        finding: least + (1 - least) * float(severity)
        for finding, chance, severity in zip(CT_FINDINGS, chances, severities, strict=True)
        if chance < getattr(population, finding)
    }


def _shift(rng: np.random.Generator) -> tuple[float, float]:
    down, aside = (float(part) for part in rng.uniform(-8, 8, 2))
    return 12 + down, aside


def _paint(canvas: Canvas, thorax: Thorax, blood: float, rng: np.random.Generator) -> tuple[Single, Lungs]:
    """Paint the healthy patient; return how far outside the body each voxel lies, and the lungs."""
    body = paint_body(canvas, thorax)
    paint_cage(canvas, thorax)
    paint_abdomen(canvas, thorax, blood)
    cells = ndimage.gaussian_filter(rng.standard_normal((40, 48, 48)), 1.3).astype(np.float32)
    scale = [count / cell for count, cell in zip(canvas.grid.shape, cells.shape, strict=True)]
    texture = ndimage.zoom(cells * np.float32(16 / cells.std()), scale, order=1, mode="nearest", grid_mode=True)
    outside = paint_lungs(canvas, thorax, texture)
    paint_spine(canvas, thorax)
    paint_heart(canvas, thorax, blood)
    paint_vessels(canvas, thorax, blood)
    paint_airways(canvas)
    fields = {RIGHT: canvas.labels == ORGANS["lung_right"], LEFT: canvas.labels == ORGANS["lung_left"]}
    near = np.minimum(outside[RIGHT], outside[LEFT])
    vessels, lumens, walls = (np.zeros(canvas.grid.shape, np.float32) for _ in range(3))
    for side, hilum in _HILA.items():
        for radius, count in ((4.6, 8), (3.6, 7)):  # arteries and veins
            tree = grow(rng, hilum, side, trunks=count, radius=radius, length=34, generations=6)
            np.maximum(vessels, draw(tree, canvas.grid), out=vessels)
        bronchi = grow(rng, hilum, side, trunks=5, radius=3.6, length=26, generations=4)
        np.maximum(lumens, draw(bronchi, canvas.grid), out=lumens)
        np.maximum(walls, draw(bronchi, canvas.grid, thicker=1.1), out=walls)
    inside = np.clip(-near / 6 - 0.3, 0, 1) * (fields[RIGHT] | fields[LEFT])
    for share, value in ((vessels, blood), (walls, -120.0), (lumens, -985.0)):
        canvas.add(share * inside * (np.float32(value) - canvas.values))
    return body, Lungs(thorax, lumens * inside, fields)


def _find(
    canvas: Canvas,
    lungs: Lungs,
    mediastinum: Mediastinum,
    severities: Mapping[CTFinding, float],
    seeds: Mapping[str, np.random.SeedSequence],
) -> dict[CTFinding, Change]:
    """Draw the findings; where there is fluid there is no lung for others."""
    changes: dict[CTFinding, Change] = {}
    fluid, back = np.zeros(canvas.grid.shape, bool), np.inf
    for finding in sorted(severities, key=lambda name: name != "effusion"):
        rng, severity = np.random.default_rng(seeds[finding]), severities[finding]
        if finding in MEDIASTINAL:
            change = draw_mediastinal_finding(finding, canvas, mediastinum, rng, severity)
        else:
            change = draw_lung_finding(finding, canvas, lungs, rng, severity, back=back)
        if finding == "effusion":
            fluid = change.share > 0
            back = min(place.middle[1] - 0.5 * place.size_mm for place in change.places) - 10
        else:
            change = _visible(replace(change, share=np.where(fluid, np.float32(0), change.share)), canvas.grid)
        changes[finding] = change
        apply_change(canvas, change)
    return {finding: changes[finding] for finding in CT_FINDINGS if finding in changes}


def _visible(change: Change, grid: Grid) -> Change:
    """Drop the places of which nothing is left."""
    kept = []
    for place in change.places:
        z, y, x = place.middle
        reach = 0.5 * place.size_mm
        if change.share[grid.box((z - reach, y - reach, x - reach), (z + reach, y + reach, x + reach))].any():
            kept.append(place)
    return replace(change, places=tuple(kept))
