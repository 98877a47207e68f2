import csv
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.data.cohort import Task
from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.evaluation.predictions import (
    Predictions,
    decide,
    pair,
    probabilities_of,
    read_predictions,
    write_predictions,
)

Make = Callable[..., Predictions]


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_table_reads_back_to_the_last_bit(task: Task, predictions: Make, tmp_path: Path) -> None:
    written = predictions(task, num_classes=2 if task == "binary" else 3)
    written = replace(written, cases=('a "quoted", name', "two\nlines", *written.cases[2:]))
    write_predictions(tmp_path / "new" / "predictions.csv", written)
    read = read_predictions(tmp_path / "new" / "predictions.csv", task=task, classes=written.classes)
    for field in fields(written):
        np.testing.assert_equal(getattr(read, field.name), getattr(written, field.name))
        assert getattr(read.labels, "dtype", None) == written.labels.dtype


def test_table_names_classes_and_leaves_the_unknown_empty(predictions: Make, tmp_path: Path) -> None:
    known = predictions()
    write_predictions(tmp_path / "predictions.csv", known)
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(known)
    assert rows[1]["label"] == known.classes[known.labels[1]]
    assert (rows[0]["explained"], rows[0]["relevance_inside"]) == ("", "")
    assert rows[1]["explained"] == "normal"
    assert float(rows[1]["probability:effusion"]) == known.probabilities[1, 2]


def test_one_logit_of_a_binary_task_is_that_of_the_second_class() -> None:
    logits = torch.tensor([[0.0], [2.0]])
    expected = np.array([[0.5, 0.5], [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))]])
    assert probabilities_of(logits, "binary", 2) == pytest.approx(expected)
    both = torch.tensor([[1.0, 1.0], [1.0, 3.0]])
    assert probabilities_of(both, "binary", 2) == pytest.approx(expected)
    assert probabilities_of(both, "multilabel", 2)[1, 1] == pytest.approx(1 / (1 + np.exp(-3)))


def test_decisions_take_the_likeliest_class_or_the_threshold() -> None:
    probabilities = np.array([[0.3, 0.7], [0.8, 0.2]])
    assert decide(probabilities, "multiclass").tolist() == [1, 0]
    assert decide(probabilities, "binary", threshold=0.75).tolist() == [0, 0]
    assert decide(probabilities, "binary", threshold=0.2).tolist() == [1, 1]
    assert decide(probabilities, "multilabel", threshold=0.3).tolist() == [[1, 1], [1, 0]]


def test_another_number_of_logits_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(N, 3\) logits, one for each class of the cohort, got \(4, 2\)"):
        probabilities_of(torch.zeros(4, 2), "multiclass", 3)


def test_missing_or_foreign_tables_are_refused(predictions: Make, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="evaluate the run first"):
        read_predictions(tmp_path / "predictions.csv", task="multiclass", classes=("a", "b"))
    write_predictions(tmp_path / "predictions.csv", predictions())
    with pytest.raises(DataError, match="not a table of predictions for a, b"):
        read_predictions(tmp_path / "predictions.csv", task="multiclass", classes=("a", "b"))


def test_pairs_line_up_by_case(predictions: Make) -> None:
    whole = predictions()
    shuffled = whole.take([5, 3, 40])
    first, second = pair(whole, shuffled)
    assert first.cases == second.cases == ("case-3", "case-5", "case-40")
    assert (first.probabilities == second.probabilities).all()


def test_predictions_that_do_not_belong_together_are_not_paired(predictions: Make) -> None:
    whole = predictions()
    with pytest.raises(DataError, match="case case-0 has another patient or label"):
        pair(whole, replace(whole, labels=(whole.labels + 1) % 3))
    with pytest.raises(DataError, match="case case-1 has another patient"):
        pair(whole, replace(whole, patients=("patient-0", "else", *whole.patients[2:])))
    with pytest.raises(DataError, match="share no case"):
        pair(whole, replace(whole, cases=tuple(f"{case}-off" for case in whole.cases)))
    with pytest.raises(DataError, match="one task"):
        pair(whole, predictions("multilabel"))
