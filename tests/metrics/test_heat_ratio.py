import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.heat_ratio import diff_grad_cam, effective_heat_ratio, effective_heat_ratio_area

NAN = float("nan")


def one(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


MAP = one([[0, 2], [8, 10]])  # heat 0 0.2 0.8 1
LEFT, RIGHT = one([[1, 0], [1, 0]]), one([[0, 1], [0, 1]])


def test_diff_grad_cam_by_hand() -> None:
    assert diff_grad_cam(MAP, LEFT).tolist() == pytest.approx([0.4 - 0.6])
    assert diff_grad_cam(MAP, one([[0, 0], [0, 1]])).tolist() == pytest.approx([1 - 1 / 3])
    assert diff_grad_cam(MAP, one([[0, 0], [0.5, 0.5]])).tolist() == pytest.approx([0.9 - (0.2 + 0.4 + 0.5) / 3])


def test_heat_ratio_by_hand() -> None:
    ratios = effective_heat_ratio(MAP, LEFT, steps=6)  # at 0, 0.2 ... 1
    assert ratios.tolist() == [pytest.approx([2 / 4, 1 / 3, 1 / 2, 1 / 2, 1 / 2, 0])]
    area = (2 / 4 / 2 + 1 / 3 + 1 / 2 + 1 / 2 + 1 / 2 + 0 / 2) / 5
    assert effective_heat_ratio_area(MAP, LEFT, steps=6).tolist() == pytest.approx([area])


def test_heat_ratio_at_quantiles_by_hand() -> None:
    # 0.2, 0.8 and 1 are hot; their quantiles 0, 1/2 and 1, of which the last becomes 0.99
    ratios = effective_heat_ratio(MAP, RIGHT, variant="quantile", steps=3)
    assert ratios.tolist() == [pytest.approx([2 / 3, 1 / 2, 1])]
    assert effective_heat_ratio_area(MAP, RIGHT, variant="quantile", steps=3).tolist() == pytest.approx([2 / 3])


def test_at_threshold_0_the_ratio_is_the_share_of_the_lesion_and_no_set_is_empty() -> None:
    maps = torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    lesions = torch.zeros(3, 1, 20, 20)
    lesions[:, :, :4, :5] = 1
    ratios = effective_heat_ratio(maps, lesions)
    assert ratios.shape == (3, 101)
    assert ratios[:, 0].tolist() == pytest.approx([20 / 400] * 3)
    rest = effective_heat_ratio(maps, 1 - lesions)
    torch.testing.assert_close(ratios + rest, torch.ones(3, 101))  # an empty set would have 0 on both sides


def test_a_map_that_is_the_lesion_scores_best_and_its_opposite_worst() -> None:
    lesion = one([[1, 0, 0], [0, 0, 0]])
    assert diff_grad_cam(lesion, lesion).tolist() == [1]
    assert diff_grad_cam(-lesion, lesion).tolist() == [-1]
    assert effective_heat_ratio(lesion, lesion, steps=11)[0, 1:].tolist() == [1] * 10
    assert effective_heat_ratio(-lesion, lesion, steps=11)[0, 1:].tolist() == [0] * 10


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(4, 5), (3, 4, 2)]))
def test_scale_and_other_images_do_not_matter(seed: int, size: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, 2, *size, generator=rng, dtype=torch.float64)
    lesions = (torch.rand(3, 1, *size, generator=rng, dtype=torch.float64) > 0.5).double()
    lesions.flatten(1)[:, 0], lesions.flatten(1)[:, 1] = 1, 0
    for measure in (diff_grad_cam, effective_heat_ratio_area):
        found = measure(maps, lesions)
        torch.testing.assert_close(measure(8 * maps, lesions), found)
        torch.testing.assert_close(measure(maps[1:2], lesions[1:2]), found[1:2])
        np.testing.assert_allclose(measure(maps.numpy(), lesions.numpy()), found)


@pytest.mark.parametrize("variant", ["area", "quantile"])
def test_what_says_nothing_is_nan(variant: str) -> None:
    even, unknown, empty = torch.ones_like(MAP), torch.full_like(MAP, NAN), torch.zeros_like(MAP)
    maps = torch.cat([even, MAP, MAP, MAP])
    lesions = torch.cat([LEFT, unknown, empty, LEFT])
    area = effective_heat_ratio_area(maps, lesions, variant=variant)  # type: ignore[arg-type]
    assert area.isnan().tolist() == [True, True, True, False]
    assert diff_grad_cam(maps, lesions).isnan().tolist() == [True, True, True, False]
    assert diff_grad_cam(MAP, torch.ones_like(MAP)).isnan().all()
    assert effective_heat_ratio_area(maps[:0], lesions[:0], variant=variant).shape == (0,)  # type: ignore[arg-type]


def test_one_place_brought_to_the_size_of_the_image_is_even() -> None:
    place = torch.full((1, 1, 1, 1), 0.3)
    map_ = torch.nn.functional.interpolate(place, (7, 5), mode="bilinear") * (1 + 1e-7 * torch.rand(1, 1, 7, 5))
    lesion = torch.eye(7)[None, None, :, :5]
    assert map_.max() > map_.min()
    assert diff_grad_cam(map_, lesion).isnan().all()
    assert effective_heat_ratio_area(map_, lesion).isnan().all()


def test_the_last_threshold_is_099() -> None:
    ratios = effective_heat_ratio(one([[0, 0.995], [0.5, 1]]), RIGHT * one([[1, 1], [1, 0]]), steps=3)
    assert ratios.tolist() == [pytest.approx([1 / 4, 1 / 3, 1 / 2])]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ShapeError, match=r"regions \(1, 1, 2, 2\), got \(1, 1, 2, 2\) and \(1, 1, 2, 1\)"):
        diff_grad_cam(MAP, LEFT[..., :1])
    with pytest.raises(SettingsError, match="steps must be at least 2, got 1"):
        effective_heat_ratio(MAP, LEFT, steps=1)
    with pytest.raises(SettingsError, match="variant must be one of area, quantile, got 'mean'"):
        effective_heat_ratio(MAP, LEFT, variant="mean")  # type: ignore[arg-type]
