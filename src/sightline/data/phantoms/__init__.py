"""Procedural chest radiographs with exact lung and lesion masks, from hospitals that leave marks on their films."""

from sightline.data.phantoms.cohort import COUNTS, make_phantom_cohort
from sightline.data.phantoms.findings import FINDINGS, Finding
from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, NORTHGATE, RIVERSIDE, Film, Hospital, Marks
from sightline.data.phantoms.render import Phantom, render_phantom

__all__ = [
    "COUNTS",
    "FARFIELD",
    "FINDINGS",
    "HILLCREST",
    "NORTHGATE",
    "RIVERSIDE",
    "Film",
    "Finding",
    "Hospital",
    "Marks",
    "Phantom",
    "make_phantom_cohort",
    "render_phantom",
]
