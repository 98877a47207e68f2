import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import SettingsError
from sightline.regions.gaze import region_by_mass, region_by_value

MAP = torch.tensor([[[4.0, 3, 2], [1, 0, 0]]])


@pytest.mark.parametrize(
    ("mass", "kept"), [(0.3, 1), (0.4, 1), (0.5, 2), (0.7, 2), (0.8, 3), (0.9, 3), (0.95, 4), (1, 4)]
)
def test_the_smallest_area_with_enough_of_the_gaze_by_hand(mass: float, kept: int) -> None:
    expected = (torch.arange(6) < kept).float().reshape(1, 2, 3)
    assert torch.equal(region_by_mass(MAP, mass), expected)
    assert torch.equal(region_by_mass(MAP / 40, mass), expected)


def test_equal_pixels_are_kept_together() -> None:
    assert region_by_mass(torch.tensor([[2.0, 1, 1, 1]]), 0.5).tolist() == [[1, 1, 1, 1]]
    assert region_by_mass(torch.tensor([[2.0, 1, 1, 1]]), 0.4).tolist() == [[1, 0, 0, 0]]


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.01, 1), st.integers(0, 2**31))
def test_it_holds_enough_and_one_pixel_less_would_not(height: int, width: int, mass: float, seed: int) -> None:
    maps = torch.rand(2, 1, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    regions = region_by_mass(maps, mass)
    for gaze, region in zip(maps, regions, strict=True):
        share = mass * gaze.sum()
        held = gaze[region > 0]
        assert held.sum() >= share * (1 - 2e-6)
        assert held.sum() - held.min() < share
        assert (gaze[region == 0] < held.min()).all()


def test_by_value_is_a_share_of_the_largest() -> None:
    assert region_by_value(MAP, 0.5).tolist() == [[[1, 1, 1], [0, 0, 0]]]
    assert region_by_value(MAP / 100, 0.75).tolist() == [[[1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize("cut", [region_by_mass, region_by_value])
def test_unknown_stays_unknown_and_maps_do_not_mix(cut: object) -> None:
    maps = torch.stack((MAP, torch.full_like(MAP, torch.nan), 10 * MAP))
    regions = cut(maps)  # type: ignore[operator]
    assert regions[1].isnan().all()
    assert torch.equal(regions[0], regions[2])
    assert regions.dtype == torch.float32
    assert cut(torch.zeros(1, 2, 2)).sum() == 0  # type: ignore[operator]


@pytest.mark.parametrize("share", [0, 1.1, -1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="mass must be a share of the gaze over 0 to 1"):
        region_by_mass(MAP, share)
    with pytest.raises(SettingsError, match="share must be one of the largest value over 0 to 1"):
        region_by_value(MAP, share)
