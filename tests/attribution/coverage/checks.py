"""What each method's map is compared with on every architecture; a check raises AssertionError or returns its name."""

from collections.abc import Callable
from dataclasses import dataclass

from .by_changes import lime, occlusion, rise
from .by_features import (
    OF_FEATURES,
    attention_rollout,
    cam,
    gradient_attention_rollout,
    guided_grad_cam,
    of_features,
    score_cam,
)
from .by_gradient import (
    deep_lift,
    expected_gradients,
    gradient_times_input,
    integrated_gradients,
    rectified,
    saliency,
    smooth_grad,
)
from .by_relevance import composite_lrp, lrp
from .methods import composite_of

Check = Callable[..., str]


@dataclass(frozen=True)
class About:
    """A check, for the page.

    Attributes:
        sign: one letter.
        says: what it says of the map.
    """

    sign: str
    says: str


ABOUT = {
    "gradient": About(
        "G",
        "It is the gradient of the plain model, times the image for `GradientTimesInput`; also where a method has a "
        "rule for ReLUs and the model has none.",
    ),
    "ReLUs": About(
        "R", "It is the gradient of a copy of the model whose ReLUs have the method's rule as their backward."
    ),
    "noise": About(
        "N", "It is the mean of the plain gradients at the noisy images, and without noise it is `Saliency`."
    ),
    "path": About(
        "P",
        "It is the sum of the plain gradients at the points of the path, and sums to the change of the score: to 1e-3 "
        "on a short path (`IntegratedGradients`), or with the gap that it reports (`ExpectedGradients`).",
    ),
    "difference": About("D", "It sums to the change of the score."),
    "limit": About(
        "L",
        "It sums to the change of the score with the gap that it reports, and as the change of the image becomes small "
        "it is, to 1e-3, the plain gradient times that change.",
    ),
    "formula": About(
        "F", "It is the formula, on features and gradients that a plain hook caught at the last feature map."
    ),
    "attention": About(
        "A",
        "It is the formula, on attention, and its gradients, that plain hooks computed from what each layer was given.",
    ),
    "product": About("X", "It is Grad-CAM by F, enlarged, times guided backpropagation by R or G."),
    "quotient": About(
        "Q",
        "Without a rule for pixels it is the image times the gradient of a copy whose ReLUs pass a / (a + ε); and S.",
    ),
    "sum": About(
        "S",
        "Without biases, with ε = 0 and attention held fixed, it sums to the logit, by the rule for pixels or without.",
    ),
    "balance": About(
        "B",
        "Without biases, with ε = 0 and attention held fixed, it and what each convolution absorbs sum to the logit.",
    ),
    "changes": About("C", "It follows from the scores of the changed images that the model was asked about."),
}
_CHECKS: dict[str, Check] = {
    "AttentionRollout": attention_rollout,
    "CAM": cam,
    "DeconvNet": rectified,
    "DeepLIFT": deep_lift,
    "ExpectedGradients": expected_gradients,
    "GradientAttentionRollout": gradient_attention_rollout,
    "GradientTimesInput": gradient_times_input,
    "GuidedBackpropagation": rectified,
    "GuidedGradCAM": guided_grad_cam,
    "IntegratedGradients": integrated_gradients,
    "LIME": lime,
    "LRP": lrp,
    "Occlusion": occlusion,
    "RISE": rise,
    "Saliency": saliency,
    "ScoreCAM": score_cam,
    "SmoothGrad": smooth_grad,
    **dict.fromkeys(OF_FEATURES, of_features),
}


def check_for(method: str) -> Check | None:
    """The check of a row; None where nobody has written one."""
    return composite_lrp if composite_of(method) else _CHECKS.get(method)
