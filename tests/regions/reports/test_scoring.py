from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.regions.reports import compared, mean_f, read_labelled, score_findings


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    ours, truth = (rng.integers(0, 2, (40, 3)).astype(float) for _ in range(2))
    scores = score_findings(ours, truth, ["a", "b", "c"])
    precision, recall, f, _ = precision_recall_fscore_support(truth, ours)
    assert [each.precision for each in scores] == pytest.approx(precision)
    assert [each.recall for each in scores] == pytest.approx(recall)
    assert [each.f for each in scores] == pytest.approx(f)
    assert mean_f(scores) == pytest.approx(f.mean())


def test_unknown_cells_and_findings_nobody_has_do_not_count() -> None:
    scores = score_findings(np.array([[1, 0], [np.nan, 0.0]]), np.array([[1, 0.0], [1, np.nan]]), ["a", "b"])
    assert (scores[0].both, scores[0].only_truth) == (1, 0)
    assert np.isnan(scores[1].f)
    assert mean_f(scores) == 1
    with pytest.raises(ShapeError, match=r"must be \(N, 2\)"):
        score_findings(np.zeros((2, 3)), np.zeros((2, 3)), ["a", "b"])


def test_a_table_is_compared_by_id(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("id,nodule,comment\nb,1,x\na,,y\n", encoding="utf-8")
    table = read_labelled(path, ["mass", "nodule"])
    (score,) = compared(table, {"a": {"nodule": 1.0}, "b": {"nodule": 1.0}})
    assert (score.both, score.only_labels, score.only_truth) == (1, 0, 0)
    with pytest.raises(DataError, match="report 'b' of the labelled table is not among the 1 reports"):
        compared(table, {"a": {"nodule": 1.0}})


@pytest.mark.parametrize(
    ("text", "words"),
    [("id,x\na,1\n", "needs a column id and findings"), ("id,nodule\na,maybe\n", "must be 0, 1 or empty")],
)
def test_bad_tables_are_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    with pytest.raises(DataNotFoundError):
        read_labelled(path, ["nodule"])
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_labelled(path, ["nodule"])
