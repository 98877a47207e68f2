"""The page in a browser: what is filtered, switched, scrolled, marked, dropped in and compared."""

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sightline.viewer.desk import Desk
from sightline.viewer.server import prepare_page

pytestmark = pytest.mark.e2e

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
FLAGS = ["--disable-gpu", "--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
MAP = ".map-caption:not(:empty)"
DRAWN = "(canvas) => canvas.toDataURL()"


def dicom(path: Path) -> Path:
    """A DICOM image of the size of the others, with a bright square."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    image.Rows = image.Columns = 24
    image.SamplesPerPixel, image.BitsAllocated, image.BitsStored, image.HighBit = 1, 8, 8, 7
    image.PixelRepresentation, image.PhotometricInterpretation = 0, "MONOCHROME2"
    pixels = np.zeros((24, 24), np.uint8)
    pixels[8:14, 8:14] = 200
    image.PixelData = pixels.tobytes()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    image.file_meta = meta
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    path.write_bytes(stream.getvalue())
    return path


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """Serve a page in a thread; yield its address."""
    page = prepare_page(desk)
    thread = threading.Thread(target=page.serve)
    thread.start()
    try:
        yield page.address
    finally:
        page.server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested in a browser by playwright")
    named = os.environ.get("SIGHTLINE_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the path, and SIGHTLINE_CHROMIUM is not set")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    """Open a page; at the end nothing may have gone wrong, and nothing been asked for from elsewhere."""
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(120_000)
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(address) else None)
    page.goto(address)
    page.wait_for_selector(".case-table tbody tr")
    yield page
    page.close()
    assert wrong == []


def until(found: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something; the page's policy does not let a browser wait for it by itself."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def rows(page: Any) -> list[str]:
    page.wait_for_selector("#rows:not([aria-busy])")
    return [text.strip() for text in page.locator(".case-table tbody th a").all_inner_texts()]


def test_a_reviewer_goes_through_images(browser: Any, desk: Desk, tmp_path: Path) -> None:
    with served(desk) as address, opened(browser, address) as page:
        assert len(rows(page)) == 7  # the test split
        assert "<b>bold</b>" in rows(page)  # markup in a name is text
        page.get_by_label("True class", exact=True).select_option("effusion")
        until(lambda: len(rows(page)) == 3)
        page.fill("#search", "case-5")
        page.wait_for_selector("#count:text('1 case')")
        page.fill("#search", "")
        page.wait_for_selector("#count:text('3 cases')")

        page.get_by_role("link", name="case-5", exact=True).click()
        page.wait_for_selector(MAP)
        assert "2 of 3" in page.inner_text(".where")
        first = page.locator("canvas").evaluate(DRAWN)
        page.select_option("#method", "gradient_times_input")
        page.wait_for_selector(".map-caption:has-text('input')")
        page.keyboard.press("2")
        page.wait_for_selector(".map-caption:has-text('Map of effusion')")
        until(lambda: page.locator("canvas").evaluate(DRAWN) != first)
        with_map = page.locator("canvas").evaluate(DRAWN)
        page.keyboard.press("h")
        assert page.locator("canvas").evaluate(DRAWN) != with_map

        page.keyboard.press("a")
        page.wait_for_selector(".kept:has-text('Kept')")
        page.keyboard.press("n")
        page.keyboard.type("as I would a")
        page.wait_for_selector(".kept:has-text('Kept')")
        page.keyboard.press("Escape")
        page.reload()
        page.wait_for_selector(MAP)
        assert page.get_by_role("button", name="agree").get_attribute("aria-pressed") == "true"
        assert page.get_by_label("Note on plain").input_value() == "as I would a"
        (review,) = desk.all_reviews()
        assert (review.case, review.run, review.mark, review.explained) == ("case-5", "plain", "agree", "effusion")

        page.keyboard.press("j")
        page.wait_for_selector(".case-title:has-text('case-7')")
        page.keyboard.press("c")
        until(lambda: page.locator(f".pane {MAP}").count() == 2)
        assert page.locator(".pane > h3").all_inner_texts() == ["plain", "isnet"]
        page.keyboard.press("?")
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.wait_for_selector(".chip.agree")

        page.set_input_files("#file", dicom(tmp_path / "IM01"))
        page.wait_for_selector(".case-title:has-text('IM01')")
        page.wait_for_selector(MAP)
        assert page.locator(".classes li").count() == 2


def test_a_volume_is_scrolled_in_three_linked_planes(
    browser: Any, volumes: Path, open_desk: Callable[..., Desk]
) -> None:
    with served(open_desk(volumes, "axialnet")) as address, opened(browser, address) as page:
        page.get_by_role("link", name="scan-0").click()
        page.wait_for_selector(MAP)
        page.keyboard.press("1")
        page.wait_for_selector(".map-caption:has-text('Map of nodule')")
        assert page.locator("canvas").count() == 3
        assert page.locator(".curve svg").count() == 2

        def place() -> int:
            return int(page.inner_text(".slice-words span:nth-child(2)").split()[1])

        before, line = place(), page.locator(".curve .here").first.get_attribute("x1")
        page.locator(".axial canvas").focus()
        page.keyboard.press("ArrowDown")
        until(lambda: place() == before + 1)
        assert page.locator(".curve .here").first.get_attribute("x1") != line
        box = page.locator(".coronal canvas").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"])
        until(lambda: place() == 22)
        page.get_by_role("button", name="lung", exact=True).click()
        assert page.locator("output[data-window='1']").inner_text() == "150 HU"
