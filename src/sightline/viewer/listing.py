"""What the page is told about the list of cases, as plain values for JSON."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.data import Case
from sightline.data.planted_bias import Bias
from sightline.errors import DataError
from sightline.viewer.desk import Desk
from sightline.viewer.reviews import Review
from sightline.viewer.table import Answers, Question


def rows(desk: Desk, question: Question, mark: str, offset: int, limit: int) -> dict[str, Any]:
    """Some of the cases that answer a question, as the list shows them."""
    found, reviews = _found(desk, question, mark)
    return {
        "total": len(found),
        "offset": offset,
        "rows": [row_of(desk, int(row), question.bias, reviews) for row in found[offset : offset + limit]],
    }


def place(desk: Desk, question: Question, mark: str, key: str) -> dict[str, Any]:
    """Where a case stands among those that answer a question, and which stand beside it."""
    case = desk.case(key)
    if case is None:
        return {"position": None, "total": 0, "previous": None, "next": None}
    found, _ = _found(desk, question, mark)
    at = np.flatnonzero(found == int(key))
    if not at.size:  # it left the list, as by a mark that it was given
        return {"position": None, "total": len(found), "previous": None, "next": int(found[0]) if found.size else None}
    here = int(at[0])
    return {
        "position": here,
        "total": len(found),
        "previous": int(found[here - 1]) if here else None,
        "next": int(found[here + 1]) if here + 1 < len(found) else None,
    }


def row_of(desk: Desk, row: int, bias: Bias, reviews: dict[str, list[Review]]) -> dict[str, Any]:
    """One case, as the list shows it."""
    case = desk.view.cohort.cases[row]
    apart = desk.apart(bias)[row]
    return {
        "key": str(row),
        "name": case.id,
        "patient": case.patient if case.patient != case.id else "",
        "split": case.split,
        "source": case.source,
        "labels": _labels(desk, case),
        "answers": {
            name: _answer_words(desk, each, row)
            for (name, of), each in desk.table.answers.items()
            if of == bias and each.asked[row]
        },
        "apart": number(float(apart)),
        "reviews": [asdict(review) for review in reviews.get(case.id, [])],
    }


def by_case(reviews: Sequence[Review], bias: str) -> dict[str, list[Review]]:
    """Sort reviews of images seen in one form of the bias by case."""
    found: defaultdict[str, list[Review]] = defaultdict(list)
    for review in reviews:
        if review.bias == bias:
            found[review.case].append(review)
    return dict(found)


def number(value: float) -> float | None:
    """Return a number for JSON, which knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _found(desk: Desk, question: Question, mark: str) -> tuple[NDArray[np.int64], dict[str, list[Review]]]:
    classes = ("", *desk.view.cohort.classes)
    if question.label not in classes or question.predicted not in classes:
        raise DataError(f"no class {question.label or question.predicted!r}; there are {', '.join(classes[1:])}")
    reviews = by_case(desk.all_reviews(), question.bias)
    marked: NDArray[np.bool_] | None = None
    if mark:
        said = {case: {str(each.mark or "note") for each in several} for case, several in reviews.items()}
        marked = np.array([_is_marked(said.get(case.id, set()), mark) for case in desk.view.cohort.cases], np.bool_)
    return desk.table.find(question, marked), reviews


def _is_marked(said: set[str], mark: str) -> bool:
    """Whether a case was marked as asked: `any` mark or note, `none`, or one of them."""
    return bool(said) if mark == "any" else not said if mark == "none" else mark in said


def _answer_words(desk: Desk, answers: Answers, row: int) -> dict[str, Any]:
    classes, predicted = desk.view.cohort.classes, answers.predicted[row]
    chosen = np.flatnonzero(predicted == 1) if predicted.ndim else np.array([predicted])
    shares = answers.probabilities[row]
    judged = next((name for name in ("right", "wrong") if getattr(answers, name)[row]), "unknown")
    return {
        "predicted": [classes[index] for index in chosen],
        "probability": float(shares[chosen].max()) if chosen.size else float(shares.max()),
        "likeliest": int(shares.argmax()),
        "judged": judged,
        "missed": bool(answers.missed[row]),
        "false_alarm": bool(answers.false_alarm[row]),
        "outside": number(float(answers.outside[row])),
    }


def _labels(desk: Desk, case: Case) -> list[str] | None:
    """Classes that are there; None where nothing is known."""
    classes = desk.view.cohort.classes
    if isinstance(case.label, int):
        return [classes[case.label]] if case.label >= 0 else None
    if all(math.isnan(value) for value in case.label):
        return None
    return [name for name, value in zip(classes, case.label, strict=True) if value == 1]
