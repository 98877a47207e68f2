"""Truths, the test sets drawn from them, and the intervals tried on each: what `coverage.py` simulates."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.metrics import (
    Interval,
    Resampling,
    auroc,
    bootstrap,
    confusion_matrix,
    delong_interval,
    delong_test,
    f1,
    highest_density_interval,
    macro_f1,
    posterior_draws,
    precision,
    recall,
    specificity,
    weighted_mean,
)
from sightline.metrics.averages import Array

PUBLISHED = json.loads((Path(__file__).parent / "published" / "isnet.json").read_text(encoding="utf-8"))
SCORES = {"precision": precision, "recall": recall, "specificity": specificity, "F1": f1}
Test = dict[str, Any]
Draw = Callable[[np.random.Generator], Test]
Limits = tuple[float, float]
Found = dict[str, list[Limits]]  # by method, a pair of limits for each truth


@dataclass(frozen=True)
class Setting:
    """Truths by name, how test sets are drawn from them, and what all methods make of one of these."""

    about: str
    truths: Mapping[str, float]
    draw: Draw
    intervals: Callable[[Test], Found]
    share: float = 1.0


def limits(interval: Interval) -> Limits:
    return interval.low, interval.high


def named(owner: NDArray[Any]) -> list[str]:
    return [f"{index:04}" for index in owner]


def normal_scores(sick: int, well: int, area: float, *, images: tuple[int, int] = (1, 1), alike: float = 0.0) -> Draw:
    """Scores of patients, each with some images whose scores correlate by `alike`."""
    apart = 2**0.5 * NormalDist().inv_cdf(area)

    def draw(rng: np.random.Generator) -> Test:
        owner = np.repeat(np.arange(sick + well), rng.integers(images[0], images[1] + 1, sick + well))
        labels = (owner < sick).astype(float)
        own = rng.normal(size=sick + well)[owner]
        scores = apart * labels + alike**0.5 * own + (1 - alike) ** 0.5 * rng.normal(size=len(owner))
        return {"labels": labels, "scores": scores, "patients": named(owner)}

    return draw


def mixed_scores(patients: int, area: float, *, images: tuple[int, int], alike: float) -> Draw:
    """Scores of patients who have some images with the finding and some without."""
    apart = 2**0.5 * NormalDist().inv_cdf(area)

    def draw(rng: np.random.Generator) -> Test:
        owner = np.repeat(np.arange(patients), rng.integers(images[0], images[1] + 1, patients))
        labels = (rng.random(len(owner)) < rng.beta(1, 2, patients)[owner]).astype(float)
        own = rng.normal(size=patients)[owner]
        scores = apart * labels + alike**0.5 * own + (1 - alike) ** 0.5 * rng.normal(size=len(owner))
        return {"labels": labels, "scores": scores, "patients": named(owner)}

    return draw


def two_models(sick: int, well: int, first: float, second: float, *, alike: float) -> Draw:
    """Scores that two models give the same images."""
    apart = 2**0.5 * np.array([NormalDist().inv_cdf(first), NormalDist().inv_cdf(second)])

    def draw(rng: np.random.Generator) -> Test:
        labels = np.r_[np.ones(sick), np.zeros(well)]
        own, noise = rng.normal(size=(len(labels), 1)), rng.normal(size=(len(labels), 2))
        scores = labels[:, None] * apart + alike**0.5 * own + (1 - alike) ** 0.5 * noise
        return {"labels": labels, "scores": scores, "patients": named(np.arange(len(labels)))}

    return draw


def decisions(matrix: Array, images: int) -> Draw:
    """Confusion matrices of test sets whose images fall into the cells with the shares of a published one."""
    size = len(matrix)

    def draw(rng: np.random.Generator) -> Test:
        counts = rng.multinomial(images, (matrix / matrix.sum()).ravel())
        cells = np.repeat(np.arange(size**2), counts)
        drawn = {"counts": counts.reshape(size, size), "labels": cells // size, "taken": cells % size}
        return {**drawn, "patients": named(np.arange(images))}

    return draw


def shares_inside(patients: int, images: tuple[int, int]) -> Draw:
    """Shares of relevance inside the region, most near 1, alike within a patient."""

    def draw(rng: np.random.Generator) -> Test:
        owner = np.repeat(np.arange(patients), rng.integers(images[0], images[1] + 1, patients))
        middle = rng.beta(4, 1, patients)[owner]
        return {"values": rng.beta(10 * middle, 10 * (1 - middle)), "patients": named(owner)}

    return draw


def by_bootstrap(statistic: Callable[[Array], Array], patients: Sequence[str], resamples: int) -> Found:
    """Both kinds of limits; the second kind sees the same resamples, whose scores are remembered."""
    scores: list[Array] = []
    calls = 0

    def remembered(weights: Array) -> dict[str, Array]:
        nonlocal calls
        if calls == len(scores):
            scores.append(statistic(weights))
        calls += 1
        return {"": scores[calls - 1]}

    found: Found = {}
    for kind, name in (("percentile", "bootstrap, percentile"), ("bca", "bootstrap, BCa")):
        calls = 0
        drawn = bootstrap(remembered, patients, resampling=Resampling(resamples, limits=kind))  # type: ignore[arg-type]
        found[name] = [limits(drawn[""])]
    return found


def of_area(test: Test, *, resamples: int = 0, several: bool = False) -> Found:
    """Limits of an area: by DeLong, and with resamples by bootstrap."""
    labels, scores, patients = test["labels"], test["scores"], test["patients"]
    found: Found = {
        "DeLong, area": [limits(delong_interval(labels, scores, patients=patients, scale="area"))],
        "DeLong, logit": [limits(delong_interval(labels, scores, patients=patients))],
    }
    if several:
        found["DeLong, logit, patients ignored"] = [limits(delong_interval(labels, scores))]
    if resamples:
        found |= by_bootstrap(lambda weights: auroc(labels, scores, weights=weights), patients, resamples)
    return found


def of_gap(test: Test, *, resamples: int) -> Found:
    """Limits of the difference of two areas."""
    labels, (first, second) = test["labels"], test["scores"].T

    def statistic(weights: Array) -> Array:
        return auroc(labels, first, weights=weights) - auroc(labels, second, weights=weights)

    paired = [limits(delong_test(labels, first, second).difference)]
    return {"DeLong, paired": paired, **by_bootstrap(statistic, test["patients"], resamples)}


def of_macro_f1(test: Test, *, resamples: int) -> Found:
    """Limits of macro F1 by posterior, with the papers' prior and a weaker one, and by bootstrap."""
    counts, size = test["counts"], len(test["counts"])

    def statistic(weights: Array) -> Array:
        return macro_f1(confusion_matrix(test["labels"], test["taken"], size, weights=weights))

    posteriors: Found = {
        name: [highest_density_interval(posterior_draws(counts, macro_f1, draws=4000, prior=prior))]
        for name, prior in (("Bayesian", 1.0), ("Bayesian, prior 1 / K", 1 / size))
    }
    return posteriors | by_bootstrap(statistic, test["patients"], resamples)


