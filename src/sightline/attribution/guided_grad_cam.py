"""Guided Grad-CAM: where a class is seen, times which pixels make the network see anything."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.cam.features import check_where
from sightline.attribution.cam.grad_cam import GradCAM
from sightline.attribution.cam.upsampling import upsample_to
from sightline.attribution.chosen import Chosen
from sightline.attribution.explainer import Explainer, classify, evaluation_mode, recording, select
from sightline.attribution.gradient import GuidedBackpropagation
from sightline.attribution.targets import Target
from sightline.types import Explanation


@dataclass(frozen=True)
class GuidedGradCAM(Explainer):
    r"""Grad-CAM, enlarged to the image by linear interpolation, times guided backpropagation.

    $$\tilde{A} = \mathrm{up}(\tilde{A}_\text{Grad-CAM}) \odot \tilde{A}_\text{guided}$$

    The first factor depends on the class, the second on the pixels; it makes the map sharp, but hardly depends on the
    weights (see `GuidedBackpropagation`), so do not judge a classifier by details of the map. Its scale is not that of
    the score: it is a product of two maps that are.

    Logits are those of the model in the mode it is in; the map is that of evaluation mode. The class is chosen once.

    Args:
        layer: as in `GradCAM`.
        grid: as in `GradCAM`.

    Reference:
        Selvaraju et al. 2017, arXiv:1610.02391, section 3.2.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_where(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map has the shape of the images. See `Explainer`.

        Raises:
            LayerNotFoundError: as in `GradCAM`.
            ShapeError: as in `GradCAM`.
        """
        keep_graph = torch.is_grad_enabled()
        with recording(images), torch.set_grad_enabled(keep_graph):  # each factor records for itself
            logits = classify(model, images.detach().clone())  # the model may write to it
            selection = select(target, logits, images)
            chosen = Chosen(selection)
            with evaluation_mode(model):
                coarse = GradCAM(self.layer, self.grid)(model, images, chosen).attribution
                fine = GuidedBackpropagation()(model, images, chosen).attribution
            maps = coarse.flatten(0, 1) if selection.every else coarse
            large = upsample_to(maps, tuple(images.shape[2:]))
            attribution = large.reshape(*fine.shape[: -large.ndim + 1], *large.shape[1:]) * fine
        return Explanation(logits, attribution, selection.classes)
