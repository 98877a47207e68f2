"""Patients dealt out to splits: those of `ood` come from elsewhere, all others from several sources in turn."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sightline.data.cohort import Case
from sightline.data.phantoms.requests import SPLITS

Source = TypeVar("Source")


def make_cases(
    counts: Mapping[str, int],
    sources: Sequence[Source],
    elsewhere: Source,
    write: Callable[[str, Source, int], Case],
    progress: Callable[[int, int], None] | None,
) -> tuple[Case, ...]:
    """Make the patients of all splits, one after the other.

    Args:
        counts: patients of each split.
        sources: whose patients take turns.
        elsewhere: whose patients are those of `ood`.
        write: makes one, of a split, a source and a number in the cohort.
        progress: called with the number of patients done and their total after each.
    """
    total = sum(counts.values())
    cases: list[Case] = []
    for split in SPLITS:
        for index in range(counts.get(split, 0)):
            source = elsewhere if split == "ood" else sources[index % len(sources)]
            cases.append(write(split, source, len(cases)))
            if progress is not None:
                progress(len(cases), total)
    return tuple(cases)
