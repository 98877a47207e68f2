r"""The first linear layer, where the rule knows what values a pixel may take.

$z^B$ counts each pixel from the darkest value where its weight is positive and from the brightest where it is negative:

$$R_i = \sum_j \frac{(x_i - l)\,w^+_{ij} + (x_i - h)\,w^-_{ij}}
                    {\sum_{i'} (x_{i'} - l)\,w^+_{i'j} + (x_{i'} - h)\,w^-_{i'j}} R_j$$

The flat rule shares $R_j$ evenly among all inputs of $j$, and the $w^2$ rule by the squared weights. A batch
normalisation that follows is merged into the weights.

Where the model multiplies its images by a mask $m$ first, pixel $i$ is counted from $m_i l$ and $m_i h$, the ends of
what it may be then; so one that is erased has no relevance. The other two rules leave out the pixels where $m$ is 0.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.composites import InputRule
from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.convolution import Geometry, convolution, transposed, transposed_both


@dataclass
class InputLayer:
    """A linear operation on the images themselves, and what became of its output so far.

    Attributes:
        x: what went in, `(N, C, *S)` or flattened `(N, D)`.
        weight: `(out, in / groups, *K)` or `(out, D)`.
        geometry: of a convolution; None for a linear layer.
        output: where the explanation of the rest of the network ends: the layer's output, batch-normalised where a
            batch normalisation follows, rectified where an in-place ReLU did so.
        scale: what the batch normalisation multiplied each channel by, `(out,)`.
        mask: what the images were multiplied by before, shaped as `x`; None for 1.
    """

    x: Tensor
    weight: Tensor
    geometry: Geometry | None
    output: Tensor
    scale: Tensor | None = None
    mask: Tensor | None = None

    def share(self, relevance: Tensor, rule: InputRule, *, epsilon: float, low: float, high: float) -> Tensor:
        """Share the relevance of the output among the pixels.

        Args:
            relevance: at `output`, shaped as it.
            rule: `"zb"`, `"flat"` or `"w_square"`.
            epsilon: added to the denominator; 0 becomes the machine epsilon, against 0/0.
            low: least value a pixel may have.
            high: greatest value a pixel may have.

        Returns:
            Relevance of each pixel, shaped as `x`, on the graph.

        Reference:
            Montavon et al. 2017, doi:10.1016/j.patcog.2016.11.008, eq. 14 (z^B) and 10 (w^2); Lapuschkin et al. 2019,
            doi:10.1038/s41467-019-08987-4 (flat).
        """
        # Under autocast the layer ran in half precision; two sums of one sign need more
        with torch.autocast(self.x.device.type, enabled=False):
            return self._share(relevance.to(self.x.dtype), rule, epsilon, low, high)

    def _share(self, r: Tensor, rule: InputRule, epsilon: float, low: float, high: float) -> Tensor:
        weight = self.weight.to(self.x.dtype)
        if self.scale is not None:
            weight = weight * self.scale.to(weight.dtype).view(-1, *(1,) * (weight.ndim - 1))
        if rule == "flat":
            ones, seen = torch.ones_like(weight), self._seen()
            # 0 of them where the kernel reads padding alone
            return seen * self._back(r / self._forward(seen, ones).clamp(min=1), ones)
        if rule == "w_square":
            squares, seen = weight.square(), self._seen()
            total = self._forward(seen, squares)
            return seen * self._back(r / (total + torch.finfo(total.dtype).eps), squares)
        positive, negative = weight.clamp(min=0), weight.clamp(max=0)
        if self.mask is None:
            from_low, from_high = self.x - low, self.x - high
        else:
            ends = self.mask.to(self.x) * low, self.mask.to(self.x) * high
            from_low, from_high = self.x - torch.minimum(*ends), self.x - torch.maximum(*ends)
        total = self._forward(from_low, positive) + self._forward(from_high, negative)
        share = r / (total + (epsilon or torch.finfo(total.dtype).eps))
        to_low, to_high = self._back_by_both(share, positive, negative)
        return from_low * to_low + from_high * to_high

    def _seen(self) -> Tensor:
        """1 where a pixel is not erased, shaped as `x`."""
        return torch.ones_like(self.x) if self.mask is None else (self.mask != 0).to(self.x)

    def _forward(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.geometry is None:
            return F.linear(x, weight)
        return convolution(x, weight, None, self.geometry, Drawing())

    def _back(self, s: Tensor, weight: Tensor) -> Tensor:
        return s @ weight if self.geometry is None else transposed(s, weight, self.x, self.geometry)

    def _back_by_both(self, s: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        if self.geometry is None:
            return s @ one, s @ other
        return transposed_both(s, one, other, self.x, self.geometry)
