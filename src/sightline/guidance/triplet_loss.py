"""The triplet loss: images of one class lie closer together than images of two, by a margin."""

from typing import Literal

import torch
from torch import Tensor

from sightline.errors import SettingsError, ShapeError

Reduction = Literal["mean", "sum"]


def triplet_loss(
    embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, p: float = 2.0, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compare each image with each other one of its class and each one of another.

    $$\max(0,\ \|e_i - e_j\|_p - \|e_i - e_k\|_p + m), \quad i \ne j,\ y_i = y_j \ne y_k$$

    Args:
        embeddings: $e$, `(N, *, D)`; with axes in between there is a distance, and a loss, at each of their places, of
            which the mean is taken.
        labels: $y$, `(N,)`, or `(N, K)` with NaN where unknown: two rows are alike where all is known and equal, and
            differ where something known does.
        margin: $m$.
        p: of the norm, at least 1.
        reduction: over all valid triplets of the batch.

    Returns:
        Scalar, in float32 at least; 0 on the graph where no triplet is valid.

    Raises:
        ShapeError: there is not one label, or row of labels, for each embedding.
        SettingsError: there is no such reduction.

    Reference:
        Schroff et al. 2015, doi:10.1109/CVPR.2015.7298682, eq. 3, there with squared distances and chosen triplets; as
        here Qiu, Rivaz and Xiao 2024, arXiv:2403.16970, and its code, which sums.
    """
    if embeddings.ndim < 2 or labels.ndim not in (1, 2) or len(labels) != len(embeddings):
        raise ShapeError(
            f"embeddings must be (N, *, D) and labels (N,) or (N, K), "
            f"got {tuple(embeddings.shape)} and {tuple(labels.shape)}"
        )
    if reduction not in ("mean", "sum"):
        raise SettingsError(f"reduction must be mean or sum, got {reduction!r}")
    i, j, k = valid_triplets(labels)
    points = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    points = points.reshape(len(points), -1, points.shape[-1]).transpose(0, 1)  # (places, N, D)
    distances = torch.cdist(points, points, p=p, compute_mode="donot_use_mm_for_euclid_dist")  # exact also when small
    losses = torch.relu(distances[:, i, j] - distances[:, i, k] + margin).mean(0)  # (triplets,)
    total = losses.sum()
    return total / max(len(losses), 1) if reduction == "mean" else total


def valid_triplets(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find all triplets of an image, another of its class, and one of another class.

    Args:
        labels: `(N,)`, or `(N, K)` with NaN where unknown.

    Returns:
        Indices $i$, $j$, $k$, `(T,)` each.
    """
    rows = labels.reshape(len(labels), -1)
    known = ~rows.isnan()
    both, equal = known[:, None] & known[None], rows[:, None] == rows[None]  # (N, N, K)
    alike, apart = equal.all(2), (both & ~equal).any(2)  # NaN equals nothing
    alike = alike & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    i, j, k = (alike[:, :, None] & apart[:, None, :]).nonzero(as_tuple=True)
    return i, j, k
