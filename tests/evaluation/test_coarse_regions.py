import numpy as np
import torch
from torch import Tensor, nn

from sightline.attribution import GradientTimesInput
from sightline.evaluation.explain_cases import explain_cases
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


def test_so_it_may_where_every_class_is_explained() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval()
    regions = torch.stack([torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]).view(1, 2, 1, 1, 2)
    batch = Batch(torch.rand(1, 1, 3, 4, 4), torch.tensor([[1.0, 0.0]]), regions, ("a",))
    (piece,) = explain_cases(
        net, [batch], {"x": GradientTimesInput()}, aim="every", task="multilabel", num_classes=2, maps_at_once=4
    )
    assert piece.regions.shape == piece.maps.shape == (2, 3, 4, 4)
    for index, half in enumerate((slice(0, 2), slice(2, 4))):
        inside = np.abs(piece.maps[index][..., half]).sum() / np.abs(piece.maps[index]).sum()
        np.testing.assert_allclose(piece.relevance_inside[index], inside, rtol=1e-5)
