"""Rules of selection that several data sets share."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sightline.data.adapters.adapter import Adapted
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.data.splits import drawn

Only = Literal["all", "positive", "single"]


def keep_views(selection: Selection, views: Sequence[str]) -> None:
    """Keep images of some views, unless none is named."""
    if views:
        selection.keep(f"view is {', '.join(views)}", lambda case: case.about.get("view", "") in views)


def keep_ages(selection: Selection, min_age: float) -> None:
    """Keep people of some age and older, years; whose age is not known does not stay. 0 keeps all."""
    if min_age > 0:
        selection.keep(
            f"age is at least {min_age:g}", lambda case: float(case.about.get("age", "") or "nan") >= min_age
        )


def keep_labelled(selection: Selection, classes: Sequence[str], only: Only) -> None:
    """Keep images that are positive for any of the classes, or for exactly one of them; `all` keeps all."""
    if only == "positive":
        selection.keep(f"positive for any of {', '.join(classes)}", lambda case: bool(_positive(case)))
    elif only == "single":
        selection.keep(f"positive for one of {', '.join(classes)}", lambda case: len(_positive(case)) == 1)


def balance(selection: Selection, *, seed: int) -> None:
    """Keep as many images of each class as there are of the rarest, drawn at random.

    Args:
        selection: images of one class each.
        seed: steers which; neither their order nor which others there are does.
    """
    of_class: dict[int, list[str]] = defaultdict(list)
    for case in selection.cases:
        of_class[_positive(case)[0]].append(case.id)
    fewest = min(map(len, of_class.values()), default=0)
    kept = {name for names in of_class.values() for name in sorted(names, key=lambda name: drawn(seed, name))[:fewest]}
    selection.keep(f"drawn at random, {fewest:,} of each class", lambda case: case.id in kept)


def note(selection: Selection, what: str) -> None:
    """Add a line to the census that takes no image away."""
    selection.keep(what, lambda _: True)


def labelled(selection: Selection, classes: Sequence[str], only: Only, out: Path) -> Adapted:
    """Return what came: images of exactly one class as a multi-class cohort, else a multi-label one."""
    cases = selection.cases
    if only == "single":
        cases = tuple(replace(case, label=_positive(case)[0]) for case in cases)
    task: Literal["multiclass", "multilabel"] = "multiclass" if only == "single" else "multilabel"
    return Adapted(Cohort(out.absolute(), task, tuple(classes), cases), selection.census, selection.left_out)


def _positive(case: Case) -> list[int]:
    if isinstance(case.label, int):
        return [case.label]
    return [index for index, value in enumerate(case.label) if value > 0.5]  # not NaN
