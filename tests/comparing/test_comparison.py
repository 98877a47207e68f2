import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.comparing import Comparison, Condition
from sightline.errors import DataError
from sightline.evaluation import Evaluation, Predictions, measure

ON, OFF = Condition("test"), Condition("test", "off")
LABELS = np.array([0, 0, 0, 1, 1, 1])


def evaluation_of(answers: list[int]) -> Evaluation:
    """What a classifier that gives these answers would score."""
    predicted = np.array(answers)
    probabilities: NDArray[np.float64] = np.eye(2)[predicted] * 0.8 + 0.1
    cases = tuple(f"c{i}" for i in range(6))
    nothing = np.full(6, np.nan)
    known = Predictions(
        "multiclass", ("a", "b"), cases, cases, LABELS, probabilities, predicted, np.full(6, -1), nothing, nothing
    )
    return Evaluation(known, measure(known))


RIGHT, HALF, WRONG = [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]
COMPARISON = Comparison(
    {
        "plain": {ON: evaluation_of(RIGHT), OFF: evaluation_of(WRONG)},
        "isnet": {ON: evaluation_of(HALF), OFF: evaluation_of(HALF)},
    }
)


def test_the_change_is_the_fall_when_the_bias_goes() -> None:
    changes = COMPARISON.changes()
    assert list(changes["plain"]) == [OFF]
    assert changes["plain"][OFF]["accuracy"].value == -1
    assert changes["isnet"][OFF]["accuracy"].value == 0
    assert changes["isnet"][OFF]["accuracy"].low == changes["isnet"][OFF]["accuracy"].high == 0


def test_the_difference_is_to_the_first_run() -> None:
    differences = COMPARISON.differences()
    assert list(differences) == ["isnet"]
    assert differences["isnet"][ON]["accuracy"].value == -0.5
    assert differences["isnet"][OFF]["accuracy"].value == 0.5


def test_the_table_has_a_line_for_every_score() -> None:
    rows = list(csv.DictReader(io.StringIO(COMPARISON.as_csv())))
    found = {(row["recipe"], row["bias"], row["metric"]): float(row["value"]) for row in rows}
    assert found["plain", "on", "accuracy"] == 1
    assert found["plain", "off", "accuracy"] == 0
    assert found["isnet", "off", "macro_f1"] == pytest.approx((2 * 3 / (6 + 3) + 0) / 2)
    assert {row["n"] for row in rows} == {"6"}


def test_both_files_are_written_and_json_is_valid(tmp_path: Path) -> None:
    COMPARISON.write(tmp_path)
    read = json.loads((tmp_path / "comparison.json").read_text())
    assert read["conditions"] == ["test", "test-off"]
    assert read["recipes"]["plain"]["test-off"]["confusion"] == [[0, 3], [3, 0]]
    assert read["change_without_bias"]["plain"]["test-off"]["accuracy"]["value"] == -1
    assert read["difference_to_first"]["isnet"]["test"]["accuracy"]["value"] == -0.5
    assert (tmp_path / "comparison.csv").read_text() == COMPARISON.as_csv()


def test_runs_tested_on_different_things_are_not_compared() -> None:
    with pytest.raises(DataError, match="plain: test; isnet: test-off"):
        Comparison({"plain": {ON: evaluation_of(RIGHT)}, "isnet": {OFF: evaluation_of(RIGHT)}})
