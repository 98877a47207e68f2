"""Radiographs with several findings at once, exact masks, simulated gaze and free-text reports."""

from sightline.data.phantoms.radiographs.canvas import FINDINGS, Finding, Place
from sightline.data.phantoms.radiographs.cohort import make_findings_cohort
from sightline.data.phantoms.radiographs.gaze import Gaze, simulate_gaze
from sightline.data.phantoms.radiographs.patients import Patient
from sightline.data.phantoms.radiographs.radiograph import Lesion, Radiograph, make_radiograph
from sightline.data.phantoms.radiographs.report import write_report

__all__ = [
    "FINDINGS",
    "Finding",
    "Gaze",
    "Lesion",
    "Patient",
    "Place",
    "Radiograph",
    "make_findings_cohort",
    "make_radiograph",
    "simulate_gaze",
    "write_report",
]
