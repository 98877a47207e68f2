"""CAM: feature maps weighed by the one linear layer behind global average pooling."""

from dataclasses import dataclass
from math import prod

from torch import Tensor, nn

from sightline.attribution.cam.features import FeatureMap, check_where
from sightline.attribution.cam.weighing import explain_by_weighing
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.errors import UnsupportedOperationError
from sightline.types import Explanation


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names are without the underscores that mark a method or in-place twin
_POOLING = _words("mean avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d")
_LINEAR = _words("linear matmul mm addmm conv1d conv2d conv3d")  # a convolution of the pooled features is linear
_KEEPING = _words(
    """
    view reshape flatten squeeze unsqueeze permute transpose movedim swapaxes T mT contiguous clone getitem select to
    type float double half bfloat16 dropout dropout1d dropout2d dropout3d feature_dropout
    """
)


@dataclass(frozen=True)
class CAM(Explainer):
    r"""CAM: the features of each place, weighed by the linear layer that reads their average.

    $$\tilde{A} = \sum_f w_f A^f, \qquad y = \sum_f w_f\, \tfrac{1}{|S|} \sum_s A^f_s + b$$

    Only for models whose last feature map goes through global average pooling and one linear layer. Whether a model is
    of this form is read off the functions that it calls behind that map, and off the gradient there, which must be the
    same at all places; $w$ is $|S|$ times that gradient. So CAM is $|S|$ times `GradCAM` and `HiResCAM` without
    rectification, and its mean is the score less the bias.

    Args:
        layer: as in `GradCAM`; a named one must give the last feature map.
        grid: as in `GradCAM`.
        rectify: drop what speaks against the class; the paper does not.

    Reference:
        Zhou et al. 2016, arXiv:1512.04150, section 2. The paper pools by a sum; its successors, and we, by a mean.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = False

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`.

        Raises:
            UnsupportedOperationError: the head is not global average pooling and one linear layer.
        """

        def weigh(features: FeatureMap, gradient: Tensor) -> Tensor:
            places = prod(gradient.shape[2:])
            _check_head(features)
            mean = gradient.mean(tuple(range(2, gradient.ndim)), keepdim=True)
            spread = (gradient - mean).abs()
            uneven = gradient.numel() and spread.amax() > 1e-3 * mean.abs().amax()  # a batch may be empty
            if features.layout.prefix or uneven:
                raise _refusal(features, "the pooling does not take all places, and places alone, alike")
            return places * mean

        return explain_by_weighing(self, model, images, target, weigh)


def _check_head(features: FeatureMap) -> None:
    if features.head is None:
        raise _refusal(features, "other features are between it and the logits")
    other = [name for name in features.head if name not in _POOLING | _LINEAR | _KEEPING]
    if other:
        raise _refusal(features, f"the head calls '{other[0]}'")
    if not any(name in _POOLING for name in features.head):
        raise _refusal(features, "nothing averages it")
    layers = sum(name in _LINEAR for name in features.head)
    if layers != 1:
        raise _refusal(features, f"{layers} linear layers follow")


def _refusal(features: FeatureMap, why: str) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        f"CAM needs a feature map that goes through global average pooling and one linear layer, but of "
        f"{features.name}: {why}; use HiResCAM, which is CAM up to a factor where CAM exists"
    )
