from pathlib import Path

import numpy as np
import pytest

from sightline.comparing import Condition, choose_cases, explain_cases
from sightline.data import Case, Cohort, read_cohort
from sightline.errors import DataError
from sightline.models import build_model, save_weights
from sightline.runs import RunFolder
from sightline.training import TrainSettings


def cohort_of(*labels: int) -> Cohort:
    cases = tuple(Case(f"c{i}", Path("x.png"), label, f"c{i}") for i, label in enumerate(labels))
    return Cohort(Path(), "multiclass", ("a", "b", "c"), cases)


def test_cases_are_chosen_from_each_class_in_turn() -> None:
    chosen = choose_cases(cohort_of(1, 1, 1, 0, 0, 2), number=5)
    assert [case.id for case in chosen] == ["c3", "c0", "c5", "c4", "c1"]


def test_named_cases_come_in_the_order_of_their_names() -> None:
    assert [case.id for case in choose_cases(cohort_of(0, 1, 2), names=["c2", "c0"])] == ["c2", "c0"]
    with pytest.raises(DataError, match="no case 'c9' among the 3 cases"):
        choose_cases(cohort_of(0, 1, 2), names=["c9"])


def test_a_run_explains_what_it_answers_or_what_is_true(plain: TrainSettings, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run")
    save_weights(build_model(plain.model, num_classes=3, seed=5), run.weights)
    labels = {case.id: case.label for case in read_cohort(plain.data.cohort).cases}
    for explained in explain_cases(plain, run, Condition("test"), number=4):
        assert explained.kept.explained == int(np.argmax(explained.probabilities))
        assert explained.kept.attribution.shape == (32, 32)
        assert sum(explained.probabilities) == pytest.approx(1)
        inside = np.abs(explained.kept.attribution * explained.kept.region[0]).sum()
        assert explained.relevance_inside == pytest.approx(inside / np.abs(explained.kept.attribution).sum(), abs=1e-5)
    for explained in explain_cases(plain, run, Condition("test"), number=4, of_label=True):
        assert explained.kept.explained == labels[explained.case.id]
