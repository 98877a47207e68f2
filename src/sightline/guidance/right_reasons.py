"""Right for the right reasons: the gradient of the answer by the pixels must be small where the model may not look."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Saliency, Target
from sightline.attribution.targets import Selection
from sightline.errors import SettingsError, ShapeError
from sightline.guidance.aligned_maps import check_classes, common_region
from sightline.guidance.guidance import Guidance, GuidanceSettings, check_regions
from sightline.guidance.sharing import found, mean_over_processes
from sightline.types import Guided

Answers = Literal["all_classes", "label"]


@dataclass(frozen=True)
class RightReasonsSettings(GuidanceSettings):
    """Options of the penalty on gradients, with the paper's names in brackets.

    Attributes:
        method: its name.
        strength: [lambda_1], weight of the penalty beside the classification loss, at least 0; to be such that both are
            of one order of magnitude. The penalty is a sum over the pixels, about 100 for a ResNet of 96 x 96.
        answer: whose log-probabilities are differentiated: those of `all_classes` as in the paper, added up, or that of
            the `label`.
    """

    method: Literal["rrr"] = "rrr"
    strength: float = 0.01
    answer: Answers = "all_classes"

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise SettingsError(f"strength must be at least 0, got {self.strength}")
        if self.answer not in get_args(Answers):
            raise SettingsError(f"answer must be one of {', '.join(get_args(Answers))}, got {self.answer!r}")


class RightReasons(Guidance):
    r"""Classification, and a penalty on input gradients outside the region.

    $$L = L_C + \frac{\lambda_1}{N} \sum_n \sum_d \Big(A_{nd} \frac{\partial}{\partial x_{nd}} \sum_k
    \ln \hat y_{nk}\Big)^2, \qquad A = 1 - M$$

    The mean is over the images whose region is known; $\lambda_2$ of the paper is `optim.weight_decay`. With several
    labels an image each label is a choice of two: $\ln \hat y + \ln (1 - \hat y)$ stands for its $\sum_k$. With a
    region for each class, `label` has that of the label, and all classes together may look where any of them may.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `RightReasonsSettings`.

    Reference:
        Ross et al. 2017, arXiv:1703.03717, eq. 2. There all terms are sums over the images; ours are means, as the
        classification loss is. The code of the paper has a strength of 1000, for small perceptrons.
    """

    kind = RightReasonsSettings
    settings: RightReasonsSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, differentiate the answers by the pixels, and penalise what lies outside. See `Guidance`."""
        if not found(check_regions(images, regions)):
            logits = model(images)
            loss = self.classification_loss(logits, labels)
            return Guided(logits, loss, {"classification": loss.detach()})
        explanation = Saliency()(model, images, LogProbabilities(labels, of_label=self.settings.answer == "label"))
        classification = self.classification_loss(explanation.logits, labels)
        allowed = self._allowed(regions, labels, explanation.logits.shape[1])
        with torch.autocast(images.device.type, enabled=False):  # sums over many pixels need every digit
            penalty = gradient_penalty(explanation.attribution, allowed)
        loss = classification + self.settings.strength * penalty
        return Guided(
            explanation.logits, loss, {"classification": classification.detach(), "penalty": penalty.detach()}
        )

    def _allowed(self, regions: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Where each image's answer may look, `(N, 1, *S)`."""
        check_classes(regions, classes)
        if regions.shape[1] > 1 and self.settings.answer == "label" and labels.ndim == 1:
            return regions[torch.arange(len(regions), device=regions.device), labels].unsqueeze(1)
        return common_region(regions, classes)


def gradient_penalty(gradients: Tensor, regions: Tensor) -> Tensor:
    r"""Penalise gradients outside the region, $\sum_d (A_{nd}\, g_{nd})^2$.

    Args:
        gradients: $g$, `(N, C, *S)`.
        regions: $1 - A$, `(N, 1, *S)` in [0, 1]; NaN throughout a map that is unknown.

    Returns:
        Mean over the images with a known region, scalar; 0 when there are none.
    """
    gradients = gradients.to(torch.promote_types(gradients.dtype, torch.float32))
    allowed = regions.to(gradients)
    outside = (1 - allowed.nan_to_num(nan=1.0)) * gradients
    count = mean_over_processes((~allowed.flatten(1).isnan().any(1)).sum())
    return outside.square().sum() / torch.where(count > 0, count, 1)


@dataclass(frozen=True, eq=False)
class LogProbabilities(Target):
    r"""Log-probabilities of the answers: $\sum_k \ln \hat y_k$, or that of the label.

    Args:
        labels: class index `(N,)` int64 for a softmax over the classes; `(N, K)` float with NaN where unknown for a
            sigmoid each.
        of_label: that of the label, which is the classification loss with the other sign.

    Reference:
        Ross et al. 2017, arXiv:1703.03717, eq. 2.
    """

    labels: Tensor
    of_label: bool = False

    def select(self, logits: Tensor) -> Selection:
        """Return one score an image.

        Raises:
            ShapeError: the labels fit neither form.
        """
        if self.labels.shape != logits.shape[: self.labels.ndim]:
            raise ShapeError(
                f"labels must be ({len(logits)},) or {tuple(logits.shape)}, got {tuple(self.labels.shape)}"
            )

        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            labels = self.labels.to(logits.device)[rows]
            if labels.ndim == 1:
                log = logits.log_softmax(1)
                return (log.gather(1, labels[:, None]) if self.of_label else log).sum(1)[None]
            yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
            if not self.of_label:
                return (yes + no).sum(1)[None]
            known = ~labels.isnan()
            truth = labels.nan_to_num().to(logits)
            return torch.where(known, truth * yes + (1 - truth) * no, 0).sum(1)[None]

        return Selection(scores(logits, torch.arange(len(logits), device=logits.device)), again=scores)
