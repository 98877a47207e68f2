import numpy as np
import torch
from torch import Tensor, nn

from sightline.evaluation.explaining import explain_batch
from sightline.types import Batch, Explanation


def left_half(model: nn.Module, images: Tensor, target: object) -> Explanation:
    """Three quarters of the relevance in the first two columns of a volume, a quarter in the others."""
    maps = torch.ones_like(images)
    maps[..., :2] = 3
    return Explanation(torch.zeros(len(images), 2), maps, torch.zeros(len(images), dtype=torch.int64))


def test_the_region_of_a_volume_may_lie_on_a_coarser_grid() -> None:
    regions = torch.tensor([1.0, 0.0]).expand(1, 2, 1, 1, 2)  # the first half of the columns
    batch = Batch(torch.rand(1, 1, 3, 4, 4), torch.tensor([[1.0, 0.0]]), regions, ("a",))
    measured = explain_batch(left_half, None, nn.Identity(), batch, keep=np.array([True]))
    np.testing.assert_allclose(measured.relevance_inside, [0.75])
    np.testing.assert_allclose(measured.region_area, [0.5])
    assert measured.maps["a"].region.shape == (1, 3, 4, 4)
