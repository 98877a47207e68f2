import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.comparing import Candidate, Condition, Tuning, tune
from sightline.comparing.tune import guessing_score
from sightline.data import DataSettings, PlantedBias, read_cohort
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.evaluation import Evaluation, Predictions, measure
from sightline.guidance import BackgroundRelevanceSettings
from sightline.runs import RunFolder
from sightline.training import TrainSettings, train


def candidate(value: str, on: float, off: float) -> Candidate:
    return Candidate(value, Path(value), on, off, 0.5)


def tuning(*candidates: Candidate, tolerance: float = 0.02) -> Tuning:
    return Tuning("guidance.strength", "accuracy", tolerance, candidates)


def test_the_best_of_those_that_the_bias_does_not_help_is_chosen() -> None:
    found = tuning(
        candidate("0.1", 0.99, 0.60),  # reads the bias
        candidate("0.3", 0.95, 0.92),
        candidate("0.5", 0.90, 0.89),
        candidate("0.7", 0.88, 0.88),
        candidate("0.9", 0.91, 0.885),
    )
    assert found.chosen.value == "0.5"
    assert [found.is_level(each) for each in found.candidates] == [False, False, True, True, False]
    assert replace(found, tolerance=0.0).chosen.value == "0.7"
    assert replace(found, tolerance=0.5).chosen.value == "0.3"


def test_a_score_that_rises_without_the_bias_is_not_level_either() -> None:
    found = tuning(candidate("a", 0.5, 0.9), candidate("b", 0.49, 0.5))
    assert found.chosen.value == "b"


def test_where_none_is_level_the_smallest_gap_is_shown_and_said_so() -> None:
    found = tuning(candidate("0.3", 0.99, 0.5), candidate("0.7", 0.8, 0.6))
    told = found.as_dict()
    assert (told["chosen"], told["level"]) == ("0.7", False)
    assert told["candidates"][1]["gap"] == pytest.approx(0.2)


def test_a_classifier_that_only_guesses_is_not_chosen() -> None:
    collapsed = replace(candidate("10", 1 / 3, 1 / 3), guess=1 / 3)
    reads = replace(candidate("0.1", 0.9, 0.4), guess=1 / 3)
    found = tuning(collapsed, reads, tolerance=0.02)
    assert collapsed.guesses
    assert not reads.guesses
    assert found.chosen.value == "0.1"
    assert not found.as_dict()["level"]


def evaluation(task: Any, labels: list[Any], predicted: list[Any]) -> Evaluation:
    truth, answers = np.array(labels, float if task == "multilabel" else int), np.array(predicted)
    classes = ("a", "b", "c")[: truth.shape[-1] if truth.ndim == 2 else 3]
    empty = np.full(len(truth), np.nan)
    names = tuple(map(str, range(len(truth))))
    chances = np.full((len(truth), len(classes)), 0.4)
    none = np.full(len(truth), -1)
    known = Predictions(task, classes, names, names, truth, chances, answers, none, empty, empty)
    return Evaluation(known, measure(known))


@pytest.mark.parametrize(
    ("metric", "guess"),
    [
        ("accuracy", 3 / 6),
        ("balanced_accuracy", 1 / 3),
        ("macro_f1", (2 * 3 / (3 + 6)) / 3),
        ("auroc", 0.5),
        ("relevance_inside", float("-inf")),
    ],
)
def test_guessing_is_the_same_answer_to_every_image(metric: str, guess: float) -> None:
    known = evaluation("multiclass", [0, 0, 0, 1, 1, 2], [2, 1, 0, 1, 0, 2])
    assert guessing_score(known, metric) == pytest.approx(guess)


def test_guessing_of_several_labels_is_one_answer_for_each() -> None:
    known = evaluation("multilabel", [[1, 0], [1, 0], [1, 1], [0, np.nan]], [[1, 1], [0, 0], [1, 1], [0, 0]])
    assert guessing_score(known, "accuracy") == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert guessing_score(known, "macro_f1") == pytest.approx((2 * 3 / (3 + 4) + 2 * 1 / (1 + 3)) / 2)


