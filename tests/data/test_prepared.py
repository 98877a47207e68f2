from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data.cohort import Case, Cohort
from sightline.data.gaze_files import GazeRegion, region_from_gaze
from sightline.data.prepared import Loader, Preprocessing, prepare_image, prepare_region
from sightline.data.prepared_cache import ImageCache
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.gaze import GazeHeatmap

Save = Callable[[Path, np.ndarray], Path]
PLAIN = Preprocessing(size=4, channels=1, equalise=False)


def test_an_8_bit_image_of_the_right_size_is_only_scaled(tmp_path: Path, save: Save) -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    prepared = prepare_image(save(tmp_path / "x.png", pixels), PLAIN, pad=False)
    np.testing.assert_array_equal(prepared.pixels, pixels[None].astype(np.uint16) * 257)
    assert prepared.original == (4, 4)


def test_the_image_is_equalised_before_it_is_padded(tmp_path: Path, save: Save) -> None:
    pixels = np.repeat(np.asarray([[10, 20, 30, 40]], np.uint8), 2, axis=0)
    prepared = prepare_image(save(tmp_path / "x.png", pixels), Preprocessing(4, 1), pad=True)
    row = np.rint(np.arange(4) / 3 * 65535)
    np.testing.assert_array_equal(prepared.pixels[0], [0 * row, row, row, 0 * row])
    assert prepared.original == (2, 4)


def test_colour_stays_only_without_equalising(tmp_path: Path, save: Save) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    file = save(tmp_path / "x.png", red)
    colour = prepare_image(file, Preprocessing(4, 3, equalise=False), pad=False)
    assert colour.pixels[:, 0, 0].tolist() == [65535, 0, 0]
    assert prepare_image(file, Preprocessing(4, 3), pad=False).pixels.shape == (1, 4, 4)


def region(path: Path, original: tuple[int, int] = (4, 4), *, size: int = 4, pad: bool = False) -> np.ndarray:
    return prepare_region(path, size, pad=pad, original=original, name="masks/x.png", image="x.png")


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (127, 128)])
def test_a_mask_says_where_to_look_whatever_its_two_values(tmp_path: Path, save: Save, values: tuple[int, int]) -> None:
    mask = np.full((4, 4), values[0], np.uint8)
    mask[1, 2] = values[1]
    np.testing.assert_array_equal(region(save(tmp_path / "x.png", mask)), (mask == values[1]) * 255)


def test_a_pixel_half_covered_counts_half_and_padding_not_at_all(tmp_path: Path, save: Save) -> None:
    mask = np.asarray([[255, 0, 255, 255]] * 2, np.uint8)
    file = save(tmp_path / "x.png", mask)
    np.testing.assert_array_equal(region(file, (2, 4), size=2), [[128, 255], [128, 255]])
    np.testing.assert_array_equal(region(file, (2, 4), size=2, pad=True), [[64, 128], [64, 128]])


def test_a_mask_of_another_size_is_an_error(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "x.png", np.full((3, 4), 255, np.uint8))
    with pytest.raises(DataError, match=r"^masks/x.png: mask has 4 x 3 pixels, but its image x.png has 5 x 4; make"):
        region(file, (4, 5))


@pytest.mark.parametrize(("value", "why"), [(0, "all pixels are 0"), (2, "the largest is 2")])
def test_an_empty_mask_is_an_error(tmp_path: Path, save: Save, value: int, why: str) -> None:
    file = save(tmp_path / "x.png", np.full((4, 4), value, np.uint8))
    with pytest.raises(DataError, match=rf"^masks/x.png: empty mask \(.*{why}\); draw the region, or name no mask"):
        region(file)


def test_a_missing_mask_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^masks/x.png: no such image file"):
        region(tmp_path / "x.png")


def test_a_loader_names_files_relative_to_the_cohort_and_takes_variants(tmp_path: Path, save: Save) -> None:
    on = save(tmp_path / "on.png", np.zeros((4, 4), np.uint8))
    off = save(tmp_path / "off.png", np.full((4, 4), 255, np.uint8))
    case = Case("1", on, 0, "p", variants={"off": off, "swapped": tmp_path / "a" / "none.png"})
    loader = Loader(Cohort(tmp_path, "multiclass", ("a",), (case,)), PLAIN, pad=False, cache=ImageCache())
    assert loader.image(case).pixels.max() == 0
    assert loader.image(case, "off").pixels.min() == 65535
    with pytest.raises(DataNotFoundError, match=r"^a/none.png: no such image"):
        loader.image(case, "swapped")


