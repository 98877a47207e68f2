"""One patient's chest drawn on a plane, healthy and with findings."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Bools
from sightline.data.phantoms.body import body_cm, gas_cm
from sightline.data.phantoms.radiographs.air import draw_lungs
from sightline.data.phantoms.radiographs.blood import vessels_cm
from sightline.data.phantoms.radiographs.bones import bone_cm
from sightline.data.phantoms.radiographs.canvas import FINDINGS, Canvas, Change, Finding, Place
from sightline.data.phantoms.radiographs.consolidation import draw_consolidation
from sightline.data.phantoms.radiographs.effusion import draw_effusion
from sightline.data.phantoms.radiographs.heart import enlarge, heart_field
from sightline.data.phantoms.radiographs.nodule import draw_nodule
from sightline.data.phantoms.radiographs.patients import Patient, cardiothoracic_ratio
from sightline.data.phantoms.radiographs.plane import COARSEST, Plane, Single, stretch
from sightline.data.phantoms.radiographs.pneumothorax import draw_pneumothorax
from sightline.data.phantoms.skeleton import airway, trachea

_AIR = 0.78  # how much less a centimetre of lung weakens the beam than one of soft tissue
_FREE = 0.16  # how much less still one of free air
HEART, LUNGS = len(FINDINGS), len(FINDINGS) + 1  # bits of the masks


@dataclass(frozen=True)
class Chest:
    """A drawn chest, each `(side, side)` on its plane.

    Attributes:
        healthy: centimetres along each ray, without any finding.
        healthy_lungs: the lung fields without any finding.
        base: the same with the heart as it is.
        more: what the findings in the lungs add to it, None for nothing.
        bits: one bit a mask: the findings in the lungs in the order of `FINDINGS`, `HEART` and `LUNGS`.
        places: where each finding that is there lies.
        ratio: cardiothoracic ratio.
    """

    healthy: Single
    healthy_lungs: Bools
    base: Single
    more: Single | None
    bits: NDArray[np.uint8]
    places: Mapping[Finding, tuple[Place, ...]]
    ratio: float


def draw_chest(
    patient: Patient, severities: Mapping[Finding, float], plane: Plane, seeds: Mapping[str, np.random.SeedSequence]
) -> Chest:
    """Draw a chest.

    Args:
        patient: who.
        severities: of each finding that is there, in [0, 1].
        plane: where on.
        seeds: for `blood` and each of `FINDINGS`.
    """
    ill = patient.anatomy
    if "cardiomegaly" in severities:
        ill = enlarge(ill, np.random.default_rng(seeds["cardiomegaly"]), severities["cardiomegaly"])
    well_air, well_fields, outlines = draw_lungs(patient.anatomy, plane)
    air, fields = well_air, well_fields
    if ill is not patient.anatomy:
        air, fields, outlines = draw_lungs(ill, plane)
    # drawn with the healthy heart, so that an enlarged one changes nothing outside itself
    rng = np.random.default_rng(seeds["blood"])
    well = well_fields[RIGHT] | well_fields[LEFT]
    vessels = vessels_cm(patient.anatomy, rng, plane, well)
    solid = _solid(patient, plane)
    solid += vessels
    healthy = _aerate(solid, well_air)
    base = healthy if ill is patient.anatomy else _aerate(solid, air)
    canvas = Canvas(ill, plane, outlines, fields, air, vessels)
    changes = _find(canvas, severities, seeds)
    masks = {HEART: heart_field(outlines), LUNGS: fields[RIGHT] | fields[LEFT]}
    masks |= {FINDINGS.index(finding): change.support() for finding, change in changes.items()}
    bits = np.zeros(air.shape, np.uint8)
    for bit, mask in masks.items():
        bits |= mask * np.uint8(1 << bit)
    places = {finding: changes[finding].places if finding in changes else () for finding in severities}
    ratio = patient.ratio if ill is patient.anatomy else cardiothoracic_ratio(ill)
    return Chest(healthy, well, base, _together(canvas, changes), bits, places, ratio)


def _solid(patient: Patient, plane: Plane) -> Single:
    """Centimetres of soft tissue and bone along each ray, less the gas in stomach and airways."""
    anatomy = patient.anatomy
    u, v = (places.reshape(-1, COARSEST).mean(axis=1) for places in (plane.u, plane.v))
    solid = stretch(body_cm(anatomy, u[None], v[:, None]), COARSEST)
    bone = bone_cm(anatomy, plane)
    bone *= 1 - 0.004 * max(patient.age - 50, 0)
    solid += bone
    rows, columns = plane.rows(anatomy.dome[1], anatomy.dome[1] + 0.15), plane.columns(0, 0.35)
    solid[rows, columns] -= gas_cm(anatomy, plane.u[:, columns], plane.v[rows])
    rows, columns = plane.rows(-0.1, 0.37), plane.columns(-0.026, 0.018)
    solid[rows, columns] -= trachea(plane.u[:, columns])
    rows, columns = plane.rows(0.37, 0.49), plane.columns(-0.085, 0.12)
    solid[rows, columns] -= airway(plane.u[:, columns], plane.v[rows])
    return solid


def _aerate(solid: Single, air: Single) -> Single:
    """Centimetres of tissue that are left with the lungs' air."""
    rays: Single = -_AIR * air
    rays += solid
    return np.maximum(rays, 0, out=rays)


def _find(
    canvas: Canvas, severities: Mapping[Finding, float], seeds: Mapping[str, np.random.SeedSequence]
) -> dict[Finding, Change]:
    """Draw the findings in the lungs; what air or fluid would hide is left out or drawn elsewhere."""
    changes: dict[Finding, Change] = {}
    rngs = {finding: np.random.default_rng(seeds[finding]) for finding in severities}
    bare, dry = np.zeros_like(canvas.air, bool), 0
    if "pneumothorax" in severities:
        free = draw_pneumothorax(canvas, rngs["pneumothorax"], severities["pneumothorax"])
        changes["pneumothorax"], bare, dry = free, free.support(), free.places[0].side
    if "effusion" in severities:
        changes["effusion"] = draw_effusion(canvas, rngs["effusion"], severities["effusion"], dry=dry)
    if "consolidation" in severities:
        filled = draw_consolidation(canvas, rngs["consolidation"], severities["consolidation"])
        changes["consolidation"] = filled.outside(bare)
    if "nodule" in severities:
        dense = [change.filled for change in changes.values() if change.filled is not None]
        taken = np.logical_or.reduce([bare, *(filled > 0.15 for filled in dense)])
        changes["nodule"] = draw_nodule(canvas, rngs["nodule"], severities["nodule"], taken).outside(bare)
    return changes


def _together(canvas: Canvas, changes: Mapping[Finding, Change]) -> Single | None:
    """Centimetres that the findings in the lungs add along each ray."""
    if not changes:
        return None
    gone: Single | None = None  # share of the air
    more = np.zeros_like(canvas.air)
    for change in changes.values():
        if change.filled is not None:
            gone = change.filled if gone is None else gone + change.filled * (1 - gone)
        if change.added is not None:
            more += change.added
        if change.bare is not None:
            more -= change.bare * (_FREE * canvas.air + canvas.vessels)
    if gone is not None:
        more += gone * (_AIR * canvas.air - canvas.vessels)
    return more
