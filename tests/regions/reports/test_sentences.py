import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.regions.reports.sentences import sentences


def texts(report: str) -> list[str]:
    return [each.text for each in sentences(report)]


@pytest.mark.parametrize(
    ("report", "cut"),
    [
        ("Nodule of 1.2 cm. No effusion.", ["Nodule of 1.2 cm.", "No effusion."]),
        ("no effusion. heart enlarged", ["no effusion.", "heart enlarged"]),
        ("Seen by Dr. Smith. Mass vs. nodule.", ["Seen by Dr. Smith.", "Mass vs. nodule."]),
        ("Tip in the SVC. No mass.", ["Tip in the SVC.", "No mass."]),
        ("1. Mass. 2. No effusion. 3) Old fracture.", ["Mass.", "No effusion.", "Old fracture."]),
        ("- Mass\n- No effusion", ["Mass", "No effusion"]),
        ("There is a long line that goes on in the next one, as reports are\nwrapped.", None),
        ("Lungs clear\nHeart enlarged", ["Lungs clear", "Heart enlarged"]),
        ("No effusion.Heart enlarged.", ["No effusion.", "Heart enlarged."]),
        ("No effusion\n\nmass", ["No effusion", "mass"]),
        ("(3:30. These are unchanged", ["(3:30.", "These are unchanged"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(report: str, cut: list[str] | None) -> None:
    assert texts(report) == (cut or [report])


def test_sections_that_tell_nothing_seen_are_left_out() -> None:
    report = (
        "EXAM: CT of nodule.\nINDICATION: Cough. Mass?\nFINDINGS: Clear.\nRECOMMENDATION: CT.\nIMPRESSION:\n1. Normal."
    )
    assert [(each.section, each.text) for each in sentences(report)] == [
        ("findings", "Clear."),
        ("impression", "Normal."),
    ]


def test_sections_may_follow_each_other_in_a_line_or_have_lines_of_their_own() -> None:
    assert texts("History: cancer. Findings: Clear. Impression: Normal.") == ["Clear.", "Normal."]
    assert texts("CLINICAL HISTORY\ncancer\nFINDINGS\nClear.") == ["Clear."]
    assert texts("There is a history: long.") == ["There is a history: long."]


def test_a_heading_holds_until_the_next() -> None:
    report = "Lungs: Clear. No nodule. Left lung: Mass. Nodule seen: yes."
    assert [each.heading for each in sentences(report)] == ["lungs", "lungs", "left lung", "left lung"]


@given(st.text(alphabet="aB1 .,:;\n-()", max_size=60))
def test_sentences_stand_where_they_say(report: str) -> None:
    for each in sentences(report):
        assert report[each.start :].startswith(each.text)
        assert each.text.strip() == each.text != ""
