import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import ShapeError
from sightline.guidance import aligned_maps as module
from sightline.guidance.aligned_maps import aligned_maps, anywhere, enlarged, region_at
from sightline.regions import resize_region
from sightline.types import Explanation

NAN = float("nan")
SIDES = st.integers(1, 7)


@given(st.tuples(SIDES, SIDES, SIDES), st.tuples(SIDES, SIDES, SIDES), st.integers(0, 99))
def test_each_axis_becomes_finer_by_the_nearest_place_or_coarser_by_the_mean(
    old: tuple[int, ...], new: tuple[int, ...], seed: int
) -> None:
    regions = torch.rand(2, 3, *old, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    larger = tuple(max(sides) for sides in zip(old, new, strict=True))
    nearest = F.interpolate(regions, larger, mode="nearest-exact")
    assert torch.equal(enlarged(regions, new), nearest)
    torch.testing.assert_close(region_at(regions, new), resize_region(nearest, new))


def test_a_binary_region_stays_one_on_a_finer_grid_and_an_unknown_one_unknown() -> None:
    regions = torch.tensor([[1.0, 0.0], [NAN, NAN]]).reshape(1, 2, 2)
    finer = region_at(regions, (5,))
    assert finer[0, 0].tolist() == [1, 1, 0, 0, 0]
    assert finer[0, 1].isnan().all()
    assert region_at(regions, (1,))[0, 0].tolist() == [0.5]
    assert region_at(regions, (2,)) is regions


def test_a_region_that_allows_nothing_or_is_unknown_is_nowhere() -> None:
    regions = torch.zeros(2, 2, 3, 3)
    regions[0, 0, 1, 2], regions[1, 0] = 0.1, NAN
    assert anywhere(regions).tolist() == [[True, False], [False, False]]


def test_only_the_region_of_the_explained_class_is_enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 labels at the size of a volume would be 22 GB."""
    given_shapes = []

    def noted(regions: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
        given_shapes.append(tuple(regions.shape))
        return region_at(regions, size)

    monkeypatch.setattr(module, "region_at", noted)
    regions = torch.rand(2, 80, 2, 1, 1, generator=torch.Generator().manual_seed(0)).round()
    target = torch.tensor([7, 79])
    explanation = Explanation(torch.zeros(2, 80), torch.rand(2, 1, 6, 4, 4), target)
    maps, allowed = aligned_maps(explanation, regions)
    assert given_shapes == [(2, 1, 2, 1, 1)]
    assert maps.shape == (2, 1, 1, 6, 4, 4)
    expected = regions[torch.arange(2), target].unsqueeze(1)
    assert torch.equal(allowed, expected.repeat_interleave(3, 2).expand(2, 1, 6, 4, 4))
    assert allowed.untyped_storage().nbytes() == 2 * 6 * 4 * 4 * 4


def test_every_class_has_its_own_region_and_one_region_serves_all() -> None:
    explanation = Explanation(torch.zeros(1, 3), torch.rand(1, 3, 1, 2, 2))
    own = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(aligned_maps(explanation, own)[1], own)
    assert torch.equal(aligned_maps(explanation, own[:, :1])[1], own[:, :1].expand(-1, 3, -1, -1))
    with pytest.raises(ShapeError, match="one for all or one for each of 3 classes, got 2"):
        aligned_maps(explanation, own[:, :2])
