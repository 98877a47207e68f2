"""Protocols that put a model to the test: scores with intervals, shares of relevance, and the bias gap."""

from sightline.evaluation.bias_gap import bias_gap, paired_change
from sightline.evaluation.evaluate import EvaluationSettings, evaluate
from sightline.evaluation.maps import CaseMap, read_maps, write_maps
from sightline.evaluation.organ_iou import OrganIoU, organ_iou_of_run, read_organ_iou
from sightline.evaluation.organ_iou_change import OrganIoUChange, organ_iou_change
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.record import Evaluation, read_evaluation
from sightline.evaluation.saliency import Saliency, evaluate_saliency, read_saliency
from sightline.evaluation.saliency_change import SaliencyChange, saliency_change
from sightline.evaluation.scores import Scores, measure

__all__ = [
    "CaseMap",
    "Evaluation",
    "EvaluationSettings",
    "OrganIoU",
    "OrganIoUChange",
    "Predictions",
    "Saliency",
    "SaliencyChange",
    "Scores",
    "bias_gap",
    "evaluate",
    "evaluate_saliency",
    "measure",
    "organ_iou_change",
    "organ_iou_of_run",
    "paired_change",
    "read_evaluation",
    "read_maps",
    "read_organ_iou",
    "read_saliency",
    "saliency_change",
    "write_maps",
]
