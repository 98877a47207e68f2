import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sightline.evaluation.audit import Audit, Number, Section, Shown
from sightline.metrics.intervals import Interval
from sightline.reporting.audit_page import AuditContent, Sheet, numbers_table, render_audit_page, verdict_sentence
from sightline.reporting.content import PValue, Score
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow
from sightline.reporting.themes import LIGHT, new_figure

SHARE = Number("share inside", Interval(0.14, 0.12, 0.16, 60, "bootstrap", n_patients=50), note="of LRP")
OF_CLASS = Number(
    "share inside", Interval(0.05, float("nan"), float("nan"), 20, "bootstrap"), of="class a", p_value=0.01
)
LOOKING = Section(
    "looking",
    "Does it look <there>?",
    "bad",
    "14 % & no more.",
    (SHARE, OF_CLASS),
    (Shown("case-7", "least inside", 0.01),),
    ("A map says little.",),
)
OUTSIDE = Section("outside", "Does the outside move it?", "doubtful", "Not certain.")
TRUST = Section("trust", "May maps be believed?", "good", "Yes.")
UNFIT = Section("inside", "What is left without it?", "unknown", "Not tested: no region is known.")


def page(*sections: Section, **more: object) -> str:
    return render_audit_page(AuditContent(Audit("plain", sections), "plain on phantoms", **more))  # type: ignore[arg-type]


def test_the_first_sentence_says_what_the_parts_found_together() -> None:
    assert verdict_sentence(Audit("m", (LOOKING, OUTSIDE, TRUST, UNFIT))) == (
        "One answer of 3 speaks against m. One question stays open and one question could not be tested."
    )
    assert verdict_sentence(Audit("m", (LOOKING, LOOKING))) == "2 answers of 2 speak against m."
    assert verdict_sentence(Audit("m", (OUTSIDE, TRUST))) == "Nothing was found against m. One question stays open."
    assert verdict_sentence(Audit("m", (TRUST,))) == "Nothing was found against m by one question."
    assert verdict_sentence(Audit("m", (UNFIT,))).startswith("Nothing could be tested")


def test_every_part_shows_its_verdict_in_words_its_answer_and_its_limits() -> None:
    html = page(LOOKING, OUTSIDE, TRUST, UNFIT)
    for words in ("speaks against it", "open", "nothing found", "not tested"):
        assert words in html
    assert "Does it look &lt;there&gt;?" in html
    assert "14 % &amp; no more." in html
    assert "<b>case-7</b> least inside" in html
    assert "A map says little." in html
    assert [html.count(f'id="{name}"') for name in ("looking", "outside", "trust", "inside")] == [1, 1, 1, 1]


def test_numbers_have_the_columns_that_are_known() -> None:
    table = numbers_table(LOOKING)
    assert table.columns == ("Measured", "Of", "Value", "p", "Cases", "Patients", "Note")
    assert table.rows[0] == ("share inside", "all", Score(0.14, 0.12, 0.16), None, 60, 50, "of LRP")
    assert table.rows[1][1] == "class a"
    assert table.rows[1][3] == PValue(0.01)
    only = Section("a", "?", "good", "", (Number("n", SHARE.interval),))
    assert numbers_table(only).columns == ("Measured", "Value", "Cases", "Patients")


def test_the_page_holds_all_it_shows() -> None:
    image = np.zeros((8, 8), np.float32)
    row = GalleryRow("case-7", image, "a", (GalleryMap("plain", np.eye(8), "b", 0.2, 0.99),), np.ones((8, 8)))
    html = page(
        LOOKING,
        sheets={"looking": (Sheet("strategies", new_figure(40, 30, LIGHT)),)},
        gallery=(row,),
        facts={"Cases": "60"},
    )
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if name in ("src", "href"))

    Reader().feed(html)
    assert found
    assert all(address.startswith(("data:", "#")) for address in found)
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_there_is_a_word_for_every_verdict() -> None:
    with pytest.raises(KeyError):
        page(Section("a", "?", "fine", ""))  # type: ignore[arg-type]
