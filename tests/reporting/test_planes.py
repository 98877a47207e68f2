import numpy as np
import pytest
from scipy import ndimage

from sightline.errors import DataError, ShapeError
from sightline.reporting.overlay import OUTLINE
from sightline.reporting.planes import best_slice, cut_planes, peak_voxel, planes_figure
from sightline.reporting.themes import DARK, LIGHT, Theme

AIR, WATER = -1100.0, 300.0  # black and white
SPACING = (4.0, 2.0, 1.0)
SHAPE = (5, 8, 12)


def blank(value: float = AIR) -> np.ndarray:
    return np.full(SHAPE, value)


def middle(picture: np.ndarray) -> tuple[float, float]:
    """Where a picture is bright, (down, across) in [0, 1]."""
    down, across = ndimage.center_of_mass(picture[..., 0].astype(float))
    return (down + 0.5) / picture.shape[0], (across + 0.5) / picture.shape[1]


def test_planes_are_to_one_scale_in_millimetres() -> None:
    planes = cut_planes(blank(), spacing_mm=SPACING, dots_per_mm=3)
    sizes = {name: picture.shape[:2] for name, picture in planes.pictures.items()}
    assert sizes == {"axial": (48, 36), "coronal": (60, 36), "sagittal": (60, 48)}  # 16 x 12, 20 x 12, 20 x 16 mm


def test_a_voxel_lies_where_radiologists_look_for_it() -> None:
    volume = blank()
    volume[1, 2, 9] = WATER  # near the head, in front, on the patient's left
    planes = cut_planes(volume, spacing_mm=SPACING, at=(1, 2, 9), dots_per_mm=4)
    slice_, row, column = (1 + 0.5) / 5, (2 + 0.5) / 8, (9 + 0.5) / 12
    expected = {"axial": (row, column), "coronal": (slice_, column), "sagittal": (slice_, row)}
    assert planes.places == expected
    for name, place in expected.items():
        assert middle(planes.pictures[name]) == pytest.approx(place, abs=0.01)
    elsewhere = cut_planes(volume, spacing_mm=SPACING, at=(3, 6, 2))
    assert all(picture.max() == 0 for picture in elsewhere.pictures.values())


def test_the_window_is_in_hu() -> None:
    for value, grey in ((AIR - 500, 0), (AIR, 0), (-400.0, 128), (WATER, 255), (WATER + 500, 255)):
        picture = cut_planes(blank(value), spacing_mm=SPACING).pictures["axial"]
        assert abs(int(picture[0, 0, 0]) - grey) <= 1
    bone = cut_planes(blank(500), spacing_mm=SPACING, window_hu=(0, 1000)).pictures["axial"]
    assert abs(int(bone[0, 0, 0]) - 128) <= 1


def test_the_peak_of_a_coarse_map_is_in_the_middle_of_its_cell() -> None:
    attention = np.zeros((5, 2, 3))
    attention[4, 0, 1] = 1.0
    assert peak_voxel(attention, SHAPE) == (4, 2, 6)
    assert peak_voxel(np.ones((1, 1, 1)), SHAPE) == (2, 4, 6)
    assert cut_planes(blank(), attention, spacing_mm=SPACING).at == (4, 2, 6)
    assert cut_planes(blank(), spacing_mm=SPACING).at == (2, 4, 6)


def test_a_coarse_map_covers_the_same_space_as_the_volume() -> None:
    attention = np.zeros((5, 4, 4))
    attention[1, 1, 3] = 2.0
    fine = cut_planes(blank(), attention, spacing_mm=SPACING, dots_per_mm=4).pictures
    assert middle(fine["axial"]) == pytest.approx((1.5 / 4, 3.5 / 4), abs=0.04)
    assert middle(fine["sagittal"]) == pytest.approx((1.5 / 5, 1.5 / 4), abs=0.04)


def test_full_colour_is_one_value_in_all_planes() -> None:
    attention = np.zeros(SHAPE)
    attention[2, 4, :] = 0.5
    attention[2, :, 6] = 1.0
    attention[:, 4, 6] = -1.0
    pictures = cut_planes(blank(), attention, spacing_mm=SPACING, at=(2, 4, 6), percentile=100).pictures
    reds = {name: int(picture[..., 0].max()) for name, picture in pictures.items()}
    assert reds["axial"] > 1.8 * reds["coronal"] > 0  # in the coronal plane there is the half alone
    assert pictures["coronal"][..., 2].max() > pictures["axial"][..., 2].max()  # blue


