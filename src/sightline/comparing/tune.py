"""Search for the value of a setting at which a known bias no longer helps a classifier."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightline.comparing.conditions import Condition, conditions_of
from sightline.comparing.protocol import Progress, evaluate_run
from sightline.data import read_cohort
from sightline.errors import SettingsError
from sightline.evaluation import Evaluation, EvaluationSettings
from sightline.metrics import accuracy, balanced_accuracy, f1, macro_f1
from sightline.runs import RunFolder, write_json
from sightline.training import TrainSettings, train

SPLIT = "val"
_SCORES: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
}


@dataclass(frozen=True)
class Candidate:
    """How a classifier did that was trained with one value of the setting.

    Attributes:
        value: of the setting, as text.
        run: its folder.
        on: score on the validation images as they are, with the known bias.
        off: score on the same images without it.
        inside: share of the relevance inside the region, with the bias; NaN where nothing was explained.
        guess: the best score that the same answer to every image would have.
    """

    value: str
    run: Path
    on: float
    off: float
    inside: float
    guess: float = float("-inf")

    @property
    def gap(self) -> float:
        """How far the two scores are apart."""
        return abs(self.on - self.off)

    @property
    def score(self) -> float:
        """The lower of the two."""
        return min(self.on, self.off)

    @property
    def guesses(self) -> bool:
        """Whether it is no better than the same answer to every image, to which no bias makes a difference."""
        return max(self.on, self.off) <= self.guess


@dataclass(frozen=True)
class Tuning:
    """What came out of a search.

    Attributes:
        setting: dotted name of what was varied.
        metric: the score that was compared.
        tolerance: greatest gap between the scores with and without the bias that counts as none.
        candidates: in the order of their values as given.
    """

    setting: str
    metric: str
    tolerance: float
    candidates: tuple[Candidate, ...]

    def is_level(self, candidate: Candidate) -> bool:
        """Whether the bias makes no difference to a candidate that does more than guess."""
        return candidate.gap <= self.tolerance and not candidate.guesses

    @property
    def chosen(self) -> Candidate:
        """The best of those that are level; where none is, the one with the smallest gap that does more than guess."""
        level = [candidate for candidate in self.candidates if self.is_level(candidate)]
        if level:
            return max(level, key=lambda candidate: candidate.score)
        return min(self.candidates, key=lambda candidate: (candidate.guesses, candidate.gap))

    def as_dict(self) -> dict[str, Any]:
        """Everything, as `tune.json` holds it."""
        return {
            "setting": self.setting,
            "metric": self.metric,
            "tolerance": self.tolerance,
            "split": SPLIT,
            "candidates": [
                {
                    "value": each.value,
                    "run": each.run.as_posix(),
                    "on": each.on,
                    "off": each.off,
                    "gap": each.gap,
                    "guess": each.guess,
                    "level": self.is_level(each),
                    "relevance_inside": each.inside,
                }
                for each in self.candidates
            ],
            "chosen": self.chosen.value,
            "level": self.is_level(self.chosen),
        }

    def write(self, folder: Path) -> None:
        """Write `tune.json` atomically."""
        write_json(folder / "tune.json", self.as_dict())


def tune(
    candidates: Mapping[str, TrainSettings],
    folder: Path,
    *,
    setting: str = "guidance.strength",
    metric: str = "accuracy",
    tolerance: float = 0.02,
    evaluation: EvaluationSettings | None = None,
    trainer: Callable[[TrainSettings, Path], RunFolder] | None = None,
    progress: Callable[[str, Condition], Progress] | None = None,
) -> Tuning:
    """Train one classifier for each value of a setting, and choose by the validation images with and without the bias.

    Chosen is, of the values at which the score is the same with the known bias and without it, the one that scores
    best; no other split is looked at. What is there is taken as it is, as by `compare`.

    Args:
        candidates: settings of the runs by the value that they differ in, on the same cohort.
        folder: holds a run for each value, and `tune.json`.
        setting: dotted name of what differs.
        metric: name of the score, as in `Evaluation.metrics`.
        tolerance: greatest difference that counts as none.
        evaluation: how much to explain, how to draw intervals.
        trainer: trains one candidate into its run folder, or continues it there; `train` by default.
        progress: asked for a function of batches done and batches in all, once a candidate and condition.

    Raises:
        SettingsError: there are no values, no known bias or no such metric.
        DataError: the cohort has no validation split.
        RunError: a folder holds a run with other settings.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, 4.11, for $P$. The tolerance is ours, and so is that a
        classifier must do more than guess: one that answers the same to every image scores the same on all of them.
    """
    if not tolerance >= 0:
        raise SettingsError(f"tolerance must be at least 0, got {tolerance}")
    conditions = _conditions(candidates)
    start = trainer or _train
    found = []
    for value, settings in candidates.items():
        run = start(settings, folder / _as_name(value))
        on, off = evaluate_run(
            settings,
            run,
            conditions,
            evaluation=evaluation,
            progress=(lambda condition, name=settings.name: progress(name, condition)) if progress else None,  # type: ignore[misc]
        ).values()
        inside = on.metrics.get("relevance_inside")
        share = float("nan") if inside is None else inside.value
        scores = _score(on, metric), _score(off, metric)
        found.append(Candidate(value, run.path, *scores, share, guessing_score(on, metric)))
    tuning = Tuning(setting, metric, tolerance, tuple(found))
    tuning.write(folder)
    return tuning


def guessing_score(evaluation: Evaluation, metric: str) -> float:
    """Find the best score that the same answer to every image would have; -inf where that is not known."""
    if metric.startswith("auroc"):
        return 0.5
    if metric not in _SCORES:
        return float("-inf")
    truth = evaluation.scores.confusion.sum(-1, keepdims=True)  # (K, 1), or (K, 2, 1) for several labels an image
    several = truth.ndim == 3
    tables = [truth * (np.arange(truth.shape[-2]) == answer) for answer in range(truth.shape[-2])]
    if several and metric == "macro_f1":
        scores = [f1(table)[..., 1] for table in tables]
    else:
        scores = [_SCORES[metric](table) for table in tables]
    return float(np.nan_to_num(scores).max(0).mean())


def _conditions(candidates: Mapping[str, TrainSettings]) -> tuple[Condition, Condition]:
    """The validation images with the bias and without."""
    if not candidates:
        raise SettingsError("nothing to tune; give at least one value")
    names = [_as_name(value) for value in candidates]
    if twice := next((value for value, name in zip(candidates, names, strict=True) if names.count(name) > 1), None):
        raise SettingsError(f"values need different folders, got {twice} more than once")
    on, off = Condition(SPLIT), Condition(SPLIT, "off")
    for settings in candidates.values():
        cohort = read_cohort(settings.data.cohort)
        if off not in conditions_of(cohort, settings.data.bias, [SPLIT]):
            raise SettingsError(
                f"cohort {settings.data.cohort} has no known bias to take from its validation images; plant one with "
                "data.bias={}, or set guidance.goal, which needs none, in place of guidance.strength"
            )
    return on, off


def _score(evaluation: Evaluation, metric: str) -> float:
    if metric not in evaluation.metrics:
        raise SettingsError(f"metric must be one of {', '.join(evaluation.metrics)}, got {metric!r}")
    return evaluation.metrics[metric].value


def _as_name(value: str) -> str:
    """What a value is called as a folder."""
    kept = "".join(letter if letter.isalnum() or letter in "+-._" else "_" for letter in value)
    return kept if kept.strip(".") else f"value{kept}"


def _train(settings: TrainSettings, folder: Path) -> RunFolder:
    return train(settings, folder, resume=(folder / "config.yaml").is_file())
