from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.errors import DataError
from sightline.reporting.contact_sheet import SheetColumn, SheetRow, contact_sheet, write_contact_sheet

MM = 1 / 25.4


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "picture.png"
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[..., 0], pixels[:20, :, 1] = 200, 100
    Image.fromarray(pixels).save(file)
    return file


def columns(count: int) -> list[SheetColumn]:
    return [SheetColumn(f"Method {number}") for number in range(count)]


def rows(picture: Path, count: int, methods: int, words: str = "predicted nodule, 87 %") -> list[SheetRow]:
    return [SheetRow(f"case-{number}", words, picture, (picture,) * methods) for number in range(count)]


def texts(figure: object) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_a_row_is_a_case_and_a_column_a_method(picture: Path) -> None:
    (figure,) = contact_sheet(rows(picture, 2, 3), columns(3), title="isnet on test")
    assert {"isnet on test", "Image", "Method 0", "Method 2", "case-0", "case-1", "predicted nodule, 87 %"} <= set(
        texts(figure)
    )
    tiles = figure.axes[:-1]
    assert len(tiles) == 2 * 4
    assert len({round(axes.get_position().x0, 6) for axes in tiles}) == 4
    assert len({round(axes.get_position().y0, 6) for axes in tiles}) == 2
    pixels = np.asarray(tiles[5].images[0].get_array())
    assert pixels[5, 5].tolist() == [200, 100, 0]
    assert pixels[-5, 5].tolist() == [200, 0, 0]


def test_tiles_do_not_overlap_and_stay_on_the_page(picture: Path) -> None:
    (figure,) = contact_sheet(rows(picture, 3, 2), columns(2), title="t")
    boxes = [axes.get_position() for axes in figure.axes]
    for number, box in enumerate(boxes):
        assert min(box.x0, box.y0) > 0
        assert max(box.x1, box.y1) < 1
        for other in boxes[:number]:
            assert box.x0 >= other.x1 or other.x0 >= box.x1 or box.y0 >= other.y1 or other.y0 >= box.y1


@pytest.mark.parametrize(("methods", "paper"), [(1, 210), (5, 210), (6, 297), (12, 420), (24, 841)])
def test_a_page_is_of_the_smallest_paper_that_leaves_tiles_legible(picture: Path, methods: int, paper: int) -> None:
    figure = next(contact_sheet(rows(picture, 1, methods), columns(methods), title="t"))
    width = figure.get_size_inches()[0]
    assert width <= paper * MM + 1e-6
    tile = figure.axes[0].get_position().width * width
    assert 26 * MM - 1e-6 <= tile <= 48 * MM + 1e-6


def test_many_cases_go_on_several_pages_of_one_size(picture: Path) -> None:
    pages = list(contact_sheet(rows(picture, 9, 2), columns(2), title="t"))
    assert [texts(page)[0] for page in pages] == [
        f"t, page {number + 1} of {len(pages)}" for number in range(len(pages))
    ]
    shown = [text for page in pages for text in texts(page) if text.startswith("case-")]
    assert shown == [f"case-{number}" for number in range(9)]
    assert all(page.get_size_inches()[1] <= 297 * MM for page in pages)
    assert len({page.get_size_inches()[0] for page in pages}) == 1


def test_heads_and_words_do_not_run_into_each_other(picture: Path) -> None:
    heads = [SheetColumn("LRP epsilon alpha2 beta1 flat"), SheetColumn("Guided backpropagation", "fails"), *columns(3)]
    long = [SheetRow("patient/" * 30 + "1", "predicted a disease with a very long name, 9 %", picture, (None,) * 5)]
    (figure,) = contact_sheet(long, heads, title="t")
    boxes = [text.get_window_extent() for text in figure.texts]
    for number, box in enumerate(boxes):
        assert box.x1 <= figure.bbox.width
        for other in boxes[:number]:
            assert not (box.x0 < other.x1 and other.x0 < box.x1 and box.y0 < other.y1 - 2 and other.y0 < box.y1 - 2)
    assert any("…" in text for text in texts(figure))


def test_words_that_do_not_fit_go_on_further_lines(picture: Path) -> None:
    words = "explained a finding with a long name, 9 %; predicted another finding with a long name, 87 %; true: neither"
    (figure,) = contact_sheet(rows(picture, 2, 1, words), columns(1), title="t")
    written = [text for text in texts(figure) if text != "case-0"]
    assert " ".join(written).count(words) == 2
    tiles, right = figure.axes[:-1], max(axes.get_window_extent().x1 for axes in figure.axes)
    for text in figure.texts:
        extent = text.get_window_extent()
        assert extent.x1 <= right + 1
        assert not any(extent.overlaps(axes.get_window_extent()) for axes in tiles)


def test_a_caveat_is_marked_and_told(picture: Path) -> None:
    heads = [SheetColumn("LRP"), SheetColumn("DeconvNet", "fails sanity checks")]
    (figure,) = contact_sheet(rows(picture, 1, 2), heads, title="t", notes=["outline: the lungs"])
    assert "DeconvNet†" in texts(figure)
    assert "LRP" in texts(figure)
    assert {"† fails sanity checks", "outline: the lungs", "red: for the class, blue: against it"} <= set(texts(figure))


def test_a_map_that_is_not_there_leaves_its_place_empty(picture: Path) -> None:
    (figure,) = contact_sheet([SheetRow("c", "w", picture, (None, picture))], columns(2), title="t")
    assert len(figure.axes) == 2 + 1


def test_pages_are_numbered_files_and_those_of_before_are_removed(picture: Path, tmp_path: Path) -> None:
    path, other = tmp_path / "sheet.png", tmp_path / "sheet-notes.png"
    other.write_bytes(picture.read_bytes())
    many = write_contact_sheet(path, rows(picture, 9, 1), columns(1), title="t")
    assert [file.name for file in many] == [f"sheet-{number + 1}.png" for number in range(len(many))]
    assert len(many) > 1
    assert Image.open(many[0]).info["dpi"][0] == pytest.approx(192, abs=0.1)
    assert write_contact_sheet(path, rows(picture, 1, 1), columns(1), title="t") == [path]
    assert {file.name for file in tmp_path.glob("sheet*.png")} == {"sheet.png", "sheet-notes.png"}


def test_a_sheet_of_nothing_and_rows_of_other_length_are_refused(picture: Path) -> None:
    with pytest.raises(DataError, match="at least one case and one method"):
        next(contact_sheet([], columns(1), title="t"))
    with pytest.raises(DataError, match="needs 2 maps; case-0 has 1"):
        next(contact_sheet(rows(picture, 1, 1), columns(2), title="t"))
