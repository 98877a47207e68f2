"""LayerCAM: feature maps times the positive gradient, place by place."""

from dataclasses import dataclass

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class LayerCAM(Explainer):
    r"""LayerCAM: features times the positive part of their gradient, place by place, also at early layers.

    $$\tilde{A} = \mathrm{relu} \sum_f \mathrm{relu}\Big(\frac{\partial y}{\partial A^f}\Big) \odot A^f$$

    Args:
        layer: as in `GradCAM`. The paper takes the maximum of the maps of several layers, those of early ones first
            divided by their maximum and squashed by a hyperbolic tangent; ours are averaged as in `GradCAM`.
        grid: as in `GradCAM`.
        rectify: drop what is below zero, as the paper does.

    Reference:
        Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, section III.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = True

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""

        def weigh(features: FeatureMap, gradient: Tensor) -> Tensor:
            return gradient.relu()

        return explain_by_weighing(self, model, images, target, weigh)
