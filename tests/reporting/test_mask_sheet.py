from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.errors import DataError
from sightline.reporting.mask_sheet import MaskTile, mask_sheet, mask_tile, write_mask_sheet

GREY = np.full((40, 60), 0.5)


def lung() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 15:45] = True
    return mask


def tile(name: str = "film", *review: str, given: bool = False) -> MaskTile:
    other = np.roll(lung(), 8, axis=1) if given else None
    return mask_tile(name, GREY, lung(), other, words="confidence 0.95", review=review)


def test_the_mask_is_outlined_in_yellow_and_the_given_one_keeps_its_place() -> None:
    drawn = tile(given=True)
    height, width = drawn.picture.shape[:2]
    assert (height, width) == (224, 336)
    yellow = (drawn.picture[..., 0] > 200) & (drawn.picture[..., 2] < 80)
    rows, columns = np.nonzero(yellow)
    assert abs(rows.min() - height / 4) < 6
    assert abs(columns.min() - width / 4) < 6
    assert drawn.given is not None
    rows, columns = np.nonzero(drawn.given)
    assert columns.min() == pytest.approx(width * 23 / 60, abs=2)
    assert rows.max() == pytest.approx(height * 3 / 4, abs=2)


def test_words_and_reasons_are_said() -> None:
    (page,) = mask_sheet([tile("a", "1 part"), tile("b", given=True)], title="2 masks")
    said = [text.get_text() for text in page.texts]
    assert said[0] == "2 masks"
    assert said[1] == "yellow: the mask, blue and dotted: the mask there was; framed: to be looked at"
    assert said[2:5] == ["a", "confidence 0.95", "1 part"]
    assert [axes.spines["left"].get_visible() for axes in page.axes] == [True, False]
    assert [len(axes.collections) for axes in page.axes] == [0, 1]


def test_long_names_and_reasons_stay_within_their_tile() -> None:
    reasons = ("small: 3%", "1 part", "lopsided: 0%", "unsure: 0.41", "at the border: 12%", "and more")
    (page,) = mask_sheet([tile("n" * 80, *reasons)] * 7, title="7 masks")
    page.canvas.draw()
    boxes = [text.get_window_extent() for text in page.texts[2:]]
    assert all(one.width <= 2 * (168 + 14) for one in boxes)
    assert page.bbox.y0 <= min(one.y0 for one in boxes)
    assert page.texts[4].get_text() == "small: 3%; 1 part;"
    assert page.texts[5].get_text().endswith("\N{HORIZONTAL ELLIPSIS}")


def test_pages_are_files_and_those_of_an_earlier_sheet_go(tmp_path: Path) -> None:
    path = tmp_path / "masks.png"
    files = write_mask_sheet(path, [tile()] * 37, title="37 masks")
    assert [file.name for file in files] == ["masks-1.png", "masks-2.png"]
    assert write_mask_sheet(path, [tile()], title="1 mask") == [path]
    assert [file.name for file in tmp_path.iterdir()] == ["masks.png"]
    with Image.open(path) as sheet:
        assert sheet.size[0] > sheet.size[1]


def test_no_mask_no_sheet() -> None:
    with pytest.raises(DataError, match="a sheet of masks needs at least one mask, got none"):
        list(mask_sheet([], title="none"))
