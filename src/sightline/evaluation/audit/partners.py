"""Whose pixels are put into whose image: drawn for each case from the seed and its name alone."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from sightline.data.cohort import Case


def generator_of(seed: int, *words: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the words alone."""
    digest = hashlib.sha256("\n".join((str(seed), *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def partner_of(
    case: Case, pool: Sequence[Case], generator: np.random.Generator, *wanted: Callable[[Case, Case], bool]
) -> Case | None:
    """Draw a case of another patient.

    Args:
        case: whose partner it is.
        pool: cases to draw from.
        generator: that is advanced.
        wanted: what the two must satisfy.

    Returns:
        One of those that fit, each as likely; None where none does.
    """
    shuffled = (pool[int(index)] for index in generator.permutation(len(pool)))
    return next(
        (other for other in shuffled if other.patient != case.patient and all(like(case, other) for like in wanted)),
        None,
    )


def other_source(case: Case, other: Case) -> bool:
    """Whether the two come from two sources that are known."""
    return bool(case.source and other.source and case.source != other.source)


def other_class(case: Case, other: Case) -> bool:
    """Whether a label that is known of both differs."""
    return bool(differing(case, other))


def differing(case: Case, other: Case) -> tuple[int, ...]:
    """Labels that are certain in both and differ: of one label an image the class of the other."""
    if isinstance(case.label, int) and isinstance(other.label, int):
        return (other.label,) if case.label != other.label and min(case.label, other.label) >= 0 else ()
    pairs = zip(_labels(case), _labels(other), strict=True)
    return tuple(index for index, pair in enumerate(pairs) if sorted(pair) == [0, 1])


def _labels(case: Case) -> tuple[float, ...]:
    return (case.label,) if isinstance(case.label, int) else case.label
