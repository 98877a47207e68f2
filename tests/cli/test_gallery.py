from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.cli.cards import data_sheet
from sightline.cli.gallery import gallery_rows
from sightline.comparing import Comparison, Condition
from sightline.data import Case, Cohort
from sightline.data.cohort import Task
from sightline.evaluation import CaseMap, Evaluation, Predictions, measure
from sightline.reporting import card_markdown, render_report
from sightline.reporting.content import ReportContent

CLASSES = ("nodule", "effusion")
TEST = Condition("test")


def cohort(task: Task, labels: dict[str, Any]) -> Cohort:
    cases = tuple(Case(name, Path(f"{name}.png"), label, name, split="test") for name, label in labels.items())
    return Cohort(Path("films"), task, CLASSES, cases)


def comparison(
    of: Cohort, probabilities: list[list[float]], explained: list[int], maps: dict[str, CaseMap]
) -> Comparison:
    names = tuple(case.id for case in of.cases)
    answers = np.array(probabilities)
    several = of.task == "multilabel"
    labels = np.array([case.label for case in of.cases], float if several else int)
    decided = (answers >= 0.5).astype(int) if several else answers.argmax(1)
    shares = np.linspace(0.2, 0.4, len(names))
    known = Predictions(
        of.task, CLASSES, names, names, labels, answers, decided, np.array(explained), shares, shares * 0 + 0.5
    )
    return Comparison({"axialnet": {TEST: Evaluation(known, measure(known), "LRP(epsilon=0.01), Predicted()", maps)}})


@pytest.fixture
def volumes() -> tuple[Cohort, Comparison]:
    """Two scans of 5 slices: the region of the first is in slice 3, nothing is known of that of the second."""
    image = np.arange(5 * 4 * 6, dtype=np.float32).reshape(1, 5, 4, 6) / 120
    heat = np.zeros((5, 4, 6), np.float32)
    heat[1] = -1
    region = np.zeros((1, 5, 4, 6), np.float32)
    region[0, 2, :2] = 1
    kept = {"a": CaseMap(image, heat, region, 0), "b": CaseMap(image, heat, region * np.nan, 1)}
    scans = cohort("multilabel", {"a": (1.0, 1.0), "b": (0.0, float("nan")), "c": (0.0, 0.0)})
    return scans, comparison(scans, [[0.95, 0.2], [0.2, 0.4], [0.1, 0.1]], [0, 1, 0], kept)


def rows(scans: Cohort, told: Comparison, number: int = 12) -> dict[str, Any]:
    runs: Any = {"axialnet": None}
    return {row.case: row for row in gallery_rows(runs, told, scans, methods={}, number=number)}


def test_of_a_volume_the_slice_with_most_of_the_region_or_else_of_the_map_is_shown(
    volumes: tuple[Cohort, Comparison],
) -> None:
    found = rows(*volumes)
    assert list(found) == ["a", "b"]  # of the third no map was kept
    for name, depth, words in (
        ("a", 2, "slice 3 of 5, most of the region"),
        ("b", 1, "slice 2 of 5, most of the relev"),
    ):
        (shown,) = found[name].maps
        assert shown.note.startswith(words)
        assert found[name].note == words.split(",")[0]
        np.testing.assert_allclose(found[name].image, np.arange(120).reshape(1, 5, 4, 6)[:, depth] / 120, atol=1e-6)
        assert shown.attribution.shape == (4, 6)
    render_report(ReportContent("x", gallery=tuple(found.values())))


def test_of_several_labels_the_one_explained_is_answered_with_yes_or_no(volumes: tuple[Cohort, Comparison]) -> None:
    found = rows(*volumes)
    (yes,), (no,) = found["a"].maps, found["b"].maps
    assert (yes.predicted, yes.of, yes.judged("x"), yes.confident) == ("nodule", "nodule", "right", True)
    assert (no.predicted, no.of, no.judged("x"), no.confident) == ("no effusion", "effusion", "not known", False)
    assert not no.is_wrong(found["b"].label)
    assert (found["a"].label, found["a"].labels) == ("nodule, effusion", CLASSES)
    assert (found["b"].label, found["b"].labels) == ("not known", ())
    assert (yes.share_inside, yes.probability, yes.method) == (0.2, 0.95, "LRP")


def test_images_keep_their_region_and_their_answer() -> None:
    image, region = np.full((1, 4, 4), 0.5, np.float32), np.eye(4, dtype=np.float32)[None]
    films = cohort("multiclass", {"a": 0, "b": 1})
    kept = {name: CaseMap(image, region[0], region, 0) for name in "ab"}
    found = rows(films, comparison(films, [[0.7, 0.3], [0.95, 0.05]], [0, 0], kept))
    first, second = found["a"].maps[0], found["b"].maps[0]
    assert (first.right, first.confident, second.right, second.confident) == (True, False, False, True)
    assert found["b"].worst_share == second.share_inside
    np.testing.assert_array_equal(found["a"].region, region[0])
    assert list(rows(films, comparison(films, [[0.7, 0.3], [0.95, 0.05]], [0, 0], kept), 1)) == ["a"]


def test_a_data_sheet_says_what_is_not_known() -> None:
    sheet = card_markdown(data_sheet(cohort("multilabel", {"a": (1.0, 0.0), "b": (float("nan"), 0.5)})))
    assert "- **Labels that are not known:** 1 of 4\n" in sheet
    assert "| test | 2 | 2 | 1 | 0 |" in sheet
    for name in ("Sources", "Units", "Values", "Licence", "Consent and ethics"):
        assert f"- **{name}:** unknown" in sheet
