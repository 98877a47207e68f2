from pathlib import Path

import numpy as np
import pytest

from sightline.attribution import GradCAM
from sightline.comparing import EXPLAINER, Condition, evaluate_run
from sightline.comparing.drawn_maps import draw_maps
from sightline.data import read_cohort
from sightline.errors import RunError
from sightline.models import build_model, save_weights
from sightline.runs import RunFolder
from sightline.training import TrainSettings

TEST, OFF = Condition("test"), Condition("test", "off")
METHODS = {"lrp": EXPLAINER, "grad_cam": GradCAM()}


@pytest.fixture
def run(plain: TrainSettings, tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run")
    save_weights(build_model(plain.model, num_classes=3, seed=5), folder.weights)
    return folder


def test_maps_of_the_answer_are_those_that_evaluate_keeps(plain: TrainSettings, run: RunFolder) -> None:
    cohort = read_cohort(plain.data.cohort)
    kept = evaluate_run(plain, run, [TEST, OFF], cohort=cohort)
    names = {condition: list(result.maps)[:3] for condition, result in kept.items()}
    told: list[tuple[int, int | None]] = []
    seen = set()
    for condition, piece in draw_maps(
        plain, run, cohort, names, METHODS, progress=lambda done, total: told.append((done, total))
    ):
        result = kept[condition]
        row = result.predictions.cases.index(piece.case)
        for index, of in enumerate(piece.classes.tolist()):
            seen.add((condition, piece.case, piece.method, of))
            if piece.method == "lrp" and of == result.predictions.explained[row]:
                expected = result.maps[piece.case].attribution
                np.testing.assert_allclose(piece.maps[index], expected, atol=1e-5 * np.abs(expected).max())
                share = result.predictions.relevance_inside[row]
                np.testing.assert_allclose(piece.relevance_inside[index], share, rtol=1e-4)
    wanted = {(c, case, m, k) for c, cases in names.items() for case in cases for m in METHODS for k in range(3)}
    assert seen == wanted  # each class by each method, and no other case
    assert told[-1] == (12, 12)


def test_a_condition_without_a_case_is_passed_over(plain: TrainSettings, run: RunFolder) -> None:
    assert list(draw_maps(plain, run, read_cohort(plain.data.cohort), {TEST: ()}, METHODS)) == []


def test_without_weights_there_is_nothing_to_draw(plain: TrainSettings, tmp_path: Path) -> None:
    empty = RunFolder.create(tmp_path / "empty")
    with pytest.raises(RunError, match="no final weights"):
        list(draw_maps(plain, empty, read_cohort(plain.data.cohort), {TEST: ()}, METHODS))
