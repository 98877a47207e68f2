import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.cohort import Task
from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.maps import CaseMap
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.record import Evaluation, read_evaluation
from sightline.evaluation.scores import measure
from sightline.metrics.resampling import Resampling

Make = Callable[..., Predictions]


def an_evaluation(predictions: Predictions, *, maps: int = 0) -> Evaluation:
    blank = np.zeros((2, 2), np.float32)
    kept = {case: CaseMap(blank[None], blank, blank[None]) for case in predictions.cases[:maps]}
    return Evaluation(predictions, measure(predictions, resampling=Resampling(resamples=20, seed=3)), "LRP()", kept)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_evaluation_reads_back(task: Task, predictions: Make, tmp_path: Path) -> None:
    written = an_evaluation(predictions(task), maps=2)
    written.write(tmp_path / "evaluation" / "test", maps=tmp_path / "maps" / "test")
    read = read_evaluation(tmp_path / "evaluation" / "test", maps=tmp_path / "maps" / "test")
    np.testing.assert_equal(read.as_dict(), written.as_dict())
    np.testing.assert_equal(read.predictions.probabilities, written.predictions.probabilities)
    assert list(read.maps) == ["case-0", "case-1"]
    assert read_evaluation(tmp_path / "evaluation" / "test").maps == {}


def test_metrics_file_says_all_that_is_needed_to_judge_an_interval(predictions: Make, tmp_path: Path) -> None:
    an_evaluation(predictions()).write(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics["metrics"]["macro_f1"]) == {
        "value", "low", "high", "n", "method", "level", "n_patients", "resamples", "seed",
    }  # fmt: skip
    assert metrics["metrics"]["macro_f1"]["seed"] == 3
    assert (metrics["cases"], metrics["patients"], metrics["explained"]) == (60, 30, 48)
    assert metrics["explained_by"] == "LRP()"


def test_writing_again_leaves_nothing_of_the_earlier_result(predictions: Make, tmp_path: Path) -> None:
    an_evaluation(predictions(), maps=1).write(tmp_path)
    an_evaluation(predictions(n=10)).write(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["metrics.json", "predictions.csv"]
    assert len(read_evaluation(tmp_path).predictions) == 10


def test_missing_and_damaged_results_are_refused(predictions: Make, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="run `sightline evaluate` first"):
        read_evaluation(tmp_path)
    an_evaluation(predictions()).write(tmp_path)
    (tmp_path / "metrics.json").write_text('{"metrics": {}}')
    with pytest.raises(DataError, match="damaged"):
        read_evaluation(tmp_path)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_notebook_shows_the_scores_of_all_and_of_each_class(task: Task, predictions: Make) -> None:
    evaluation = an_evaluation(predictions(task))
    page = evaluation._repr_html_()
    accuracy = evaluation.metrics["accuracy"]
    assert f"{accuracy.value:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]" in page
    assert all(f">{name}</td>" in page for name in ("all", *evaluation.predictions.classes))
    assert f"{len(evaluation.predictions)} cases" in page
