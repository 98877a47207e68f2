"""XGrad-CAM: feature maps weighed by the gradient where they are large."""

from dataclasses import dataclass

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class XGradCAM(Explainer):
    r"""XGrad-CAM: features weighted by the mean of their gradient, each place counting by its share of the feature map.

    $$\tilde{A} = \mathrm{relu} \sum_f \Big(\sum_s \frac{A^f_s}{\sum_t A^f_t}
      \frac{\partial y}{\partial A^f_s}\Big) A^f$$

    Before it is rectified the map has the sum of `HiResCAM`'s. Where the gradient is the same at all places, as under
    global average pooling, the weights are those of `GradCAM`. A feature map that sums to 0, as a silent one, has no
    shares and weighs 0.

    Args:
        layer: as in `GradCAM`. Its features should not be negative: shares are large where a map's sum is small.
        grid: as in `GradCAM`.
        rectify: drop what speaks against the class.

    Reference:
        Fu et al. 2020, arXiv:2008.02312, section 3.
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
            total = features.in_space.sum(places, keepdim=True)
            silent = total == 0
            weighted = (gradient * features.in_space).sum(places, keepdim=True)
            return (weighted / total.masked_fill(silent, 1)).masked_fill(silent, 0)

        return explain_by_weighing(self, model, images, target, weigh)
