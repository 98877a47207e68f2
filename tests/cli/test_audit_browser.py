"""The page of an audit in a browser. Needs playwright and any Chromium."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightline.cli import auditing
from sightline.cli.main import main

from ..browsing import contrasts

pytestmark = pytest.mark.e2e

PARTS = "performance,looking,agreement,strategies"
OPEN_ALL = "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"


@pytest.fixture(scope="module")
def audit(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of an audit of the demo's plain run."""
    folder = tmp_path_factory.mktemp("audit")
    few = auditing.Resampling
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(auditing, "Resampling", lambda seed: few(100, seed))
        words = ["audit", "-q", str(demo / "plain"), "--split", "train", "--parts", PARTS, "--out", str(folder)]
        assert main(words) == 0
    return (folder / "audit.html").as_uri()


@pytest.fixture
def open_page(open_address: Callable[..., Any], audit: str) -> Callable[..., Any]:
    return lambda width=1280, **options: open_address(audit, width, **options)


def test_verdicts_lead_to_their_parts_whose_numbers_unfold(open_page: Callable[..., Any]) -> None:
    page = open_page()
    links = page.locator(".verdicts a")
    assert links.count() == 4
    for name in PARTS.split(","):
        page.locator(f".verdicts a[href='#{name}']").click()
        assert page.url.endswith(f"#{name}")
        assert page.locator(f"#{name} h2").is_visible()
        table = page.locator(f"#numbers-{name}")
        assert not table.is_visible()
        page.locator(f"#{name} summary", has_text="The numbers").click()
        assert table.is_visible()
    page.locator("#looking summary", has_text="Cases to look at").click()
    assert page.locator("#looking .cases li:visible").count() > 0
    assert page.locator("#strategies img:visible").count() > 0
    assert page.locator("#looking .chart .wide").is_visible()


def test_the_numbers_are_sorted_by_click(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#performance summary", has_text="The numbers").click()
    table = page.locator("#numbers-performance")
    head = table.locator("th", has_text="Value")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    place = head.evaluate("cell => cell.cellIndex")
    values = table.locator("tbody tr").evaluate_all(f"rows => rows.map((row) => row.cells[{place}].dataset.value)")
    known = [float(value) for value in values if value]
    assert len(known) > 5
    assert known == sorted(known, reverse=True)
    assert values[: len(known)] == [value for value in values if value]  # what is missing comes last


def test_the_gallery_switches_between_methods_and_starts_with_the_worst(open_page: Callable[..., Any]) -> None:
    page = open_page()
    cases, maps = page.locator(".case:visible"), page.locator(".map:visible")
    number = cases.count()
    assert number > 1
    assert maps.count() == number
    assert page.locator("[data-choice=order]").count() == 0  # none of them came without the model being asked
    shares = cases.locator(".recipe").evaluate_all(
        """all => all.map(({dataset}) => dataset.judged === "wrong" || dataset.sure === "true" ? dataset.share : "2")"""
    )
    assert list(map(float, shares)) == sorted(map(float, shares))
    method = page.locator("[data-choice=method]")
    for name in ("Grad-CAM", "LRP"):
        method.select_option(name)
        assert set(maps.evaluate_all("all => all.map((map) => map.dataset.method)")) == {name}
        assert maps.count() == number
    page.locator("[data-mix]").fill("0")
    assert maps.locator(".heat").first.evaluate("each => getComputedStyle(each).opacity") == "0"


@pytest.mark.parametrize("system", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(open_page: Callable[..., Any], system: str) -> None:
    page = open_page(color_scheme=system)
    page.evaluate(OPEN_ALL)
    found = contrasts(page)
    assert len(found) > 100
    assert found[0][0] >= 4.5, found[:5]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(open_page: Callable[..., Any], width: int) -> None:
    page = open_page(width)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_paper_shows_all_numbers_and_all_cases(open_page: Callable[..., Any]) -> None:
    page = open_page(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator(".controls").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