@pytest.fixture
def strengths(isnet: TrainSettings) -> dict[str, TrainSettings]:
    return {
        text: replace(isnet, name=f"strength-{text}", guidance=BackgroundRelevanceSettings(strength=float(text)))
        for text in ("0.2", "0.8")
    }


def test_each_value_is_trained_and_tested_on_the_validation_images_alone(
    strengths: dict[str, TrainSettings], tmp_path: Path
) -> None:
    tested: list[tuple[str, Condition]] = []
    found = tune(
        strengths,
        tmp_path,
        progress=lambda name, condition: tested.append((name, condition)) or (lambda done, total: None),  # type: ignore[func-returns-value]
    )
    both = [Condition("val"), Condition("val", "off")]
    assert tested == [(settings.name, condition) for settings in strengths.values() for condition in both]
    assert json.loads((tmp_path / "tune.json").read_text()) == found.as_dict()
    for each in found.candidates:
        run = RunFolder.open(tmp_path / each.value)
        assert run.status["state"] == "done"
        assert run.config["guidance"]["strength"] == float(each.value)
        assert sorted(path.name for path in (run.path / "evaluation").iterdir()) == ["val", "val-off"]
        on, off = (json.loads((run.evaluation("val", bias) / "metrics.json").read_text()) for bias in ("on", "off"))
        assert (each.on, each.off) == (on["metrics"]["accuracy"]["value"], off["metrics"]["accuracy"]["value"])
        assert 0 < each.inside < 1

    asked = []

    def trainer(settings: TrainSettings, folder: Path) -> RunFolder:
        asked.append(folder.name)
        return train(settings, folder, resume=True)

    tested.clear()
    again = tune(
        strengths, tmp_path, trainer=trainer, progress=lambda name, condition: tested.append((name, condition))
    )  # type: ignore[func-returns-value]
    assert again.as_dict() == found.as_dict()
    assert asked == ["0.2", "0.8"]
    assert tested == []


def test_without_a_known_bias_nothing_is_trained(
    strengths: dict[str, TrainSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = read_cohort(strengths["0.2"].data.cohort)
    bare = replace(cohort, cases=tuple(replace(case, variants={}) for case in cohort.cases))
    monkeypatch.setattr(import_module("sightline.comparing.tune"), "read_cohort", lambda folder: bare)

    def untouched(settings: TrainSettings, folder: Path) -> RunFolder:
        raise AssertionError("trained")

    with pytest.raises(SettingsError, match=r"no known bias .* plant one with data.bias=\{\}, or set guidance.goal"):
        tune(strengths, tmp_path, trainer=untouched)
    planted = {
        value: replace(settings, data=replace(settings.data, bias=PlantedBias()))
        for value, settings in strengths.items()
    }
    with pytest.raises(AssertionError, match="trained"):
        tune(planted, tmp_path, trainer=untouched)
    split = replace(cohort, cases=tuple(case for case in cohort.cases if case.split != "val"))
    monkeypatch.setattr(import_module("sightline.comparing.tune"), "read_cohort", lambda folder: split)
    with pytest.raises(DataError, match="val"):
        tune(strengths, tmp_path, trainer=untouched)


def test_values_and_scores_that_are_not_there_are_refused(strengths: dict[str, TrainSettings], tmp_path: Path) -> None:
    one = strengths["0.2"]
    with pytest.raises(SettingsError, match="give at least one value"):
        tune({}, tmp_path)
    with pytest.raises(SettingsError, match="values need different folders, got a/b more than once"):
        tune({"a/b": one, "a:b": one}, tmp_path)
    with pytest.raises(SettingsError, match="tolerance must be at least 0"):
        tune(strengths, tmp_path, tolerance=-1)
    with pytest.raises(SettingsError, match=r"metric must be one of accuracy, .*, got 'f1'"):
        tune({"0.2": one}, tmp_path, metric="f1")
    with pytest.raises(DataNotFoundError):
        tune({"0.2": replace(one, data=DataSettings(tmp_path / "nowhere", one.data.preprocessing))}, tmp_path)
