"""Labels from free-text reports: which findings a report tells, where, and which words say so."""

from sightline.regions.reports.files import ReportFile, read_reports
from sightline.regions.reports.hybrid import HybridReader, SentenceClassifier
from sightline.regions.reports.label import Evidence, ReportLabeller, ReportLabels
from sightline.regions.reports.scoring import FindingScore, compared, mean_f, read_labelled, score_findings, score_rows
from sightline.regions.reports.sentences import Sentence, sentences
from sightline.regions.reports.study import coarse_places, organ_codes, study_values

__all__ = [
    "Evidence",
    "FindingScore",
    "HybridReader",
    "ReportFile",
    "ReportLabeller",
    "ReportLabels",
    "Sentence",
    "SentenceClassifier",
    "coarse_places",
    "compared",
    "mean_f",
    "organ_codes",
    "read_labelled",
    "read_reports",
    "score_findings",
    "score_rows",
    "sentences",
    "study_values",
]
