"""Occlusion: how far the score drops when a window of the image is hidden."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.attribution.changed_images import (
    Ask,
    Fill,
    Progress,
    check_at_least_one,
    check_fill,
    chunks,
    explain_by_changes,
    filling,
    weighted_sum,
)
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation


@dataclass(frozen=True)
class Occlusion(Explainer):
    r"""Occlusion: the mean drop of the score over the windows that cover a pixel.

    $$A_s = \frac{1}{|\{b : s \in W_b\}|} \sum_{b : s \in W_b} \big(y(x) - y(x \text{ with } W_b \text{ hidden})\big)$$

    Windows stand at the multiples of the stride along each axis, and the last one is cut off at the border, so that
    each pixel is covered. A window hides all channels, and one map explains them together. There are about $15^d$
    windows in $d$ dimensions by default. Each costs a forward pass, whose part of the graph is kept while grad mode is
    on: memory grows with the number of windows.

    Args:
        window: sides of the window in pixels, one for all axes or one each; None takes an eighth of each side of the
            image, rounded up.
        stride: step from window to window in pixels, one for all axes or one each; None takes half of the window. At
            most the window where that is not as large as the image.
        value: of hidden pixels; `"mean"` takes the mean of each channel of the image.
        batch_size: how many changed images are classified at once.
        progress: called after each chunk with how many changed images are classified, and how many there are.

    Reference:
        Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2 and figure 7d, who hide with grey and draw the probability
        of the class at the place of the window, low where the object is. Ours is the drop of the score, high there, and
        each pixel has the mean over all windows that cover it, as in captum's `Occlusion`.
    """

    window: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None
    value: Fill = 0.0
    batch_size: int = 64
    progress: Progress | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_at_least_one(batch_size=self.batch_size)
        check_fill(self.value)
        for name, lengths in (("window", self.window), ("stride", self.stride)):
            for length in lengths if isinstance(lengths, tuple) else (lengths,):
                if length is not None and length < 1:
                    raise SettingsError(f"{name} must be at least 1 pixel along each axis, got {lengths}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)`. See `Explainer`.

        Raises:
            ShapeError: window or stride do not fit the images.
        """
        sides = tuple(images.shape[2:])
        window, stride = self._geometry(sides)
        starts = [
            torch.arange(-((width - side) // step) + 1, device=images.device) * step
            for side, width, step in zip(sides, window, stride, strict=True)
        ]

        def draw(_: int, image: Tensor, ask: Ask) -> Tensor:
            fill, score = filling(image, self.value), ask(image[None].clone())
            drops, covers = image.new_zeros(()), image.new_zeros(())
            for (corners,) in chunks(self.batch_size, torch.cartesian_prod(*starts).view(-1, len(sides))):
                hidden = _inside(corners, window, sides)
                drops = drops + weighted_sum(score - ask(torch.where(hidden[:, None], fill, image)), hidden)
                covers = covers + hidden.sum(0)
            return drops / covers

        copies = 1 + torch.Size(map(len, starts)).numel()
        return explain_by_changes(model, images, target, draw, copies=copies, progress=self.progress)

    def _geometry(self, sides: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sides of the window, and steps from one to the next, along each axis."""
        window = _each_axis("window", self.window, tuple(-(-side // 8) for side in sides))
        stride = _each_axis("stride", self.stride, tuple(max(1, width // 2) for width in window))
        for side, width, step in zip(sides, window, stride, strict=True):
            if width > side:
                raise ShapeError(f"window must fit into images of {sides} pixels, got {window}")
            if step > width and width < side:
                raise ShapeError(f"stride must be at most the window {window}, or pixels are left out, got {stride}")
        return window, stride


def _each_axis(name: str, given: int | tuple[int, ...] | None, default: tuple[int, ...]) -> tuple[int, ...]:
    if given is None or isinstance(given, int):
        return default if given is None else (given,) * len(default)
    if len(given) != len(default):
        raise ShapeError(f"{name} must have a length for each of the {len(default)} spatial axes, got {given}")
    return given


def _inside(corners: Tensor, window: tuple[int, ...], sides: tuple[int, ...]) -> Tensor:
    """Which pixels the windows at `corners` `(B, d)` cover, `(B, *S)` bool."""
    inside = corners.new_ones(len(corners), dtype=torch.bool)
    for start, width, side in zip(corners.T, window, sides, strict=True):
        place = torch.arange(side, device=corners.device) - start.view(-1, *[1] * inside.ndim)
        inside = inside[..., None] & (place >= 0) & (place < width)
    return inside