def test_regions_are_per_class_where_some_case_has_them(tmp_path: Path, save: Save) -> None:
    image = save(tmp_path / "i.png", np.zeros((4, 4), np.uint8))
    mask = save(tmp_path / "m.png", np.full((4, 4), 255, np.uint8))
    own = save(tmp_path / "o.png", np.eye(4, dtype=np.uint8))
    cases = (
        Case("1", image, 0, "p", mask=mask, class_masks={"b": own}),
        Case("2", image, 0, "p", class_masks={"b": own}),
        Case("3", image, 0, "p", mask=mask),
    )
    loader = Loader(Cohort(tmp_path, "multiclass", ("a", "b"), cases), PLAIN, pad=False, cache=ImageCache())
    means = [[None if m is None else m.mean() for m in loader.regions(case, (4, 4))] for case in cases]
    assert means == [[255, 63.75], [None, 63.75], [255, 255]]
    single = Loader(Cohort(tmp_path, "multiclass", ("a", "b"), cases[2:]), PLAIN, pad=False, cache=ImageCache())
    assert len(single.regions(cases[2], (4, 4))) == 1


def test_masks_of_single_classes_alone_are_cut_to_the_one_for_all(tmp_path: Path, save: Save) -> None:
    image = save(tmp_path / "i.png", np.zeros((4, 4), np.uint8))
    half = save(tmp_path / "m.png", np.repeat(np.asarray([[255, 255, 0, 0]], np.uint8), 4, axis=0))
    own = save(tmp_path / "o.png", np.eye(4, dtype=np.uint8))
    cases = (
        Case("1", image, 0, "p", mask=half, class_masks={"b": own}),
        Case("2", image, 0, "p", class_masks={"b": own}),
        Case("3", image, 0, "p", mask=half),
    )
    steps = replace(PLAIN, regions="class_mask")
    loader = Loader(Cohort(tmp_path, "multiclass", ("a", "b"), cases), steps, pad=False, cache=ImageCache())
    first, second, third = (loader.regions(case, (4, 4)) for case in cases)
    assert (first[0], second[0], third) == (None, None, [None, None])
    assert first[1] is not None
    assert first[1].tolist() == [[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert second[1] is not None
    assert second[1].tolist() == (255 * np.eye(4, dtype=int)).tolist()  # no lungs known: cut by nothing


RAMP = np.repeat(np.asarray([[10, 20, 30, 40]], np.uint8), 4, axis=0)


def row(path: Path, preprocessing: Preprocessing, **options: Any) -> list[float]:
    """Return one row of a prepared image, in [0, 1]."""
    made = prepare_image(path, preprocessing, pad=False, **options).pixels
    assert (made == made[:, :1]).all()
    shares: list[float] = np.round(made[0, 0] / 65535, 4).tolist()
    return shares


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [0, 0.25, 0.5, 0.75]),
        ({"window": (20, 40)}, [0, 0, 0.5, 1]),
        ({"percentiles": (0, 100)}, [0, 0.3333, 0.6667, 1]),
        ({"window": (20, 40), "percentiles": (0, 50)}, [0, 0, 1, 1]),  # of 0, 0, 0.5 and 1 the middle is 0.25
        ({"equalise": True, "percentiles": (50, 100)}, [0, 0, 0.5, 1]),
        ({"z_score": "image"}, [0.3658, 0.4553, 0.5447, 0.6342]),
        ({"equalise": True, "z_score": "image"}, [0.3658, 0.4553, 0.5447, 0.6342]),
    ],
)
def test_the_contrast_is_set_in_the_order_that_it_says(
    tmp_path: Path, save: Save, change: dict[str, Any], expected: list[float]
) -> None:
    file = save(tmp_path / "x.png", RAMP)
    assert row(file, replace(PLAIN, **change), value_range=(10, 50)) == expected


def test_clahe_makes_an_image_grey(tmp_path: Path, save: Save) -> None:
    exposure = pytest.importorskip("skimage.exposure")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    made = prepare_image(save(tmp_path / "x.png", pixels), Preprocessing(16, 3, "clahe", clip_limit=0.02), pad=False)
    expected = exposure.equalize_adapthist((pixels / np.float32(255)).astype(np.float32), clip_limit=0.02)
    np.testing.assert_allclose(made.pixels[0] / 65535, expected, atol=1e-5)
    assert made.pixels.shape == (1, 16, 16)


