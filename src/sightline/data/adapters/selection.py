"""Rules that decide which images of a download stay, and the count of what each rule takes away."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sightline.data.cohort import Case


@dataclass(frozen=True)
class LeftOut:
    """An image that did not stay.

    Attributes:
        id: of the image.
        reason: the rule that it failed.
    """

    id: str
    reason: str


@dataclass(frozen=True)
class Count:
    """How much there is after a rule.

    Attributes:
        rule: in words; of the first count, where the images come from.
        images: how many.
        patients: how many people are on them.
        classes: images of each class, by its name; an image of several classes counts in each.
    """

    rule: str
    images: int
    patients: int
    classes: Mapping[str, int] = field(default_factory=dict, hash=False)


class Selection:
    """Images that stay so far, counted anew after each rule.

    Args:
        cases: all images.
        classes: names of the classes that their labels stand for.
        origin: where they come from, in words.
    """

    def __init__(self, cases: Sequence[Case], classes: Sequence[str], origin: str) -> None:
        self.cases = tuple(cases)
        self._classes = tuple(classes)
        self._census = [self._count(origin)]
        self._left_out: list[LeftOut] = []

    def keep(self, rule: str, wanted: Callable[[Case], bool]) -> None:
        """Keep the images that are wanted; `rule` says in words which these are, such as `adults only`."""
        stay = [bool(wanted(case)) for case in self.cases]
        self._left_out += [LeftOut(case.id, rule) for case, is_in in zip(self.cases, stay, strict=True) if not is_in]
        self.cases = tuple(case for case, is_in in zip(self.cases, stay, strict=True) if is_in)
        self._census.append(self._count(rule))

    @property
    def census(self) -> tuple[Count, ...]:
        """The counts, one at first and one for each rule."""
        return tuple(self._census)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The images that did not stay, in the order of the rules."""
        return tuple(self._left_out)

    def _count(self, rule: str) -> Count:
        found: Counter[str] = Counter()
        for case in self.cases:
            found.update(_classes_of(case, self._classes))
        patients = {(case.source, case.patient) for case in self.cases}
        return Count(rule, len(self.cases), len(patients), {name: found[name] for name in self._classes})


def _classes_of(case: Case, classes: Sequence[str]) -> list[str]:
    if isinstance(case.label, int):
        return [classes[case.label]]
    return [name for name, value in zip(classes, case.label, strict=True) if value > 0.5]  # not NaN
