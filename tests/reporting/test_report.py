import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.errors import DataError
from sightline.reporting import (
    Card,
    CardPart,
    Confusion,
    Curve,
    GalleryMap,
    GalleryRow,
    GapRow,
    ReportContent,
    Score,
    ScoreRow,
    Table,
    render_report,
    write_report,
)

VOID = {"meta", "link", "img", "br", "source", "input"}
SHELL = "<script>alert('x')</script> & <b>\"bold\"</b>"


class Page(HTMLParser):
    """Collects elements, text and unclosed tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def content() -> ReportContent:
    image = np.random.default_rng(0).random((16, 16))
    maps = (
        GalleryMap("plain", image[None] - 0.5, "effusion", 0.125, 0.98),
        GalleryMap("ISNet", 0.5 - image[None], "pneumonia", float("nan")),
    )
    return ReportContent(
        title="Phantoms",
        gaps=(
            GapRow("plain", {"on": Score(1.0, 0.99, 1), "off": Score(0.17, 0.1, 0.2)}, change={"off": Score(-0.83)}),
            GapRow("ISNet", {"on": Score(0.74), "off": Score(0.73)}, True, {"off": Score(-0.01, -0.03, 0.02)}),
        ),
        table=(
            ScoreRow("plain", "on", {"Macro-F1": Score(1.0, 0.99, 1), "AUROC": Score(1.0)}, 240),
            ScoreRow("plain", "off", {"Macro-F1": Score(0.17, 0.1, 0.2)}, 240),
            ScoreRow("ISNet", "on", {"Macro-F1": Score(0.74), "AUROC": Score(0.9)}),
        ),
        gallery=(GalleryRow("case-7", image, "pneumonia", maps, image > 0.5, "on"),),
        curves=(Curve("plain", "Loss", np.arange(3), np.array([1.0, 0.5, 0.2])),),
        confusions=(Confusion("plain", "on", np.eye(2), ("a", "b")),),
        details=(Table("By class", ("Class", "F1"), (("effusion", Score(0.5)),), folded=True),),
        attention=(Table("Gaze", ("Recipe", "CC", "Images"), (("plain", Score(0.25, 0.2, 0.3), 12),)),),
        cards=(Card("Model card: plain", "model_card.md", (CardPart("Training", {"Licence": "unknown"}),)),),
        region_name="the lungs",
        settings={"plain": "epochs: 3"},
        facts={"Seeds": "0"},
        commands=("sightline compare -c a.yaml",),
        environment={"Python": "3.11"},
        limits=("Phantoms only.",),
    )


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(content())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_element_is_closed_and_ids_are_unique(page: Page) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_answer_comes_first_then_chart_table_gallery_curves_details_limits(page: Page) -> None:
    order = [attributes["id"] for attributes in page.all("section")]
    assert order == ["bias-gap", "scores", "attention", "gallery", "training", "cards", "how", "limits"]
    assert [a["href"] for a in page.all("a")] == [f"#{name}" for name in order]
    assert page.text.index("plain falls from a macro-F1 of 1.00 to 0.17") < page.text.index("The bias gap")


def test_file_holds_all_it_shows_and_asks_for_nothing(html: str, page: Page) -> None:
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"(https?:)?//[a-z]", bare)
    assert not re.search(r"url\((?!#)|@import", bare)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for attributes in [attributes for _, attributes in page.elements]:
        for name in ("src", "href", "srcset"):
            address = attributes.get(name) or "data:"
            assert address.startswith("data:") or address.removeprefix("#") in ids
    for name in re.findall(r"url\(#([^)]+)\)", html):
        assert name in ids


def test_only_the_script_of_the_page_may_run(html: str, page: Page) -> None:
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_pictures_have_words_for_those_who_do_not_see_them(page: Page) -> None:
    pictures = [a for _, a in page.elements if a.get("role") == "img"]
    assert len(pictures) == 3 + 3  # charts, one image and two maps
    assert all(len(attributes["aria-label"] or "") > 10 for attributes in pictures)
    words = " ".join(attributes["aria-label"] or "" for attributes in pictures)
    assert "Heatmap, plain on case-7: answered effusion, true pneumonia; 12" in words
    stored = [a["href"] or "" for a in page.all("image")]
    assert len(stored) == 3  # the image once, and each map once
    for address in stored:
        with Image.open(io.BytesIO(base64.b64decode(address.split("base64,")[1]))) as picture:
            picture.verify()


def test_a_chart_is_drawn_once_for_each_width_in_the_colours_of_the_page(html: str, page: Page) -> None:
    assert [a["class"] for a in page.all("div") if a.get("class") in ("wide", "narrow")] == ["wide", "narrow"] * 3
    charts = re.findall(r'<div class="wide">(<svg.*?</svg>)', html, re.DOTALL)
    for chart in charts:
        assert set(re.findall(r"#[0-9a-f]{6}", chart)) == set()
        assert "var(--ink)" in chart
        assert "plain" in re.sub(r"<[^>]*>", "", chart)  # text stays text


def test_tables_have_headers_and_scroll_in_their_own_box(page: Page) -> None:
    for attributes in page.all("th"):
        assert attributes["scope"] in {"col", "row"}
    boxes = [a for a in page.all("div") if "scroll" in (a.get("class") or "")]
    assert len(boxes) == len(page.all("table")) == 4
    assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in boxes)


def test_table_shows_values_intervals_and_what_is_missing(page: Page) -> None:
    for text in ("0.17 0.10 to 0.20", "\N{MINUS SIGN}0.01 \N{MINUS SIGN}0.03 to +0.02", "240", "\N{EN DASH}"):
        assert text in page.text


def test_a_table_can_be_sorted_by_numbers_that_are_not_rounded(page: Page) -> None:
    values = [a["data-value"] for a in page.all("td") if "data-value" in a]
    assert {"-0.83", "-0.01", "0.17", "240", "0.25", "12"} <= set(values)
    assert values.count("") == 2  # an AUROC and a number of images are not known


def test_captions_say_truth_answer_and_share_inside(page: Page) -> None:
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "plain: effusion \N{BALLOT X} wrong map of effusion (98 %)" in text
    assert "12 % inside the lungs" in text
    assert "ISNet: pneumonia \N{CHECK MARK} right" in text
    assert text.count("% inside the lungs") == 1  # unknown is not shown as zero


def test_how_it_was_made_and_what_it_is_not(page: Page) -> None:
    for text in ("sightline compare -c a.yaml", "epochs: 3", "Seeds", "3.11", "Phantoms only."):
        assert text in page.text
    assert "Research software, not a medical device." in page.text


def test_light_dark_print_and_phone_are_provided_for(html: str) -> None:
    for text in ("prefers-color-scheme: dark", 'data-theme="dark"', "@media print", "max-width: 640px", "viewport"):
        assert text in html


def test_whatever_a_user_wrote_is_text_and_never_markup() -> None:
    image = np.zeros((4, 4))
    text = render_report(
        ReportContent(
            title=SHELL,
            answer=SHELL,
            summary=(SHELL,),
            table=(ScoreRow(SHELL, SHELL, {SHELL: Score(1)}),),
            details=(Table(SHELL, (SHELL,), ((SHELL,),), lead=SHELL),),
            gaps=(GapRow(SHELL, {SHELL: Score(1), "off": Score(0)}),),
            curves=(Curve(SHELL, SHELL, np.arange(3), np.arange(3.0)),),
            confusions=(Confusion(SHELL, SHELL, np.eye(2), (SHELL, "b")),),
            cards=(Card(SHELL, SHELL, (CardPart(SHELL, {SHELL: SHELL}, (SHELL,)),)),),
            metric=SHELL,
            gallery=(GalleryRow(SHELL, image, SHELL, (GalleryMap(SHELL, image, SHELL, 0.5),), None, SHELL),),
            settings={SHELL: SHELL},
            facts={SHELL: SHELL},
            commands=(SHELL,),
            environment={SHELL: SHELL},
            limits=(SHELL,),
            region_name=SHELL,
        )
    )
    page = Page(text)
    assert page.open == []
    assert text.count("<script") == 1
    assert SHELL in page.text
    assert not any("bold" in name for _, attributes in page.elements for name in attributes)


def test_parts_without_content_are_left_out() -> None:
    page = Page(render_report(ReportContent(title="Nothing yet")))
    assert [attributes["id"] for attributes in page.all("section")] == ["limits"]
    assert not page.all("image")


def test_same_content_gives_the_same_page(html: str) -> None:
    assert render_report(content()) == html


def test_report_that_fails_leaves_the_old_one_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    small = ReportContent(title="first")
    write_report(path, small)
    before = path.read_text(encoding="utf-8")
    odd = GalleryRow("case-8", np.zeros((4, 4)), "normal", (GalleryMap("other", np.zeros((4, 4)), "normal"),))
    with pytest.raises(DataError, match="case-8 has others"):
        write_report(path, replace(small, gallery=(*content().gallery, odd)))
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_report(path, replace(small, title="second"))
    assert path.read_text(encoding="utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
