"""The healthy chest on a plane, ready for findings to be drawn into, and what a finding changes."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sightline.data.phantoms.anatomy import Anatomy, Bools, Outline
from sightline.data.phantoms.radiographs.plane import Plane, Single

Finding = Literal["consolidation", "effusion", "nodule", "pneumothorax", "cardiomegaly"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)
Zone = Literal["upper", "middle", "lower"]
ZONES: tuple[Zone, ...] = get_args(Zone)


@dataclass(frozen=True)
class Place:
    """Where one piece of a finding lies.

    Attributes:
        side: `RIGHT` or `LEFT`.
        zone: the third of the lung.
        size_mm: diameter of a nodule, or the distance of a pneumothorax's line from the chest wall; 0 for others.
    """

    side: int
    zone: Zone
    size_mm: float = 0.0


@dataclass(frozen=True)
class Canvas:
    """A patient's chest on a plane.

    Attributes:
        anatomy: the patient, with the heart as it is.
        plane: where it is drawn.
        outlines: of the right and the left lung.
        fields: the two lung fields, `(side, side)`.
        air: centimetres of lung along each ray.
        vessels: centimetres of blood.
    """

    anatomy: Anatomy
    plane: Plane
    outlines: dict[int, Outline]
    fields: dict[int, Bools]
    air: Single
    vessels: Single

    def zone(self, level: float) -> Zone:
        """The third of the lungs at a level."""
        top, bottom = min(self.anatomy.apex), max(self.anatomy.dome)
        return ZONES[int(np.clip(3 * (level - top) / (bottom - top), 0, 2))]


@dataclass(frozen=True)
class Change:
    """What a finding does to the rays, each `(side, side)` or None for nothing.

    Attributes:
        places: where.
        filled: share of the lung's air that is replaced by tissue or fluid.
        bare: share of the lung that is replaced by free air.
        added: centimetres of tissue added.
    """

    places: tuple[Place, ...]
    filled: Single | None = None
    bare: Single | None = None
    added: Single | None = None

    def support(self) -> Bools:
        """Where it changes anything."""
        parts = [part != 0 for part in (self.filled, self.bare, self.added) if part is not None]
        touched: Bools = np.logical_or.reduce(parts)
        return touched

    def outside(self, region: Bools) -> "Change":
        """The same change outside a region only."""
        parts = (self.filled, self.bare, self.added)
        filled, bare, added = (part if part is None else np.where(region, np.float32(0), part) for part in parts)
        return Change(self.places, filled, bare, added)
