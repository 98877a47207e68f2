"""RISE: the mean score of the image seen through random masks that show a pixel."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.attribution.changed_images import (
    Ask,
    Progress,
    check_at_least_one,
    chunks,
    explain_by_changes,
    weighted_sum,
)
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.errors import SettingsError
from sightline.types import Explanation


@dataclass(frozen=True)
class RISE(Explainer):
    r"""RISE: the expected score under the condition that a random mask shows the pixel.

    $$A_s = \frac{1}{p\,B} \sum_{b=1}^{B} y(x \odot M_b)\, M_{b,s}, \qquad p = \mathbb{E}[M_{b,s}]$$

    A mask is a random grid of zeros and ones, enlarged by linear interpolation and shifted at random by up to a cell.
    The same masks look at every image, and one map explains all channels together. A map hovers around the mean score
    of masked images: differences within it tell, its sign does not. Each mask costs a forward pass, whose part of the
    graph is kept while grad mode is on: memory grows with the number of masks.

    Args:
        masks: how many, $B$.
        cells: of the grid along each axis.
        probability: that a cell shows the image, $p$.
        seed: of the masks.
        batch_size: how many changed images are classified at once.
        progress: called after each chunk with how many changed images are classified, and how many there are.

    Reference:
        Petsiuk et al. 2018, arXiv:1806.07421, eq. 6 and section 3.2. The paper's scores are probabilities; ours are
        what the target chooses, logits as in all explainers here (for probabilities, put a softmax behind the model).
        A cell is the side of the image divided by `cells`, rounded up as in the authors' code; rounded down as in the
        paper, masks can be smaller than the image.
    """

    masks: int = 1000
    cells: int = 7
    probability: float = 0.5
    seed: int = 0
    batch_size: int = 64
    progress: Progress | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_at_least_one(masks=self.masks, cells=self.cells, batch_size=self.batch_size)
        if not 0 < self.probability <= 1:
            raise SettingsError(f"probability must be above 0 and at most 1, got {self.probability}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)`. See `Explainer`."""
        sides = tuple(images.shape[2:])
        grids, shifts = (drawn.to(images.device) for drawn in self._draws(sides))

        def draw(_: int, image: Tensor, ask: Ask) -> Tensor:
            dtype, total = torch.promote_types(image.dtype, torch.float32), image.new_zeros(())
            for grid, shift in chunks(self.batch_size, grids, shifts):
                masks = enlarge(grid.to(dtype), shift, sides)
                total = total + weighted_sum(ask(image * masks[:, None].to(image.dtype)), masks)
            return total / (self.probability * self.masks)

        return explain_by_changes(model, images, target, draw, copies=self.masks, progress=self.progress)

    def _draws(self, sides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Grids `(B, *cells)` of zeros and ones, and shifts `(B, d)` from 0 to a cell, in pixels."""
        generator = torch.Generator().manual_seed(self.seed)
        grids = torch.rand(self.masks, *[self.cells] * len(sides), generator=generator) < self.probability
        shifts = torch.rand(self.masks, len(sides), generator=generator, dtype=torch.float64)
        return grids, (shifts * torch.tensor([_cell(side, self.cells) + 1 for side in sides])).long()


def enlarge(grids: Tensor, shifts: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Interpolate grids linearly to one cell more than the image along each axis, and cut the image out of that.

    Args:
        grids: `(B, *cells)`.
        shifts: first pixel of the cut along each axis, `(B, d)` int.
        sides: of the image, in pixels.

    Returns:
        Masks, `(B, *sides)`.
    """
    masks = grids
    for axis, (shift, side) in enumerate(zip(shifts.T, sides, strict=True), start=1):
        cells = grids.shape[axis]
        pixels = torch.arange(side, device=grids.device) + shift[:, None]
        place = (pixels + 0.5).to(grids.dtype) * cells / ((cells + 1) * _cell(side, cells)) - 0.5
        place = place.clamp(0, cells - 1).view(-1, *[1] * (axis - 1), side, *[1] * (grids.ndim - 1 - axis))
        before = place.long()
        lower, upper = (masks.take_along_dim(at, axis) for at in (before, (before + 1).clamp(max=cells - 1)))
        masks = lower + (place - before) * (upper - lower)
    return masks


def _cell(side: int, cells: int) -> int:
    return -(-side // cells)
