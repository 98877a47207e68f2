import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.transforms import Affine, Augmentation, affine_matrices, draw_affine, move_boxes, move_points, warp
from sightline.errors import SettingsError, ShapeError
from sightline.regions.boxes import mask_from_boxes

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
    with pytest.raises(ShapeError, match=r"\(N, C, S, S\) or \(N, C, D, S, S\), got \(1, 1, 6, 4\)"):
        warp(MAP[..., :4], affine_matrices([Affine()]))


@pytest.mark.parametrize("setting", [{"translate": -0.1}, {"rotate_degrees": 200}, {"flip": 2}])
def test_settings_out_of_range_are_errors(setting: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Augmentation(**setting)


AFFINES = st.builds(Affine, st.floats(-180, 180), st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)), st.booleans())
PLACES = st.tuples(st.floats(0, 1), st.floats(0, 1))


def test_points_move_as_worked_by_hand() -> None:
    points = np.asarray([[2.0, 1.0], [4.0, 3.0], [np.nan, 1.0]])  # of an image 8 wide and 6 high
    for affine, expected in (
        (Affine(), [[2, 1], [4, 3]]),
        (Affine(flip=True), [[6, 1], [4, 3]]),
        (Affine(shift=(0.25, -0.5)), [[4, -2], [6, 0]]),
        (Affine(angle_degrees=180), [[6, 5], [4, 3]]),
        (Affine(90, (0.25, 0.0), flip=True), [[10 / 3, 1.5], [6, 3]]),
    ):
        moved = move_points(points, affine, (6, 8))
        np.testing.assert_allclose(moved[:2], expected, atol=1e-12)
        assert np.isnan(moved[2, 0])


@given(AFFINES, PLACES, st.integers(8, 40))
@settings(max_examples=50)
def test_a_point_stays_on_the_pixel_that_it_marks(affine: Affine, place: tuple[float, float], side: int) -> None:
    column, row = (min(int(share * side), side - 1) for share in place)
    marked = torch.zeros(1, 1, side, side)
    marked[0, 0, row, column] = 1
    found = warp(marked, affine_matrices([affine]))[0, 0].numpy()
    expected = move_points(np.asarray([column + 0.5, row + 0.5]), affine, (side, side))
    if (expected > 1).all() and (expected < side - 1).all():  # all of what the pixel spreads over is inside
        rows, columns = np.indices(found.shape) + 0.5
        centre = np.asarray([(found * columns).sum(), (found * rows).sum()]) / found.sum()
        np.testing.assert_allclose(centre, expected, atol=0.5)  # the bilinear mean samples a turned pixel
        assert found[int(expected[1]), int(expected[0])] > 0.2
    elif (expected < -1).any() or (expected > side + 1).any():
        assert not found.any()


@given(AFFINES, st.tuples(st.integers(1, 50), st.integers(1, 50)))
@settings(max_examples=50)
def test_points_move_where_the_matrix_of_the_pixels_says(affine: Affine, size: tuple[int, int]) -> None:
    points = np.random.default_rng(0).uniform(-10, 60, (5, 2))
    sides = np.asarray(size[::-1])
    moved = move_points(points, affine, size)
    homogeneous = np.concatenate([2 * moved / sides - 1, np.ones((5, 1))], axis=1)
    back = homogeneous @ affine_matrices([affine])[0].double().numpy().T
    np.testing.assert_allclose((back + 1) / 2 * sides, points, atol=1e-3)  # the matrix is float32


@given(AFFINES, st.tuples(st.integers(1, 50), st.integers(1, 50)))
@settings(max_examples=50)
def test_distances_stay_and_two_flips_undo_each_other(affine: Affine, size: tuple[int, int]) -> None:
    points = np.random.default_rng(1).uniform(0, 50, (4, 2))
    flip = Affine(flip=True)
    np.testing.assert_allclose(move_points(move_points(points, flip, size), flip, size), points, atol=1e-9)
    square = (size[0], size[0])
    moved = move_points(points, affine, square)
    np.testing.assert_allclose(np.hypot(*(moved[0] - moved[1])), np.hypot(*(points[0] - points[1])), atol=1e-9)


@given(st.sampled_from([0.0, 90.0, 180.0, 270.0]), st.booleans(), st.integers(-3, 3), st.integers(-3, 3))
@settings(max_examples=50)
def test_the_mask_of_a_moved_box_is_the_moved_mask(angle: float, flip: bool, right: int, down: int) -> None:
    size = (12, 12)
    affine = Affine(angle, (right / 12, down / 12), flip)
    box = np.asarray([2.0, 3.0, 5.0, 4.0])
    mask = torch.from_numpy(mask_from_boxes([box], size)).float()[None, None]
    moved = np.round(move_boxes(box, affine, size), 9)
    expected = warp(mask, affine_matrices([affine]), nearest=True)[0, 0].numpy() > 0.5
    np.testing.assert_array_equal(mask_from_boxes([moved], size), expected)


@given(AFFINES)
@settings(max_examples=50)
def test_a_moved_box_is_the_least_that_holds_its_corners(affine: Affine) -> None:
    boxes = np.asarray([[[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 5.0]]])
    moved = move_boxes(boxes, affine, (20, 30))
    assert moved.shape == boxes.shape
    for box, hull in zip(boxes[0], moved[0], strict=True):
        left, top, width, height = box
        corners = np.asarray([(x, y) for x in (left, left + width) for y in (top, top + height)])
        x, y = move_points(corners, affine, (20, 30)).T
        np.testing.assert_allclose(hull, [x.min(), y.min(), np.ptp(x), np.ptp(y)], atol=1e-9)


def test_slices_of_a_volume_move_alike_in_their_plane() -> None:
    volume = torch.rand(2, 3, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    matrices = affine_matrices([Affine(20, (0.1, 0), flip=True), Affine(-70)])
    moved = warp(volume, matrices)
    for slice_ in range(4):
        torch.testing.assert_close(moved[:, :, slice_], warp(volume[:, :, slice_], matrices))


def test_what_are_no_points_or_boxes_is_an_error() -> None:
    with pytest.raises(ShapeError, match=r"points must be \(..., 2\), x and y, got \(2, 3\)"):
        move_points(np.zeros((2, 3)), Affine(), (4, 4))
    with pytest.raises(ShapeError, match=r"boxes must be \(..., 4\), .* got \(2,\)"):
        move_boxes(np.zeros(2), Affine(), (4, 4))
