"""Under which conditions a classifier is tested: a split, and its known bias as it is, taken away or swapped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from sightline.data import Cohort, PlantedBias
from sightline.data.planted_bias import Bias
from sightline.errors import SettingsError


@dataclass(frozen=True)
class Condition:
    """What a classifier is tested on.

    Attributes:
        split: name of the split.
        bias: the known bias of its images: `on` as they are, `off` taken away, `swapped` for that of a wrong class.
    """

    split: str
    bias: Bias = "on"

    def __str__(self) -> str:
        """`test`, `test-off`, `test-swapped`."""
        return self.split if self.bias == "on" else f"{self.split}-{self.bias}"

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read what `str` wrote."""
        split, dash, bias = text.rpartition("-")
        if dash and bias in get_args(Bias):
            return cls(split, bias)  # type: ignore[arg-type]  # one of the words, as just checked
        return cls(text)


def hardest_of(conditions: Sequence[Condition]) -> Condition:
    """Choose the condition furthest from training: another split than the first one's, or else a bias off or swapped.

    Of other splits it is the first with its bias as it is; where there is but one split, its bias taken away.

    Args:
        conditions: at least one.
    """
    first = conditions[0]
    others = [c for c in conditions if c.split != first.split and c.bias == "on"]
    return next(iter([*others, *(c for c in conditions if c.bias == "off"), first]))


def conditions_of(cohort: Cohort, planted: PlantedBias | None, splits: Iterable[str] = ()) -> tuple[Condition, ...]:
    """List the conditions that a cohort can be tested under.

    Args:
        cohort: with its splits.
        planted: the bias that is planted on its images, which can then be left out or swapped anywhere.
        splits: names; all but `train` and `val` by default.

    Raises:
        DataError: the cohort has no such split.
        SettingsError: there is nothing to test on.
    """
    names = tuple(splits) or tuple(name for name in cohort.splits if name not in ("train", "val"))
    if not names:
        raise SettingsError(f"nothing to test on: the splits are {', '.join(cohort.splits) or 'none'}; name one")
    found = []
    for name in names:
        cases = cohort.split(name).cases
        biases = [b for b in get_args(Bias) if b == "on" or planted or all(b in case.variants for case in cases)]
        found += [Condition(name, bias) for bias in biases]
    return tuple(found)