def test_padding_is_black_also_after_the_z_score(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "x.png", RAMP[:2])
    made = prepare_image(file, replace(PLAIN, z_score="image"), pad=True).pixels[0]
    assert (made[[0, 3]] == 0).all()
    assert (made[[1, 2]] > 20000).all()


def test_the_z_score_over_the_mask_is_over_all_masks_together(tmp_path: Path, save: Save) -> None:
    image = save(tmp_path / "i.png", RAMP)
    masks = [save(tmp_path / f"{n}.png", (value == RAMP).astype(np.uint8)) for n, value in enumerate((20, 40))]
    case = Case("1", image, 0, "p", mask=masks[0], class_masks={"a": masks[1]})
    steps = replace(PLAIN, z_score="mask", window=(0, 100))
    loader = Loader(Cohort(tmp_path, "multiclass", ("a",), (case,)), steps, pad=False, cache=ImageCache())
    expected = 0.5 + (np.asarray([0.1, 0.2, 0.3, 0.4]) - 0.3) / 0.1 / 10  # mean 0.3, standard deviation 0.1
    np.testing.assert_allclose(loader.image(case).pixels[0, 0] / 65535, expected, atol=1e-4)
    with pytest.raises(DataError, match=r"^i.png has no mask, so its z-score over the mask is not known$"):
        loader.image(replace(case, mask=None, class_masks={}))
    save(masks[0], np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"^0.png: empty mask"):
        replace(loader, cache=ImageCache()).image(case)


def test_a_volume_is_set_as_one_and_never_without_the_mask_that_it_needs() -> None:
    volume = np.random.default_rng(0).random((4, 4, 4)).astype(np.float32)
    made = replace(PLAIN, z_score="image").adjusted(volume)
    np.testing.assert_allclose(10 * made - 5, (volume - volume.mean()) / volume.std(), atol=1e-5)
    with pytest.raises(DataError, match="no mask, so the z-score over the mask is not known"):
        replace(PLAIN, z_score="mask").adjusted(volume)


def gaze(folder: Path, text: str) -> Loader:
    (folder / "g.csv").write_text(text)
    case = Case("1", folder / "i.png", 0, "p", gaze=folder / "g.csv")
    steps = Preprocessing(16, 1, regions="gaze")
    return Loader(Cohort(folder, "multiclass", ("a",), (case,)), steps, pad=False, cache=ImageCache())


def test_a_region_of_gaze_is_the_map_of_the_table(tmp_path: Path) -> None:
    loader = gaze(tmp_path, "x,y,start,duration\n10,12,0,1\n3,25,1,2\n")
    (case,) = loader.cohort.cases
    for changed in (loader, replace(loader, pad=True)):
        (region,) = changed.regions(case, (30, 20))
        expected = region_from_gaze(tmp_path / "g.csv", (30, 20), (16, 16), pad=changed.pad)[0].numpy()
        assert region is not None
        np.testing.assert_allclose(region / 255, expected, atol=0.5 / 255 + 1e-6)
        assert region.max() == 255
    sharp = replace(loader, preprocessing=replace(loader.preprocessing, gaze=GazeRegion(mass=0.9)))
    (region,) = sharp.regions(case, (30, 20))
    assert region is not None
    assert set(np.unique(region)) == {0, 255}


def test_a_region_of_gaze_is_unknown_without_gaze_on_the_image(tmp_path: Path) -> None:
    loader = gaze(tmp_path, "x,y,start,duration\n-5,12,0,1\n")
    (case,) = loader.cohort.cases
    assert loader.regions(case, (30, 20)) == loader.regions(case, (30, 20)) == [None]
    with_masks = replace(case, gaze=None, mask=tmp_path / "m.png", class_masks={"a": tmp_path / "m.png"})
    assert loader.regions(with_masks, (30, 20)) == [None]


@pytest.mark.parametrize(
    "setting",
    [
        {"size": 0},
        {"channels": 0},
        {"window": (2.0, 2.0)},
        {"window": (0.0, float("inf"))},
        {"percentiles": (-1.0, 99.0)},
        {"percentiles": (99.0, 1.0)},
        {"clip_limit": 0.0},
        {"clip_limit": 1.5},
        {"gaze": GazeRegion(GazeHeatmap(scale="sum"))},
    ],
)
def test_settings_out_of_range_are_errors(setting: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"^{next(iter(setting))}"):
        Preprocessing(**setting)
