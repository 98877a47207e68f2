import json
import math
from pathlib import Path

from sightline.evaluation.audit import Audit, Number, Section, Shown
from sightline.metrics import Interval
from sightline.runs import write_json

NAN = float("nan")


def section() -> Section:
    interval = Interval(0.5, NAN, 0.7, 12, "bootstrap", 0.9, 6, 100, 3)
    return Section(
        "outside",
        "Does it?",
        "doubtful",
        "Perhaps.",
        (Number("flips", interval, "source east", 0.03, "corrected"), Number("AUC", interval)),
        (Shown("case-1", "it moves", 0.4), Shown("case-2", "no number")),
        ("a limit",),
        {"worst cases": "pictures/worst.png"},
    )


def test_a_section_reads_back_from_its_fields() -> None:
    again = Section.from_dict(section().as_dict())
    assert repr(again) == repr(section()), "NaN equals nothing, so the words are compared"
    assert again.numbers[0].p_value == 0.03
    assert again.numbers[0].interval.n_patients == 6


def test_what_json_turned_into_null_comes_back_as_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "audit.json", Audit("tiny", (section(),)).as_dict())
    again = Audit.from_dict(json.loads((tmp_path / "audit.json").read_text()))
    assert repr(again) == repr(Audit("tiny", (section(),)))
    assert math.isnan(again.sections[0].cases[1].value)
    assert math.isnan(again.sections[0].numbers[0].interval.low)
    assert again.sections[0].numbers[1].p_value is None