def test_the_organ_is_outlined_and_not_along_the_border() -> None:
    region = np.zeros(SHAPE)
    region[:, :4] = 1.0  # the front half, up to the border of the volume
    pictures = cut_planes(blank(), None, region, spacing_mm=SPACING, at=(2, 1, 6), dots_per_mm=3).pictures
    line = pictures["axial"].astype(float)
    assert middle(pictures["axial"])[0] == pytest.approx(0.5, abs=0.02)
    assert line[[0, 10, 40, 47]].max() == 0
    brightest = line[line.mean((1, 2)).argmax()]  # from border to border
    np.testing.assert_allclose(brightest / brightest[:, :1], [np.array(OUTLINE) / OUTLINE[0]] * 36, atol=0.02)
    assert not pictures["coronal"].any()  # within the organ
    unknown = cut_planes(blank(), None, np.full(SHAPE, np.nan), spacing_mm=SPACING)
    assert not any(picture.any() for picture in unknown.pictures.values())


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_figure_has_a_row_a_map_and_says_which_side_is_which(theme: Theme) -> None:
    planes = cut_planes(blank(), np.ones((5, 2, 2)), spacing_mm=SPACING, at=(1, 2, 9))
    figure = planes_figure({"plain": planes, "guided": planes}, title="Nodule", region_name="the lungs", theme=theme)
    sides = [{text.get_text(): text.xy for text in axes.texts} for axes in figure.axes]
    assert sides[0] == {"R": (0, 0.5), "L": (1, 0.5), "A": (0.5, 1), "P": (0.5, 0)}
    assert sides[1] == {"R": (0, 0.5), "L": (1, 0.5), "H": (0.5, 1), "F": (0.5, 0)}
    assert sides[2] == {"A": (0, 0.5), "P": (1, 0.5), "H": (0.5, 1), "F": (0.5, 0)}
    assert sides[3:] == sides[:3]
    told = [text.get_text() for text in figure.texts]
    assert told[:5] == ["Nodule", "plain", "axial, slice 2 of 5", "coronal, row 3 of 8", "sagittal, column 10 of 12"]
    assert "outline: the lungs" in told[-1]
    lines = [line.get_xydata() for line in figure.axes[0].lines]
    assert {x for (x, _), (other, _) in lines if x == other} == {9.5 / 12}
    assert {y for (_, y), (_, other) in lines if y == other} == {1 - 2.5 / 8}  # from below
    scales = []
    for axes, picture in zip(figure.axes, planes.pictures.values(), strict=False):
        place, (across, down) = axes.get_position(), figure.get_size_inches()
        scales += [place.width * across / picture.shape[1], place.height * down / picture.shape[0]]
    assert scales == pytest.approx([scales[0]] * 6)
    figure.canvas.draw()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"volume must be \(D, H, W\), got \(1, 5, 8, 12\)"):
        cut_planes(blank()[None], spacing_mm=SPACING)
    with pytest.raises(ShapeError, match=r"attention must be \(D, H, W\), got \(2, 5, 8, 12\); of several classes"):
        cut_planes(blank(), np.zeros((2, *SHAPE)), spacing_mm=SPACING)
    with pytest.raises(DataError, match="attention holds NaN or infinity"):
        cut_planes(blank(), np.full(SHAPE, np.nan), spacing_mm=SPACING)
    with pytest.raises(DataError, match=r"through a voxel of the volume \(5, 8, 12\), got \(5, 0, 0\)"):
        cut_planes(blank(), spacing_mm=SPACING, at=(5, 0, 0))
    with pytest.raises(DataError, match="spacing_mm must be three lengths above 0"):
        cut_planes(blank(), spacing_mm=(0.0, 1.0, 1.0))
    with pytest.raises(DataError, match="at least one map, got none"):
        planes_figure({})


def test_the_best_slice_is_that_with_most_of_the_region_or_else_of_the_map() -> None:
    heat, region = np.zeros(SHAPE), np.zeros(SHAPE)
    heat[3] = -1
    heat[1, 0, 0] = 50
    region[2, :2], region[4, :1] = 1, 1
    assert best_slice(heat, region) == (2, "slice 3 of 5, most of the region")
    for unknown in (None, region * np.nan, region * 0, region * 0 + 1):
        assert best_slice(heat, unknown) == (3, "slice 4 of 5, most of the relevance")
    with pytest.raises(ShapeError, match=r"attention must be \(D, H, W\)"):
        best_slice(heat[0])
