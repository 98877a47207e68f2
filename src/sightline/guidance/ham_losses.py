r"""The losses of HAM on activation maps: with regions, and of the maps among each other.

The two among each other ask of a map $C$ that it lies within another, $P$. What lies within is
$\sum \min(C, P) \odot g(C)$ with the soft gate $g(v) = \sigma(100 (v - s))$, which leaves out what is weak: a map below
$s$ costs as if it lay outside.

Reference:
    Ouyang et al. 2021, doi:10.1109/TMI.2020.3042773; reductions as in the authors' released code.
"""

import torch
from torch import Tensor

from sightline.guidance.sharing import mean_over_processes

_STEEP = 100.0
_LEAST = 1e-5  # a sum of a map below which it says nothing


def adaptive_squared_error(maps: Tensor, regions: Tensor, chosen: Tensor) -> Tensor:
    r"""Squared distance of maps to regions, divided by how much there is of both.

    $$\frac{1}{|K'|} \sum_{k \in K'} \frac{\sum_n t_{nk} \sum_s (R_{nks} - M_{nks})^2}
    {\max(\sum_n t_{nk} \sum_s (R_{nks} + M_{nks}),\ 10^{-5})}$$

    Args:
        maps: $R$ in [0, 1], `(N, K, *S)`.
        regions: $M$ in [0, 1], `(N, K, *S)`; what is not chosen may be NaN.
        chosen: $t$, which pairs count, `(N, K)` bool.

    Returns:
        Mean over the classes $K'$ that are chosen in some image, scalar; 0 where none is.
    """
    where = chosen.view(*chosen.shape, *(1,) * (maps.ndim - 2))
    aims = torch.where(where, regions, 0).to(maps.dtype)
    drawn = torch.where(where, maps, 0)
    axes = (0, *range(2, maps.ndim))
    error, amount = ((drawn - aims) ** 2).sum(axes), (drawn + aims).sum(axes)  # (K,)
    return _mean_of_classes(_ratio(error, amount), mean_over_processes(chosen.sum(0)))


def attention_bound(class_maps: Tensor, anomaly_map: Tensor, present: Tensor, *, threshold: float = 0.75) -> Tensor:
    r"""Share of the maps of the classes that lies outside the map of "anything abnormal".

    $$\frac{1}{|K'|} \sum_{k \in K'} \operatorname*{mean}_{n: t_{nk} = 1}
    \frac{\sum C_{nk} - \sum \min(C_{nk}, P_n) \odot g(C_{nk})}{\max(\sum C_{nk},\ 10^{-5})}$$

    Args:
        class_maps: $C$ of at least 0, `(N, K, *S)`.
        anomaly_map: $P$ of at least 0, `(N, 1, *S)`.
        present: $t$, which classes are present, `(N, K)` bool.
        threshold: $s$ of the soft gate.

    Returns:
        Mean over the classes $K'$ that are present in some image, scalar; 0 where none is.
    """
    shares = _share_outside(class_maps, anomaly_map, threshold)  # (N, K)
    count = mean_over_processes(present.sum(0))
    of_class = torch.where(present, shares, 0).sum(0) / torch.where(count > 0, count, 1)
    return _mean_of_classes(of_class, count)


def attention_union(class_maps: Tensor, anomaly_map: Tensor, present: Tensor, *, threshold: float = 0.75) -> Tensor:
    r"""Share of the map of "anything abnormal" that lies outside the maps of all present classes.

    $$\operatorname*{mean}_{n: \exists k\, t_{nk} = 1}
    \frac{\sum P_n - \sum \min(\max_k t_{nk} C_{nk}, P_n) \odot g(P_n)}{\max(\sum P_n,\ 10^{-5})}$$

    Args:
        class_maps: $C$ of at least 0, `(N, K, *S)`.
        anomaly_map: $P$ of at least 0, `(N, 1, *S)`.
        present: $t$, which classes are present, `(N, K)` bool.
        threshold: $s$ of the soft gate.

    Returns:
        Scalar; 0 where no image has a class.
    """
    where = present.view(*present.shape, *(1,) * (class_maps.ndim - 2))
    joint = torch.where(where, class_maps, 0).amax(1, keepdim=True)
    counted = present.any(1)
    count = mean_over_processes(counted.sum())
    shares = torch.where(counted, _share_outside(anomaly_map, joint, threshold)[:, 0], 0)
    return shares.sum() / torch.where(count > 0, count, 1)


def _share_outside(maps: Tensor, other: Tensor, threshold: float) -> Tensor:
    """Share of each of `maps` `(N, K, *S)` that does not lie within `other`, `(N, K)`."""
    axes = tuple(range(2, maps.ndim))
    whole = maps.sum(axes)
    inside = (torch.minimum(maps, other) * torch.sigmoid(_STEEP * (maps - threshold))).sum(axes)
    return (whole - inside) / whole.clamp(min=_LEAST)


def _ratio(error: Tensor, amount: Tensor) -> Tensor:
    r"""Ratio of sums over the batch, $E / A$, whose value and gradient are exact also where processes share the batch.

    With $r = E / A$ of the whole batch as a constant, the own part of its gradient is that of $(e - r a) / A$.
    """
    whole = mean_over_processes(torch.stack([error, amount]).detach())
    amounts = whole[1].clamp(min=_LEAST)
    ratio = whole[0] / amounts
    return ratio + (error - error.detach() - ratio * (amount - amount.detach()).where(whole[1] >= _LEAST, 0)) / amounts


def _mean_of_classes(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the values `(K,)` of the classes that occur."""
    return torch.where(counts > 0, values, 0).sum() / (counts > 0).sum().clamp(min=1)
