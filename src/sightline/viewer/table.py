"""The list of cases: what can be asked of it, and which cases answer, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sightline.data import Cohort
from sightline.data.planted_bias import Bias
from sightline.evaluation import Predictions
from sightline.viewer.judging import disagreement, judge
from sightline.viewer.view import Run, View

Judged = Literal["", "right", "wrong", "missed", "false_alarm", "unknown"]
Sort = Literal["given", "case", "label", "source", "probability", "outside", "apart"]


@dataclass(frozen=True)
class Question:
    """Which cases to list.

    Attributes:
        bias: form of the known bias.
        run: whose answers are asked about; empty for none.
        split: name; empty for all.
        label: class that is there; empty for any.
        predicted: class that was answered; empty for any.
        source: where the image comes from; empty for all.
        judged: `right`, `wrong`, `missed` or `false_alarm` (several labels), `unknown` (not evaluated); empty for all.
        outside: least share of relevance outside the region; 0 for any.
        apart: least disagreement between runs; 0 for any.
        differ: only cases whose runs decide otherwise.
        text: part of the name of the case or patient.
        sort: by what.
        descending: the largest first.
    """

    bias: Bias = "on"
    run: str = ""
    split: str = ""
    label: str = ""
    predicted: str = ""
    source: str = ""
    judged: Judged = ""
    outside: float = 0.0
    apart: float = 0.0
    differ: bool = False
    text: str = ""
    sort: Sort = "given"
    descending: bool = False


@dataclass(frozen=True, eq=False)
class Answers:
    """What a run answered under one form of the bias, a row a case of the cohort.

    Attributes:
        asked: whether the case was evaluated, `(N,)`.
        predicted: class decided on, `(N,)`, -1 where not asked; of several labels 0 or 1 of each, `(N, K)`.
        probabilities: `(N, K)`, NaN where not asked.
        outside: share of relevance outside the region, NaN where not known, `(N,)`.
        right, wrong, missed, false_alarm: see `judge`, `(N,)`; False where not asked.
    """

    asked: NDArray[np.bool_]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    outside: NDArray[np.float64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    false_alarm: NDArray[np.bool_]

    @property
    def surety(self) -> NDArray[np.float64]:
        """Largest probability of each case, `(N,)`, NaN where not asked."""
        largest: NDArray[np.float64] = np.nan_to_num(self.probabilities, nan=-np.inf).max(1)
        return largest


@dataclass(frozen=True, eq=False)
class Table:
    """The cases of a view in columns.

    Attributes:
        view: what is looked at.
        answers: by name of the run and form of the bias.
    """

    view: View
    answers: Mapping[tuple[str, Bias], Answers]

    @classmethod
    def of(cls, view: View) -> "Table":
        """Line up the evaluations of all runs with the cohort."""
        rows = {case.id: row for row, case in enumerate(view.cohort.cases)}
        pairs = [(name, bias) for name in view.runs for bias in view.biases]
        return cls(view, {(name, bias): _answers(view.runs[name], bias, view.cohort, rows) for name, bias in pairs})

    @cached_property
    def _label(self) -> NDArray[np.float64]:
        """1 where a class is there, 0 where not, NaN where nobody knows, `(N, K)`."""
        cases, count = self.view.cohort.cases, self.view.cohort.num_classes
        if self.view.cohort.task == "multilabel":
            return np.array([case.label for case in cases], np.float64).reshape(len(cases), count)
        index = np.array([case.label for case in cases])
        known: NDArray[np.float64] = (index[:, None] == np.arange(count)).astype(np.float64)
        known[index < 0] = np.nan
        return known

    @cached_property
    def _columns(self) -> dict[str, NDArray[np.str_]]:
        cases = self.view.cohort.cases
        return {
            "split": np.array([case.split for case in cases]),
            "source": np.array([case.source for case in cases]),
            "case": np.array([case.id for case in cases]),
            "text": np.array([f"{case.id}\n{case.patient}".casefold() for case in cases]),
        }

    def apart(self, bias: Bias) -> NDArray[np.float64]:
        """How far the runs are apart in each case, `(N,)`, NaN where fewer than two were asked."""
        tables = [each.probabilities for (_, of), each in self.answers.items() if of == bias]
        return disagreement(np.stack(tables)) if tables else np.full(len(self.view.cohort.cases), np.nan)

    def differ(self, bias: Bias) -> NDArray[np.bool_]:
        """Whether runs that were asked decided otherwise, `(N,)`."""
        found = [each for (_, of), each in self.answers.items() if of == bias]
        count = len(self.view.cohort.cases)
        if len(found) < 2:
            return np.zeros(count, bool)
        asked = np.stack([each.asked for each in found])
        decided = np.stack([each.predicted.reshape(count, -1) for each in found]).astype(float)
        decided[~asked] = np.nan
        low = np.where(np.isnan(decided), np.inf, decided).min(0)
        high = np.where(np.isnan(decided), -np.inf, decided).max(0)
        return np.asarray((high > low).any(1) & (asked.sum(0) > 1))

    def find(self, question: Question, marked: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the rows of the cases that answer a question, in the order asked for; equal ones as they are given.

        Args:
            question: what is asked.
            marked: which cases a reviewer marked in the way asked for, `(N,)`; None for any.
        """
        wanted = np.ones(len(self.view.cohort.cases), bool) if marked is None else marked.copy()
        for name in ("split", "source"):
            if value := getattr(question, name):
                wanted &= self._columns[name] == value
        if question.text:
            wanted &= np.char.find(self._columns["text"], question.text.casefold()) >= 0
        if question.label:
            wanted &= self._label[:, self.view.cohort.classes.index(question.label)] == 1
        if question.apart > 0:
            wanted &= self.apart(question.bias) >= question.apart
        if question.differ:
            wanted &= self.differ(question.bias)
        answers = self.answers.get((question.run, question.bias))
        if answers is not None:
            wanted &= self._answered(question, answers)
        rows = np.flatnonzero(wanted)
        return rows[self._order(question, answers, rows)]

    def _answered(self, question: Question, answers: Answers) -> NDArray[np.bool_]:
        wanted = np.ones(len(answers.asked), bool)
        if question.predicted:
            of = self.view.cohort.classes.index(question.predicted)
            wanted &= answers.predicted[:, of] == 1 if answers.predicted.ndim == 2 else answers.predicted == of
        if question.judged == "unknown":
            wanted &= ~answers.asked
        elif question.judged:
            wanted &= getattr(answers, question.judged)
        if question.outside > 0:
            wanted &= answers.outside >= question.outside  # NaN is not
        return wanted

    def _order(self, question: Question, answers: Answers | None, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort rows, those without a value last either way."""
        if question.sort == "given":
            return np.arange(len(rows))[:: -1 if question.descending else 1]
        if question.sort in ("case", "source"):
            values = np.unique(self._columns[question.sort][rows], return_inverse=True)[1].astype(np.float64)
        elif question.sort == "label":
            known = ~np.isnan(self._label[rows]).all(1)
            values = np.where(known, np.nan_to_num(self._label[rows]).argmax(1), np.nan)
        elif question.sort == "apart":
            values = self.apart(question.bias)[rows]
        elif answers is None:
            return np.arange(len(rows))
        else:
            values = (answers.outside if question.sort == "outside" else answers.surety)[rows]
        unknown = ~np.isfinite(values)
        keys = np.where(unknown, 0.0, -values if question.descending else values)
        return np.lexsort((keys, unknown))


def _answers(run: Run, bias: Bias, cohort: Cohort, rows: Mapping[str, int]) -> Answers:
    count, classes = len(cohort.cases), cohort.num_classes
    several = cohort.task == "multilabel"
    asked, outside = np.zeros(count, bool), np.full(count, np.nan)
    predicted = np.full((count, classes) if several else count, -1, np.int64)
    probabilities = np.full((count, classes), np.nan)
    judged = {name: np.zeros(count, bool) for name in ("right", "wrong", "missed", "false_alarm")}
    for condition, evaluation in run.evaluations.items():
        if condition.bias != bias:
            continue
        known: Predictions = evaluation.predictions
        here = [(place, rows[case]) for place, case in enumerate(known.cases) if case in rows]
        places, into = np.array([place for place, _ in here], int), np.array([row for _, row in here], int)
        asked[into] = True
        predicted[into] = known.predicted[places]
        probabilities[into] = known.probabilities[places]
        outside[into] = 1 - known.relevance_inside[places]
        found = judge(known)
        for name, column in judged.items():
            column[into] = getattr(found, name)[places]
    return Answers(asked, predicted, probabilities, outside, **judged)
