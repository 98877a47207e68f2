import base64
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
    Confusion,
    Curve,
    GalleryMap,
    GalleryRow,
    GapRow,
    ReportContent,
    Score,
    ScoreRow,
    render_report,
    write_report,
)

VOID = {"meta", "link", "img", "br", "source"}
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
        if self.open and self.open[-1] != "style":
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
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby") in {None, *ids}


def test_answer_comes_first_then_chart_table_gallery_curves_details_limits(page: Page) -> None:
    order = [attributes["id"] for attributes in page.all("section")]
    assert order == ["bias-gap", "scores", "gallery", "training", "how", "limits"]
    assert page.text.index("plain falls from a macro-F1 of 1.00 to 0.17") < page.text.index("The bias gap")


def test_file_holds_all_it_shows_and_asks_for_nothing(html: str, page: Page) -> None:
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html))
    assert not re.search(r"url\(|@import", html)
    assert not page.all("script")
    for attributes in [attributes for _, attributes in page.elements]:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy


def test_images_are_pictures_with_words_for_those_who_do_not_see_them(page: Page) -> None:
    images = page.all("img")
    assert len(images) == 3 * 4 + 3  # charts in four drawings, one image and two maps
    for attributes in images:
        assert len(attributes["alt"] or "") > 10
        _, data = (attributes["src"] or "").split("base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.verify()
    alts = " ".join(attributes["alt"] or "" for attributes in images)
    assert "Heatmap of plain on case-7: predicted effusion, true pneumonia" in alts


def test_exactly_one_drawing_of_a_chart_fits_each_width_and_ground(html: str, page: Page) -> None:
    classes = [a["class"] for a in page.all("img") if a.get("class")]
    assert classes[:4] == ["wide light", "wide dark", "narrow light", "narrow dark"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert ".chart img { display: none;" in style
    for form in ("wide.light", "wide.dark", "narrow.light", "narrow.dark"):
        assert f".chart .{form} {{ display: block; }}" in style


def test_tables_have_headers_and_scroll_in_their_own_box(page: Page) -> None:
    for attributes in page.all("th"):
        assert attributes["scope"] in {"col", "row", "rowgroup"}
    boxes = [a for a in page.all("div") if "scroll" in (a.get("class") or "")]
    assert len(boxes) == len(page.all("table")) == 2
    assert all(a["tabindex"] == "0" and a["role"] == "region" for a in boxes)


def test_table_shows_values_intervals_and_what_is_missing(page: Page) -> None:
    for text in ("0.17 0.10 to 0.20", "\N{MINUS SIGN}0.01 \N{MINUS SIGN}0.03 to +0.02", "240", "\N{EN DASH}"):
        assert text in page.text
    assert [a["rowspan"] for a in page.all("th") if "rowspan" in a] == ["2", "1"]


def test_captions_say_truth_answer_and_share_inside(page: Page) -> None:
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "plain: effusion (98 %) \N{BALLOT X} wrong" in text
    assert "12 % inside the lungs" in text
    assert "ISNet: pneumonia \N{CHECK MARK} right" in text
    assert text.count("% inside the lungs") == 1  # unknown is not shown as zero


def test_how_it_was_made_and_what_it_is_not(page: Page) -> None:
    for text in ("sightline compare -c a.yaml", "epochs: 3", "Seeds", "3.11", "Phantoms only."):
        assert text in page.text
    assert "Research software, not a medical device." in page.text


def test_light_dark_print_and_phone_are_provided_for(html: str) -> None:
    for text in ("prefers-color-scheme: dark", "@media print", "max-width: 640px", 'name="viewport"'):
        assert text in html


def test_whatever_a_user_wrote_is_text_and_never_markup() -> None:
    image = np.zeros((4, 4))
    text = render_report(
        ReportContent(
            title=SHELL,
            answer=SHELL,
            summary=(SHELL,),
            table=(ScoreRow(SHELL, SHELL, {SHELL: Score(1)}),),
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
    assert "<script" not in text
    assert SHELL in page.text
    assert not any("bold" in name for _, attributes in page.elements for name in attributes)


def test_parts_without_content_are_left_out() -> None:
    page = Page(render_report(ReportContent(title="Nothing yet")))
    assert [attributes["id"] for attributes in page.all("section")] == ["limits"]
    assert not page.all("img")


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
