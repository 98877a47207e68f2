"""Chest CT in three dimensions with organ labels, several findings at once and exact lesion masks."""

from sightline.data.phantoms.ct.cohort import CT_COUNTS, make_ct_cohort
from sightline.data.phantoms.ct.grid import Grid
from sightline.data.phantoms.ct.lesions import CT_FINDINGS, CTFinding, Place
from sightline.data.phantoms.ct.organs import ORGANS, PARTITION
from sightline.data.phantoms.ct.report import write_report
from sightline.data.phantoms.ct.scanners import ATRIUM, BEACON, CEDAR, DELTA, SCANNERS, CTMarks, CTPopulation, Scanner
from sightline.data.phantoms.ct.shortcuts import SHORTCUTS, Shortcut
from sightline.data.phantoms.ct.volume import CTLesion, CTPhantom, make_ct

__all__ = [
    "ATRIUM",
    "BEACON",
    "CEDAR",
    "CT_COUNTS",
    "CT_FINDINGS",
    "DELTA",
    "ORGANS",
    "PARTITION",
    "SCANNERS",
    "SHORTCUTS",
    "CTFinding",
    "CTLesion",
    "CTMarks",
    "CTPhantom",
    "CTPopulation",
    "Grid",
    "Place",
    "Scanner",
    "Shortcut",
    "make_ct",
    "make_ct_cohort",
    "write_report",
]
