"""Grad-CAM: feature maps weighed by the mean gradient."""

from dataclasses import dataclass

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing, explain_by_weighing_and_by_pixels
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class GradCAM(Explainer):
    r"""Grad-CAM: features weighted by their spatially averaged gradient.

    $$\tilde{A} = \mathrm{relu} \sum_f \Big(\tfrac{1}{|S|} \sum_s \tfrac{\partial y}{\partial A^f_s}\Big) A^f$$

    Args:
        layer: dotted name of the layer to watch, as in `model.named_modules()`, or several. None takes the last feature
            map before the head that has a place on which the scores depend; where a class token alone is read at the
            end, as in many vision transformers, the last normalised such map, which is what the last attention reads.
            Maps of several layers, each rectified by itself, are brought to the largest of their resolutions by linear
            interpolation, multiplied by the ratio of the numbers of places, so that each keeps its sum and none counts
            more for being coarse, and averaged. (The papers and other packages divide each by its maximum instead,
            which leaves the scale of the score.)
        grid: places of tokens along each axis of the image, for a layer that gives `(N, T, C)`; None finds it from the
            patch embedding or the shape of the image. What comes before the places, such as a class token, is left
            out.
        rectify: drop what speaks against the class, as the paper does.

    Reference:
        Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74, eq. 1 and 2.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = True

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`.

        Raises:
            LayerNotFoundError: the layer is not in the model, or is not called just once.
            ShapeError: the layer gives no feature map, or it cannot be told how its tokens lie in the image.
        """
        return explain_by_weighing(self, model, images, target, _mean_gradient)

    def with_times_input(self, model: nn.Module, images: Tensor, target: Target) -> tuple[Explanation, Explanation]:
        """Explain by Grad-CAM and, from the same two passes, as `GradientTimesInput` does; raises as a call."""
        return explain_by_weighing_and_by_pixels(self, model, images, target, _mean_gradient)


def _mean_gradient(features: FeatureMap, gradient: Tensor) -> Tensor:
    del features
    return gradient.mean(tuple(range(2, gradient.ndim)), keepdim=True)
