"""The audit of a trained model: where it looks, what moves its decisions, and how sure that is."""

from sightline.evaluation.audit.audit import Audit, audit, measure, measure_chunks
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Columns, Part, UnfitError
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject

__all__ = [
    "Audit",
    "Columns",
    "Folder",
    "Look",
    "Material",
    "Number",
    "Part",
    "Section",
    "Shown",
    "Subject",
    "UnfitError",
    "Verdict",
    "audit",
    "measure",
    "measure_chunks",
]
