"""HiResCAM: feature maps times the gradient, place by place."""

from dataclasses import dataclass

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class HiResCAM(Explainer):
    r"""HiResCAM: features times their gradient, place by place; faithful where the head is linear.

    $$\tilde{A} = \sum_f \frac{\partial y}{\partial A^f} \odot A^f$$

    Where one linear layer is all that follows the feature map, flattened or pooled, the map sums to the score less that
    layer's bias.

    Args:
        layer: as in `GradCAM`.
        grid: as in `GradCAM`.
        rectify: drop what speaks against the class.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, eq. 6.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = False

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""

        def weigh(features: FeatureMap, gradient: Tensor) -> Tensor:
            return gradient

        return explain_by_weighing(self, model, images, target, weigh)
