import json
from pathlib import Path

import numpy as np
import pytest

from sightline.comparing import Comparison, Condition, read_stored
from sightline.errors import DataError, DataNotFoundError
from sightline.training import StepCost

from .evaluations import evaluation_of

ON, OFF = Condition("test"), Condition("test", "off")
RIGHT, HALF, WRONG = [0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]
COST = StepCost(2.5, 2.0, 3.0, 0.1, 0.25, 1234)


def written(folder: Path) -> Comparison:
    comparison = Comparison(
        {
            "plain": {ON: evaluation_of(RIGHT), OFF: evaluation_of(WRONG)},
            "isnet": {ON: evaluation_of(HALF), OFF: evaluation_of(HALF)},
            "gain": {ON: evaluation_of(WRONG), OFF: evaluation_of(HALF)},
        },
        dict.fromkeys(("plain", "isnet", "gain"), COST),
    )
    comparison.write(folder)
    return comparison


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    comparison = written(tmp_path)
    stored = read_stored(tmp_path)
    assert stored.conditions == comparison.conditions
    assert stored.hardest == comparison.hardest == OFF
    assert stored.costs == comparison.costs
    assert stored.pairs.keys() == comparison.pairs.keys()
    for condition, tests in comparison.pairs.items():
        told = [json.dumps(test.as_dict()) for test in stored.pairs[condition]]
        assert told == [json.dumps(test.as_dict()) for test in tests]
    assert any(test.p_value != test.corrected for test in stored.pairs[ON])
    for condition, recipes in comparison.scores.items():
        for name, found in recipes.items():
            for metric, score in found.items():
                interval = stored.scores[condition][name][metric]
                np.testing.assert_equal(interval.as_dict(), score.interval.as_dict())


def test_a_run_that_was_evaluated_again_no_longer_fits(tmp_path: Path) -> None:
    comparison = written(tmp_path)
    stored = read_stored(tmp_path)
    assert all(stored.fits(name, results) for name, results in comparison.evaluations.items())
    assert not stored.fits("plain", {ON: evaluation_of(HALF)})
    assert stored.fits("plain", {ON: evaluation_of(RIGHT), Condition("elsewhere"): evaluation_of(HALF)})


def test_a_folder_without_a_comparison_and_a_damaged_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="holds no comparison"):
        read_stored(tmp_path)
    written(tmp_path)
    file = tmp_path / "comparison.json"
    told = json.loads(file.read_text())
    del told["pairs"]
    file.write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"KeyError.*compare again"):
        read_stored(tmp_path)
    file.write_text("{")
    with pytest.raises(DataError, match="compare again"):
        read_stored(tmp_path)
