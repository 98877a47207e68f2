"""Grad-CAM++: feature maps weighed by positive gradients, less where the map is large."""

from dataclasses import dataclass

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class GradCAMPlusPlus(Explainer):
    r"""Grad-CAM++: features weighted by a sum of their positive gradients, for several objects of a class.

    $$\tilde{A} = \mathrm{relu} \sum_f \Big(\sum_s \alpha^f_s\, \mathrm{relu}(g^f_s)\Big) A^f, \qquad
      \alpha^f_s = \frac{(g^f_s)^2}{2 (g^f_s)^2 + (g^f_s)^3 \sum_t A^f_t} = \frac{1}{2 + g^f_s \sum_t A^f_t}, \qquad
      g = \frac{\partial y}{\partial A}$$

    The powers of the gradient are the second and third derivatives of $\exp y$ under the paper's assumption that $y$ is
    piecewise linear in $A$. We take the shortened fraction: it needs no guard against 0/0, and small gradients,
    whose squares would vanish beside such a guard, weigh as they should. The factor $\exp y$ that the paper's score
    has before its gradient is left out: it changes the scale of a map alone.

    Args:
        layer: as in `GradCAM`. Its features should not be negative: below zero the denominator may be 0.
        grid: as in `GradCAM`.
        rectify: drop what speaks against the class, as the paper does.

    Reference:
        Chattopadhay et al. 2018, arXiv:1710.11063, eq. 7 and 19; the shortened fraction is in Lerma and Lucas 2022,
        arXiv:2205.10838.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = True

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""

        def weigh(features: FeatureMap, gradient: Tensor) -> Tensor:
            places = tuple(range(2, gradient.ndim))
            positive = gradient.relu()
            return (positive / (2 + positive * features.in_space.sum(places, keepdim=True))).sum(places, keepdim=True)

        return explain_by_weighing(self, model, images, target, weigh)
