"""Class activation maps from the gradient at a feature map, returned at the resolution of that feature map."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, backward_passes, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Target
from sightline.errors import LayerNotFoundError, ShapeError
from sightline.types import Explanation


class _LastFeatureMap(TorchFunctionMode):
    """Keeps the last tensor of the forward pass that still has the axes of the images and more than one place."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images
        self.features: Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.requires_grad and result.ndim == self.images.ndim:
            places = result.shape[2:].numel()
            if places > 1 and len(result) == len(self.images):  # and not a weight that is computed
                self.features = result
        return result


def _features(model: nn.Module, images: Tensor, layer: str | None, drawing: Drawing) -> tuple[Tensor, Tensor]:
    """Logits and the feature map to explain at, both on the graph."""
    given = images.detach().requires_grad_().clone()  # the model may write to it
    freeze = Interception(given, drawing, strict=False)  # only batch norm answers: its samples must not mix
    if layer is None:
        watch = _LastFeatureMap(images)
        with freeze, watch:
            logits = model(given)
        if watch.features is None:
            raise LayerNotFoundError("no feature map with the axes of the images was seen; name a layer")
        return logits, watch.features
    modules = dict(model.named_modules())
    if layer not in modules:
        raise LayerNotFoundError(f"layer '{layer}' is not in the model; it has {', '.join(list(modules)[1:9])}, ...")
    caught: list[Any] = []
    hook = modules[layer].register_forward_hook(lambda module, inputs, output: caught.append(output))
    try:
        with freeze:
            logits = model(given)
    finally:
        hook.remove()
    if not caught or not isinstance(caught[-1], Tensor) or caught[-1].ndim != images.ndim:
        raise ShapeError(f"layer '{layer}' must give one feature map of {images.ndim} axes")
    return logits, caught[-1]


def _cam(
    model: nn.Module, images: Tensor, target: Target, layer: str | None, combine: Callable[[Tensor, Tensor], Tensor]
) -> Explanation:
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        drawing = Drawing()
        logits, features = _features(model, images, layer, drawing)
        selection = select(target, logits, images)
        cs = [c for (c,) in backward_passes(selection, [features], drawing, create_graph=keep_graph) if c is not None]
        attribution = stack_maps([combine(features, c) for c in cs], selection)
    if not keep_graph:
        logits, attribution = logits.detach(), attribution.detach()
    return Explanation(logits, attribution, selection.classes)


@dataclass(frozen=True)
class GradCAM(Explainer):
    r"""Grad-CAM: features weighted by their spatially averaged gradient.

    $$\tilde{A} = \mathrm{relu} \sum_f \Big(\tfrac{1}{|S|} \sum_s \tfrac{\partial y}{\partial A^f_s}\Big) A^f$$

    Args:
        layer: dotted name of the layer to watch, as in `model.named_modules()`; None takes the last feature map before
            the head. Its output must not be changed in place by what follows.
        rectify: drop what speaks against the class, as the paper does.

    Reference:
        Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74, eq. 1 and 2.
    """

    layer: str | None = None
    rectify: bool = True

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""

        def combine(features: Tensor, c: Tensor) -> Tensor:
            weights = c.mean(dim=tuple(range(2, c.ndim)), keepdim=True)
            cam = (weights * features).sum(1, keepdim=True)
            return cam.relu() if self.rectify else cam

        return _cam(model, images, target, self.layer, combine)


@dataclass(frozen=True)
class HiResCAM(Explainer):
    r"""HiResCAM: features times their gradient, place by place; faithful where the head is linear.

    $$\tilde{A} = \sum_f \frac{\partial y}{\partial A^f} \odot A^f$$

    Args:
        layer: as in `GradCAM`.
        rectify: drop what speaks against the class.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, eq. 6.
    """

    layer: str | None = None
    rectify: bool = False

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""

        def combine(features: Tensor, c: Tensor) -> Tensor:
            cam = (c * features).sum(1, keepdim=True)
            return cam.relu() if self.rectify else cam

        return _cam(model, images, target, self.layer, combine)


def upsample_to(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bring maps to the size of the images by (bi-, tri-)linear interpolation.

    Args:
        maps: `(N, C, *s)` with one, two or three spatial axes.
        size: spatial size wanted.

    Returns:
        `(N, C, *size)`, on the graph.
    """
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(len(size))
    if mode is None or maps.ndim != len(size) + 2:
        raise ShapeError(
            f"maps must have {len(size)} spatial axes, from 1 to 3, to become {size}, got {tuple(maps.shape)}"
        )
    return F.interpolate(maps, size=size, mode=mode, align_corners=False)
