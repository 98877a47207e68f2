import pytest
import torch

from sightline.guidance.relevance_range import RelevanceRange


def test_what_is_measured_in_parts_is_measured_as_a_whole() -> None:
    values = 5 + 1e-3 * torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = RelevanceRange(0.3, 8.0)
    for part in (values[:1], values[1:20], values[:0], values[20:]):
        found.add(part.float().double())
    values = values.float().double()
    assert found.count == 40
    assert found.mean == pytest.approx(float(values.mean()), rel=1e-14)
    assert found.squares / 39 == pytest.approx(float(values.var()), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        ([9.0, 10.0, 11.0], 7.0, 13.0),  # mean 10, deviation 1: three of them to either side
        ([1.0, 10.0, 19.0], 2.0, 37.0),  # deviation 9: at least a fifth of the mean
        ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0], 0.8, 20.0),  # at most 25 times the least
        ([4.0], 4.0, 4.0),
        ([0.0, 0.0], 0.3, 8.0),  # nothing to go by
        ([], 0.3, 8.0),
    ],
)
def test_the_range_lies_three_deviations_around_the_mean(values: list[float], least: float, most: float) -> None:
    found = RelevanceRange(0.3, 8.0)
    found.add(torch.tensor(values))
    found.settle()
    assert (found.least, found.most) == pytest.approx((least, most))


def test_nothing_changes_before_it_is_settled() -> None:
    found = RelevanceRange(0.3, 8.0)
    found.add(torch.tensor([1.0, 2.0], requires_grad=True))
    assert (found.least, found.most) == (0.3, 8.0)
