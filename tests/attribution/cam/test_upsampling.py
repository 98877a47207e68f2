import pytest
import torch

from sightline.attribution.cam.upsampling import upsample_to, upsample_to_largest
from sightline.errors import ShapeError


def test_upsampling_keeps_a_linear_ramp_and_refuses_other_axes() -> None:
    ramp = torch.linspace(0, 1, 4).expand(1, 1, 4, 4)
    up = upsample_to(ramp, (4, 8))
    torch.testing.assert_close(up[0, 0, 0, 1:-1].diff(), torch.full((5,), 1 / 6))
    with pytest.raises(ShapeError, match="maps must have 3 spatial axes"):
        upsample_to(ramp, (4, 4, 4))


def test_the_largest_size_is_that_of_each_axis() -> None:
    maps = [torch.ones(1, 1, 2, 6), torch.full((1, 1, 4, 3), 2.0)]
    low, high = upsample_to_largest(maps)
    assert torch.equal(low, torch.ones(1, 1, 4, 6))
    assert torch.equal(high, torch.full((1, 1, 4, 6), 2.0))
    assert upsample_to_largest(maps[:1])[0] is maps[0]
