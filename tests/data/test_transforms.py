import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.data.transforms import Affine, Augmentation, affine_matrices, draw_affine, warp
from sightline.errors import SettingsError, ShapeError

MAP = torch.arange(36.0).reshape(1, 1, 6, 6)


def moved(affine: Affine, *, nearest: bool = False) -> torch.Tensor:
    return warp(MAP, affine_matrices([affine]), nearest=nearest)


@pytest.mark.parametrize("nearest", [False, True])
def test_nothing_drawn_changes_nothing(nearest: bool) -> None:
    torch.testing.assert_close(moved(Affine(), nearest=nearest), MAP)


@pytest.mark.parametrize("nearest", [False, True])
def test_a_flip_changes_left_and_right(nearest: bool) -> None:
    torch.testing.assert_close(moved(Affine(flip=True), nearest=nearest), MAP.flip(3))


@pytest.mark.parametrize("nearest", [False, True])
def test_a_quarter_turn_is_counter_clockwise(nearest: bool) -> None:
    torch.testing.assert_close(
        moved(Affine(angle_degrees=90), nearest=nearest), MAP.rot90(1, (2, 3)), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("nearest", [False, True])
def test_a_shift_goes_right_and_down_and_lets_black_in(nearest: bool) -> None:
    expected = torch.zeros_like(MAP)
    expected[..., 2:, 1:] = MAP[..., :4, :5]
    torch.testing.assert_close(moved(Affine(shift=(1 / 6, 2 / 6)), nearest=nearest), expected, atol=1e-4, rtol=0)


def test_the_flip_comes_first_then_the_turn_then_the_shift() -> None:
    expected = torch.zeros_like(MAP)
    expected[..., :, 1:] = MAP.flip(3).rot90(1, (2, 3))[..., :, :5]
    torch.testing.assert_close(moved(Affine(90, (1 / 6, 0), flip=True)), expected, atol=1e-4, rtol=0)


def test_each_image_of_a_batch_has_its_own_motion() -> None:
    both = warp(MAP.expand(2, -1, -1, -1), affine_matrices([Affine(), Affine(flip=True)]))
    torch.testing.assert_close(both, torch.cat([MAP, MAP.flip(3)]))


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 180))
def test_draws_keep_within_their_limits_and_repeat(seed: int, translate: float, rotate: float) -> None:
    augmentation = Augmentation(translate, rotate, flip=0.5)
    draw = draw_affine(augmentation, np.random.default_rng(seed))
    assert draw == draw_affine(augmentation, np.random.default_rng(seed))
    assert max(map(abs, draw.shift)) <= translate
    assert abs(draw.angle_degrees) <= rotate


def test_draws_use_the_whole_range_and_flip_as_often_as_asked() -> None:
    generator = np.random.default_rng(0)
    draws = [draw_affine(Augmentation(0.125, 40, flip=0.25), generator) for _ in range(2000)]
    assert np.mean([draw.flip for draw in draws]) == pytest.approx(0.25, abs=0.03)
    for values in (
        [d.angle_degrees / 40 for d in draws],
        [d.shift[0] * 8 for d in draws],
        [d.shift[1] * 8 for d in draws],
    ):
        assert np.std(values) == pytest.approx(1 / np.sqrt(3), abs=0.03)  # uniform on [-1, 1]


def test_maps_that_are_not_square_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"\(N, C, S, S\), got \(1, 1, 6, 4\)"):
        warp(MAP[..., :4], affine_matrices([Affine()]))


@pytest.mark.parametrize("setting", [{"translate": -0.1}, {"rotate_degrees": 200}, {"flip": 2}])
def test_settings_out_of_range_are_errors(setting: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Augmentation(**setting)
