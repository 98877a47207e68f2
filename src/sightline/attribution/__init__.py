"""Where a model looks: explanations of any classifier, differentiable, per class."""

from sightline.attribution.attention_rollout import AttentionRollout, GradientAttentionRollout
from sightline.attribution.cam import (
    CAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
    upsample_to,
)
from sightline.attribution.composites import COMPOSITES, AlphaBeta, Composite, Epsilon, Gamma, ZPlus
from sightline.attribution.deep_lift import DeepLIFT
from sightline.attribution.expected_gradients import ExpectedGradients
from sightline.attribution.explainer import Explainer
from sightline.attribution.gradient import DeconvNet, GradientTimesInput, GuidedBackpropagation, Saliency
from sightline.attribution.guided_grad_cam import GuidedGradCAM
from sightline.attribution.integrated_gradients import IntegratedGradients
from sightline.attribution.lime import LIME
from sightline.attribution.lrp import LRP, CompositeLRP
from sightline.attribution.occlusion import Occlusion
from sightline.attribution.rise import RISE
from sightline.attribution.smooth_grad import SmoothGrad
from sightline.attribution.streaming import explain_in_parts
from sightline.attribution.targets import (
    Class,
    EveryClass,
    Label,
    LogOdds,
    Predicted,
    RandomClass,
    Selection,
    Selective,
    Target,
)

__all__ = [
    "CAM",
    "COMPOSITES",
    "LIME",
    "LRP",
    "RISE",
    "AlphaBeta",
    "AttentionRollout",
    "Class",
    "Composite",
    "CompositeLRP",
    "DeconvNet",
    "DeepLIFT",
    "Epsilon",
    "EveryClass",
    "ExpectedGradients",
    "Explainer",
    "Gamma",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientAttentionRollout",
    "GradientTimesInput",
    "GuidedBackpropagation",
    "GuidedGradCAM",
    "HiResCAM",
    "IntegratedGradients",
    "Label",
    "LayerCAM",
    "LogOdds",
    "Occlusion",
    "Predicted",
    "RandomClass",
    "Saliency",
    "ScoreCAM",
    "Selection",
    "Selective",
    "SmoothGrad",
    "Target",
    "XGradCAM",
    "ZPlus",
    "explain_in_parts",
    "upsample_to",
]
