"""The page in a browser: what is switched, sorted, slid and printed. Needs playwright and any Chromium."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sightline.reporting import (
    Card,
    CardPart,
    Confusion,
    Curve,
    GalleryMap,
    GalleryRow,
    GapRow,
    Priced,
    PValue,
    ReportContent,
    Score,
    ScoreRow,
    Table,
    write_report,
)

from ..browsing import contrasts

pytestmark = pytest.mark.e2e

CLASSES = ("normal", "effusion")
NAN = float("nan")
PAIRS = ("Recipe", "Over", "Difference", "p", "p (Holm)")


def gallery() -> tuple[GalleryRow, ...]:
    """Four cases: of two recipes and two methods each class, but of the second recipe no map of the other class."""
    drawn = np.random.default_rng(0)
    rows = []
    for index, (share, label) in enumerate([(0.9, "normal"), (0.2, "effusion"), (0.5, "normal"), (0.1, "effusion")]):
        image = drawn.random((24, 24))
        maps = [
            GalleryMap(name, scale * image, "effusion", inside, 0.95, of, method)
            for name, inside, classes in (("plain", share, CLASSES[::-1]), ("ISNet", 1 - share, CLASSES[1:]))
            for of in classes
            for method, scale in (("LRP", -1), ("Grad-CAM", 1))
        ]
        region = np.pad(np.ones((12, 12)), 6)
        rows.append(GalleryRow(f"case-{index}", image, label, tuple(maps), region, "on", as_it_comes=index != 3))
    return tuple(rows)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a page with all its parts."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    content = ReportContent(
        title="A page",
        gaps=(
            GapRow("plain", {"on": Score(1.0, 0.99, 1), "off": Score(0.17, 0.1, 0.2)}, change={"off": Score(-0.83)}),
            GapRow("ISNet", {"on": Score(0.74), "off": Score(0.73)}, True, {"off": Score(-0.01, -0.03, 0.02)}),
        ),
        table=(
            ScoreRow("plain", "on", {"Macro-F1": Score(0.9, 0.8, 1), "AUROC": Score(1.0)}, 240),
            ScoreRow("plain", "off", {"Macro-F1": Score(0.17, 0.1, 0.2)}, 24),
            ScoreRow("ISNet", "on", {"Macro-F1": Score(0.74), "AUROC": Score(0.9)}, 100),
        ),
        details=(Table("By class", ("Class", "F1"), (("effusion", Score(0.5)),), folded=True),),
        attention=(Table("Gaze", ("Recipe", *(f"A long name {i}" for i in range(12))), (("x", *[Score(0.5)] * 12),)),),
        pairs=(
            Table("F1 on ood", PAIRS, (("ISNet", "plain", Score(0.56, 0.4, 0.7), PValue(0.0004), PValue(0.0012)),)),
            Table("AUROC on ood", PAIRS, (("ISNet", "plain", Score(-0.1), PValue(0.03), PValue(NAN)),), folded=True),
        ),
        costs=(Priced("plain", 1.0, Score(0.17, 0.1, 0.2)), Priced("ISNet", 4.0, Score(0.73), guided=True)),
        costs_where="ood, bias on",
        costs_table=Table("Costs", ("Recipe", "Step", "Weights"), (("ISNet", Score(4.0, 3.5, 4.5), 1234),)),
        gallery=gallery(),
        curves=(Curve("plain", "Loss", np.arange(3), np.array([1.0, 0.5, 0.2])),),
        confusions=(Confusion("plain", "on", np.array([[9, 1], [5, 5]]), CLASSES),),
        facts={"A very-long-name-without-any-place-to-break-it-on-a-phone": "x" * 90},
        settings={"plain": "epochs: 3"},
        commands=("sightline report " + "a/long/path/" * 12,),
        cards=(Card("Model card: plain", "model_card.md", (CardPart("Training", {"Licence": "unknown"}),)),),
    )
    write_report(file, content)
    return file.as_uri()


@pytest.fixture
def open_page(open_address: Callable[..., Any], report: str) -> Callable[..., Any]:
    """Open the page."""
    return lambda width=1280, **options: open_address(report, width, **options)


def cases(page: Any) -> list[str]:
    """Names of the cases in sight, in order."""
    found = page.locator(".case:visible header p:nth-of-type(2)").all_inner_texts()
    return [text.split("\n")[0] for text in found]


def visible_maps(page: Any) -> list[tuple[str, str]]:
    found = page.locator(".map:visible")
    return found.evaluate_all("all => all.map((map) => [map.dataset.class, map.dataset.method])")


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f"[data-choice={name}]").select_option(value)


def opacity(page: Any, layer: str) -> float:
    return float(page.locator(f".map:visible {layer}").first.evaluate("each => getComputedStyle(each).opacity"))


def test_the_class_and_the_method_of_the_maps_can_be_switched(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert [tuple(shown) for shown in visible_maps(page)] == [("effusion", "LRP")] * 8
    choose(page, "method", "Grad-CAM")
    assert [tuple(shown) for shown in visible_maps(page)] == [("effusion", "Grad-CAM")] * 8
    choose(page, "class", "normal")
    assert [tuple(shown) for shown in visible_maps(page)] == [("normal", "Grad-CAM")] * 4
    assert page.locator(".nothing:visible").all_inner_texts() == ["ISNet: no such map was drawn."] * 4
    choose(page, "class", "=label")
    assert sorted(shown[0] for shown in visible_maps(page)) == ["effusion"] * 4 + ["normal"] * 2


def test_the_slider_goes_from_the_image_over_both_to_the_map(open_page: Callable[..., Any]) -> None:
    page = open_page()
    slider = page.locator("[data-mix]")
    slider.focus()
    assert (opacity(page, ".seen"), opacity(page, ".heat")) == (1, 1)
    page.keyboard.press("Home")
    assert (opacity(page, ".seen"), opacity(page, ".heat")) == (1, 0)
    assert slider.get_attribute("aria-valuetext") == "image"
    page.keyboard.press("End")
    assert (opacity(page, ".seen"), opacity(page, ".heat")) == (0, 1)
    assert slider.get_attribute("aria-valuetext") == "map"
    slider.fill("25")
    assert opacity(page, ".heat") == 0.5


def test_the_outline_can_be_taken_away(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert page.locator(".map:visible .edge:visible").count() == 8
    page.locator("[data-outline]").focus()
    page.keyboard.press("Space")
    assert page.locator(".map:visible .edge:visible").count() == 0


def test_worst_cases_come_first_for_all_models_and_for_each(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert cases(page) == ["case-0", "case-3", "case-1", "case-2"]  # 0.1 of ISNet, 0.1, 0.2, 0.5
    choose(page, "recipe", "plain")
    assert cases(page) == ["case-3", "case-1", "case-2", "case-0"]
    assert page.locator(".recipe:visible").count() == 4
    choose(page, "order", "given")
    assert cases(page) == ["case-0", "case-1", "case-2"]  # the last one was chosen by the answers
    assert page.locator("[data-count]").inner_text() == "3 of 4 shown"


def test_the_order_without_the_script_is_the_order_of_the_script(open_page: Callable[..., Any]) -> None:
    assert cases(open_page(java_script_enabled=False)) == cases(open_page())


def test_answers_and_labels_can_be_filtered(open_page: Callable[..., Any]) -> None:
    page = open_page()
    choose(page, "answers", "wrong")
    assert sorted(cases(page)) == ["case-0", "case-2"]
    choose(page, "label", "effusion")
    assert cases(page) == []
    choose(page, "answers", "sure")
    assert sorted(cases(page)) == ["case-1", "case-3"]


def test_a_table_is_sorted_by_click_and_by_keyboard_and_what_is_missing_stays_last(
    open_page: Callable[..., Any],
) -> None:
    page = open_page()
    table = page.locator("#all-scores")

    def column(number: int) -> list[str]:
        return [text.split("\n")[0] for text in table.locator(f"tbody tr > :nth-child({number})").all_inner_texts()]

    def head(name: str) -> Any:
        return table.locator("th", has_text=name)

    assert head("Images").get_attribute("aria-sort") == "none"
    head("Images").locator("button").click()
    assert column(5) == ["240", "100", "24"]  # as numbers, not as text
    assert head("Images").get_attribute("aria-sort") == "descending"
    head("Images").locator("button").click()
    assert column(5) == ["24", "100", "240"]
    head("AUROC").locator("button").focus()
    page.keyboard.press("Enter")
    assert column(4) == ["1.00", "0.90", "\N{EN DASH}"]
    page.keyboard.press("Space")
    assert column(4) == ["0.90", "1.00", "\N{EN DASH}"]
    assert head("AUROC").get_attribute("aria-sort") == "ascending"
    assert head("Images").get_attribute("aria-sort") == "none"
    head("Recipe").locator("button").click()
    assert column(1) == ["ISNet", "plain", "plain"]
    page.locator("#change th", has_text="Bias off").locator("button").click()
    assert page.locator("#change tbody th").all_inner_texts() == ["ISNet", "plain"]  # -0.01 is above -0.83


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_switched(open_page: Callable[..., Any], system: str) -> None:
    page = open_page(color_scheme=system)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 27)"}
    other = {"light": "dark", "dark": "light"}[system]
    button = page.locator("#theme")
    assert page.evaluate(ground) == colours[system]
    assert button.get_attribute("aria-pressed") == str(system == "dark").lower()
    button.click()
    assert page.evaluate(ground) == colours[other]
    assert button.get_attribute("aria-pressed") == str(other == "dark").lower()
    page.emulate_media(media="print")
    assert page.evaluate(ground) == colours["light"]


@pytest.mark.parametrize("system", ["light", "dark"])
def test_all_text_has_the_contrast_of_wcag_aa(open_page: Callable[..., Any], system: str) -> None:
    page = open_page(color_scheme=system)
    page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = contrasts(page)
    assert len(found) > 100
    assert found[0][0] >= 4.5, found[:5]


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_page_does_not_scroll_sideways(open_page: Callable[..., Any], width: int) -> None:
    page = open_page(width)
    page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.locator("#attention .scroll")
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")  # but a wide table does, in its box


def test_pairs_and_costs_of_a_comparison_are_shown(open_page: Callable[..., Any]) -> None:
    page = open_page()
    cells = page.locator("#pairs-1 tbody td").all_inner_texts()
    shown = [text.replace("\N{NO-BREAK SPACE}", " ").split("\n")[0] for text in cells]
    assert shown == ["plain", "0.56", "< 0.001", "0.001"]
    assert not page.locator("#pairs-2").is_visible()
    page.locator("#pairs summary", has_text="AUROC").click()
    assert page.locator("#pairs-2 td").all_inner_texts()[-1] == "\N{EN DASH}"
    assert page.locator("#costs .chart .wide svg").is_visible()
    assert page.locator("#cost-of-steps tbody tr").count() == 1


def test_a_phone_sees_the_narrow_charts(open_page: Callable[..., Any]) -> None:
    for width, form in ((390, ".narrow"), (1280, ".wide")):
        page = open_page(width)
        assert page.locator("#bias-gap .chart > div:visible").count() == 1
        assert page.locator(f"#bias-gap .chart > {form}").is_visible()


def test_without_script_it_is_a_static_page(open_page: Callable[..., Any]) -> None:
    page = open_page(java_script_enabled=False)
    assert not page.locator(".controls").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator(".case:visible").count() == 4
    assert page.locator(".map:visible .heat").count() == 8
    assert page.locator("#all-scores").is_visible()


def test_paper_shows_everything_but_controls(open_page: Callable[..., Any]) -> None:
    page = open_page(color_scheme="dark")
    choose(page, "answers", "wrong")
    page.locator("[data-mix]").fill("0")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("button:visible, select:visible, input:visible").count() <= page.locator("th button").count()
    assert not page.locator(".controls").is_visible()
    assert page.locator(".case:visible").count() == 4
    assert opacity(page, ".heat") == 1
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_scripts_other_than_its_own_are_refused(browser: Any, report: str) -> None:
    page = browser.new_page()
    page.goto(report)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.ran = 1\">')")
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    page.close()
