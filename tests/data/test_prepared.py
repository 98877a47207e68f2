from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.cohort import Case, Cohort
from sightline.data.prepared import ImageCache, Loader, Prepared, Preprocessing, prepare_image, prepare_region
from sightline.errors import DataError, DataNotFoundError, SettingsError

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


def prepared(mib: float) -> Prepared:
    return Prepared(np.zeros(int(mib * 2**19), np.uint16), (1, 1))


def test_the_cache_makes_a_thing_once_and_stops_at_its_budget() -> None:
    cache = ImageCache(budget_mib=2.5)
    made: list[str] = []

    def get(key: str) -> None:
        cache.get(key, lambda: (made.append(key), prepared(1))[1])

    for key in ["a", "b", "c", "a", "b", "c"]:
        get(key)
    assert made == ["a", "b", "c", "c"]


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


@pytest.mark.parametrize("setting", [{"size": 0}, {"channels": 0}])
def test_settings_out_of_range_are_errors(setting: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Preprocessing(**setting)
