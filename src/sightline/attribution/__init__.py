"""Where a model looks: explanations of any classifier, differentiable, per class."""

from sightline.attribution.cam import GradCAM, HiResCAM, upsample_to
from sightline.attribution.explainer import Explainer
from sightline.attribution.gradient import GradientTimesInput, Saliency
from sightline.attribution.lrp import LRP
from sightline.attribution.targets import Class, EveryClass, Label, Predicted, RandomClass, Selection, Selective, Target

__all__ = [
    "LRP",
    "Class",
    "EveryClass",
    "Explainer",
    "GradCAM",
    "GradientTimesInput",
    "HiResCAM",
    "Label",
    "Predicted",
    "RandomClass",
    "Saliency",
    "Selection",
    "Selective",
    "Target",
    "upsample_to",
]