def every_score(table: Array) -> Array:
    """All scores of table 1, by class and on average, `(..., 16)`."""
    by_class = [score(table) for score in SCORES.values()]
    return np.concatenate([np.append(each, each.mean(-1, keepdims=True), axis=-1) for each in by_class], axis=-1)


def of_every_score(test: Test) -> Found:
    """Limits of all scores of table 1 by posterior."""
    return {
        "Bayesian": [
            highest_density_interval(column) for column in posterior_draws(test["counts"], every_score, draws=4000).T
        ]
    }


def settings(resamples: int) -> list[Setting]:
    """All that is simulated."""
    small, several = "33 and 67 images", "1 to 6 images each, correlated by 0.7"
    isnet = np.array(PUBLISHED["covid"]["confusion"]["ISNet"], float)
    binary = np.array([[265.0, 105.0], [90.0, 293.0]])  # the counts behind table 3's ISNet

    def area(sick: int, well: int, truth: float, resamples: int = resamples, share: float = 1.0) -> Setting:
        about = f"AUC {truth}, {sick} and {well} images"
        draw = normal_scores(sick, well, truth)
        return Setting(about, {"": truth}, draw, lambda test: of_area(test, resamples=resamples), share)

    def in_patients(about: str, draw: Draw) -> Setting:
        return Setting(
            f"AUC 0.85, {about}, {several}",
            {"": 0.85},
            draw,
            lambda test: of_area(test, resamples=resamples, several=True),
            0.5,
        )

    def macro(images: int, matrix: Array, share: float = 1.0) -> Setting:
        about = f"macro F1, {len(matrix)} classes, {images} images"
        truths = {"": float(macro_f1(matrix / matrix.sum()))}
        return Setting(
            about, truths, decisions(matrix, images), lambda test: of_macro_f1(test, resamples=resamples), share
        )

    def inside(images: tuple[int, int]) -> Setting:
        def intervals(test: Test) -> Found:
            return by_bootstrap(
                lambda weights: weighted_mean(test["values"], weights=weights), test["patients"], resamples
            )

        about = f"mean share inside, 100 patients, {images[0]} to {images[1]} images each"
        return Setting(about, {"": 0.8}, shares_inside(100, images), intervals)

    groups = (*PUBLISHED["covid"]["classes"], "mean")
    names = [f"{score}, {group}" for score in SCORES for group in groups]
    truths = dict(zip(names, every_score(isnet / isnet.sum()).tolist(), strict=True))
    return [
        *(area(33, 67, truth) for truth in (0.8, 0.9, 0.95)),
        area(383, 370, 0.81, resamples=0),
        area(383, 370, 0.95, share=0.5),
        area(108, 2157, 0.8, resamples=0),
        in_patients("60 and 90 patients", normal_scores(60, 90, 0.85, images=(1, 6), alike=0.7)),
        in_patients("150 patients with and without", mixed_scores(150, 0.85, images=(1, 6), alike=0.7)),
        Setting(
            f"AUC 0.9 less 0.85, {small}",
            {"": 0.9 - 0.85},
            two_models(33, 67, 0.9, 0.85, alike=0.5),
            lambda test: of_gap(test, resamples=resamples),
        ),
        macro(100, isnet),
        macro(753, binary, share=0.5),
        Setting("3 classes, 3180 images", truths, decisions(isnet, int(isnet.sum())), of_every_score),
        inside((1, 1)),
        inside((1, 6)),
    ]
