import math

import pytest
import torch
from torch.autograd import gradcheck

from sightline.errors import ShapeError
from sightline.guidance.gain_losses import regions_of, soft_mask, squared_error, unit_range

NAN = float("nan")
MAPS = torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]], [[[3.0, 3.0], [3.0, 3.0]]], [[[-1.0, 0.0], [0.0, 1.0]]]])


def test_each_map_is_scaled_by_its_own_range() -> None:
    scaled = unit_range(MAPS)
    torch.testing.assert_close(scaled[0, 0], torch.tensor([[0.0, 0.25], [0.5, 1.0]]))
    assert (scaled[1] == 0).all()
    torch.testing.assert_close(scaled[2, 0], torch.tensor([[0.0, 0.5], [0.5, 1.0]]))
    torch.testing.assert_close(unit_range(7 * MAPS - 3), scaled)


def test_gradients_pass_through_the_range_and_an_even_map_sends_none_that_is_not_a_number() -> None:
    maps = torch.rand(2, 1, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert gradcheck(unit_range, (maps,))
    even = torch.zeros(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_mask(unit_range(even)).sum(), even)
    assert gradient.isfinite().all()


def test_the_soft_mask_is_a_half_at_the_threshold() -> None:
    values = torch.tensor([0.3, 0.3 + math.log(3) / 20, 0.3 - math.log(3) / 20])
    torch.testing.assert_close(soft_mask(values, threshold=0.3, slope=20), torch.tensor([0.5, 0.75, 0.25]))


def test_the_squared_error_is_a_mean_over_pixels_and_known_maps() -> None:
    regions = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]], [[[NAN, NAN], [NAN, NAN]]], [[[0.0, 0.0], [0.0, 1.0]]]])
    first, third = (1 + 0 + 4 + 16) / 4, 1 / 4
    torch.testing.assert_close(squared_error(MAPS, regions).item(), (first + third) / 2)
    assert squared_error(MAPS, MAPS) == 0
    assert squared_error(MAPS, NAN * regions) == 0


def test_an_unknown_region_sends_no_gradient() -> None:
    maps, regions = MAPS.clone().requires_grad_(), torch.ones(3, 1, 2, 2)
    regions[1] = NAN
    (gradient,) = torch.autograd.grad(squared_error(maps, regions), maps)
    assert (gradient[1] == 0).all()
    torch.testing.assert_close(gradient[0], 2 * (MAPS[0] - 1) / 4 / 2)


def test_regions_are_those_of_the_class_or_one_for_all() -> None:
    regions = torch.arange(6.0).view(2, 3, 1, 1)
    rows, classes = torch.tensor([0, 1, 1]), torch.tensor([2, 0, 1])
    assert regions_of(regions, rows, classes, num_classes=3).flatten().tolist() == [2, 3, 4]
    assert regions_of(regions[:, :1], rows, classes, num_classes=3).flatten().tolist() == [0, 3, 3]
    with pytest.raises(ShapeError, match="one for all or one for each of 4 classes, got 3"):
        regions_of(regions, rows, classes, num_classes=4)
