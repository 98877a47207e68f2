r"""The mask loss of one image: what a model's attention costs where a class may not be looked for.

The attention is signed and on the scale of the logits: what is above 0 speaks for the class. Where one fully connected
layer is all that follows the last features, it is at hand in the forward pass.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.guidance.aligned_maps import check_classes, region_at
from sightline.types import LinearAnswer

Penalty = Literal["log", "l2"]
Reduction = Literal["mean", "sum"]
AttentionMap = Literal["hirescam", "grad_cam"]


def linear_attention(answer: LinearAnswer, kind: AttentionMap = "hirescam", *, scaled: bool = True) -> Tensor:
    r"""Attention of every class in closed form, $\tilde A_k = s \sum_f w_k^f \odot z^f$.

    `grad_cam` has the mean of $w_k^f$ over its places in place of $w_k^f$.

    Args:
        answer: of a model with `linear_answer`.
        kind: `hirescam` or `grad_cam`.
        scaled: with the scale $s$, so that the HiResCAM sums to the logit less the bias.

    Returns:
        `(N, K, *G)`, on the graph by features and weights, in float32 at least.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, eq. 10 and 11.
    """
    weights, features = (
        part.to(torch.promote_types(part.dtype, torch.float32)) for part in (answer.weights, answer.features)
    )
    if kind == "grad_cam":
        weights = weights.mean(tuple(range(2, weights.ndim)), keepdim=True)
    with torch.autocast(features.device.type, enabled=False):
        attention = torch.einsum("kf...,nf...->nk...", weights, features)
    return answer.scale * attention if scaled else attention


def forbidden_attention(
    attention: Tensor, regions: Tensor, *, penalty: Penalty = "log", reduction: Reduction = "mean"
) -> Tensor:
    r"""Penalise attention where it is not allowed, $1 - G$ being the weight of a place.

    | | `sum` | `mean` |
    |---|---|---|
    | `log` | $-\sum_i (1 - G_i) \ln (1 - \sigma(a_i))$ | divided by $\sum_i (1 - G_i)$ |
    | `l2` | $\sqrt{\sum_i (1 - G_i)\, a_i^2}$ | divided by $\sqrt{\sum_i (1 - G_i)}$ |

    Args:
        attention: $a$ of every class, `(N, K, *S)`.
        regions: $G$, 1 where allowed, `(N, 1 or K, *S')` in [0, 1] on any grid, see `region_at`; NaN throughout a map
            that is unknown, which weighs nothing.
        penalty: `log`, of what speaks for a class alone, or `l2`, of what speaks for or against it.
        reduction: over classes and places.

    Returns:
        Loss of each image, `(N,)`; 0 where nothing is forbidden.

    Raises:
        ShapeError: there is neither one region for all classes nor one for each.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, eq. 12 and 30, which is `log` with `sum` and does not say how the
        attention comes into (0, 1): by the logistic function in the authors' code, whose reduction is `mean`. `l2` with
        `sum` is the inferior variant of section 11.
    """
    check_classes(regions, attention.shape[1])
    attention = attention.to(torch.promote_types(attention.dtype, torch.float32))
    forbidden = 1 - region_at(regions.to(attention.dtype), tuple(attention.shape[2:])).nan_to_num(nan=1.0)
    weights = forbidden.expand_as(attention).flatten(1)
    if penalty == "log":
        total = (weights * F.softplus(attention).flatten(1)).sum(1)  # -ln(1 - sigmoid), finite for any attention
    else:
        total = torch.linalg.vector_norm(weights.sqrt() * attention.flatten(1), dim=1)
    if reduction == "sum":
        return total
    places = weights.sum(1)
    places = torch.where(places > 0, places, 1)
    return total / (places if penalty == "log" else places.sqrt())
