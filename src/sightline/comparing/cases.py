"""Cases to look at, chosen without a model."""

from collections.abc import Sequence

from sightline.data import Case, Cohort
from sightline.errors import DataError


def choose_cases(cohort: Cohort, *, number: int = 12, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """Choose cases by name, or the first of each class in turn; no model has a say in it.

    Raises:
        DataError: there is no case of a name.
    """
    by_name = {case.id: case for case in cohort.cases}
    for name in names:
        if name not in by_name:
            raise DataError(f"no case {name!r} among the {len(by_name)} cases of this split")
    if names:
        return tuple(by_name[name] for name in names)
    queues: dict[int, list[Case]] = {}
    for case in cohort.cases:
        queues.setdefault(_stratum(case), []).append(case)
    turns = [queue[turn] for turn in range(number) for _, queue in sorted(queues.items()) if turn < len(queue)]
    return tuple(turns[:number])


def _stratum(case: Case) -> int:
    """The class of a case; of several labels the first."""
    if isinstance(case.label, int):
        return case.label
    return next((index for index, value in enumerate(case.label) if value == 1), len(case.label))
