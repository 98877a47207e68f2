import csv
import io
import json
from pathlib import Path

import pytest

from sightline.comparing import Comparison, Condition
from sightline.errors import DataError

from .evaluations import evaluation_of

ON, OFF = Condition("test"), Condition("test", "off")
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


def test_the_files_are_written_and_json_is_valid(tmp_path: Path) -> None:
    COMPARISON.write(tmp_path)
    read = json.loads((tmp_path / "comparison.json").read_text())
    assert read["conditions"] == ["test", "test-off"]
    assert read["recipes"]["plain"]["test-off"]["confusion"] == [[0, 3], [3, 0]]
    assert read["change_without_bias"]["plain"]["test-off"]["accuracy"]["value"] == -1
    assert read["difference_to_first"]["isnet"]["test"]["accuracy"]["value"] == -0.5
    assert read["scores"]["test"]["isnet"]["accuracy"]["runs"] == [0.5]
    assert read["pairs"]["test"][0]["second"] == "isnet"
    for name, text in (
        ("comparison.csv", COMPARISON.as_csv()),
        ("pairs.csv", COMPARISON.pairs_as_csv()),
        ("comparison.tex", COMPARISON.as_latex()),
    ):
        assert (tmp_path / name).read_text() == text


def test_runs_of_several_seeds_are_one_recipe(tmp_path: Path) -> None:
    seeds = {
        "plain-seed-0": {ON: evaluation_of(RIGHT), OFF: evaluation_of(WRONG)},
        "plain-seed-1": {ON: evaluation_of(RIGHT), OFF: evaluation_of(RIGHT)},
        "isnet-seed-0": {ON: evaluation_of(HALF), OFF: evaluation_of(HALF)},
    }
    comparison = Comparison(seeds)
    assert comparison.recipes == {"plain": ("plain-seed-0", "plain-seed-1"), "isnet": ("isnet-seed-0",)}
    assert comparison.scores[OFF]["plain"]["accuracy"].interval.value == 0.5
    rows = list(csv.DictReader(io.StringIO(comparison.as_csv())))
    (mean,) = [row for row in rows if (row["recipe"], row["bias"], row["metric"]) == ("plain", "off", "accuracy")]
    assert (float(mean["value"]), mean["seeds"]) == (0.5, "2")
    assert float(mean["sd"]) == pytest.approx(0.5**0.5)
    assert not [row for row in rows if row["recipe"] == "isnet"]  # of one seed the line of its run says it
    assert "0.50" in comparison.as_latex()
    assert "(sd 0.71)" in comparison.as_latex()
    assert "standard deviation" in comparison.as_latex()


def test_pairs_are_tabled_under_each_condition() -> None:
    rows = list(csv.DictReader(io.StringIO(COMPARISON.pairs_as_csv())))
    assert [(row["bias"], row["metric"], row["first"], row["second"]) for row in rows] == [
        ("on", "macro_f1", "plain", "isnet"),
        ("on", "auroc", "plain", "isnet"),
        ("off", "macro_f1", "plain", "isnet"),
        ("off", "auroc", "plain", "isnet"),
    ]
    assert all(row["p_value"] == row["p_holm"] for row in rows)  # one pair a score


def test_the_hardest_condition_is_another_split_or_else_the_bias_taken_away() -> None:
    assert COMPARISON.hardest == OFF
    results = {condition: evaluation_of(RIGHT) for condition in (ON, OFF, Condition("ood"), Condition("ood", "off"))}
    assert Comparison({"plain": results}).hardest == Condition("ood")
    assert Comparison({"plain": {ON: evaluation_of(RIGHT)}}).hardest == ON


def test_runs_tested_on_different_things_are_not_compared() -> None:
    with pytest.raises(DataError, match="plain: test; isnet: test-off"):
        Comparison({"plain": {ON: evaluation_of(RIGHT)}, "isnet": {OFF: evaluation_of(RIGHT)}})


def test_a_notebook_shows_the_table() -> None:
    page = COMPARISON._repr_html_()
    assert all(words in page for words in ("plain", "isnet", "test, bias on", "test, bias off", "Macro-F1"))
    assert page.count("<tr>") == 3
    assert "1.00 [" in page
