"""Splits that never part the images of one patient, nor duplicates of one image.

Patients are told apart by source and id: the same id in two sources is two people, unless `across_sources` says that
all sources share their ids. Cases with one image file, or with one checksum in the table, stay together.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from sightline.data.cohort import Case, Cohort, did_you_mean
from sightline.data.images import Array
from sightline.data.readers.files import located
from sightline.errors import DataError, SettingsError

USUAL_FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.7, "val": 0.1, "test": 0.2})
Person: TypeAlias = tuple[str, str]  # source and patient


def split_by_patient(
    cohort: Cohort,
    *,
    fractions: Mapping[str, float] = USUAL_FRACTIONS,
    seed: int,
    previous: Cohort | None = None,
    same: Iterable[Collection[str]] = (),
    across_sources: bool = False,
) -> Cohort:
    """Split a cohort at random by patient, so that every split has about its share of each class.

    Iterative stratification with patients in place of images: the class with the fewest images left is dealt out first,
    each of its patients to the split that misses most of that class, then to the one that misses most images. Splits
    that the cohort has already are given up, unless it is its own `previous`.

    Args:
        cohort: the images.
        fractions: share of the images by name of the split; they add up to 1.
        seed: steers which patients go where; the order of the cases does not.
        previous: whoever is in a split here stays in it, and the others are dealt by what is then missing; a split that
            `fractions` does not name counts for nothing. So rows may be added to a cohort without moving anybody.
        same: images that stay together, each a group of ids, such as duplicates; patients who share one do, too.
        across_sources: the same id in two sources is one patient.

    Raises:
        SettingsError: the fractions are not positive or do not add up to 1.
        DataError: an id in `same` is unknown, or people who stay together are in several splits of `previous`.

    Reference:
        Sechidis, Tsoumakas and Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10, algorithm 1.
    """
    check_fractions(fractions)
    leaders = _leaders(cohort, same, across_sources)
    split = _kept(leaders, previous, across_sources) if previous is not None else {}
    members: dict[Person, list[Array]] = {}
    for case in cohort.cases:
        leader = leaders[_person(case, across_sources)]
        if split.get(leader, "") in ("", *fractions):
            members.setdefault(leader, []).append(_labels_of(case.label, cohort.num_classes))
    names, groups = list(fractions), sorted(members)
    if groups:
        counts = np.stack([np.sum(members[leader], axis=0) for leader in groups])  # (G, K + 1) images of each class
        images = np.asarray([len(members[leader]) for leader in groups])
        place = np.asarray([names.index(split[leader]) if leader in split else -1 for leader in groups])
        _deal(counts, images, np.asarray(list(fractions.values())), place, np.random.default_rng(seed))
        split |= {leader: names[index] for leader, index in zip(groups, place, strict=True)}
    return _with_splits(cohort, {person: split[leader] for person, leader in leaders.items()}, across_sources)


def split_by_hash(
    cohort: Cohort,
    *,
    fractions: Mapping[str, float] = USUAL_FRACTIONS,
    seed: int,
    same: Iterable[Collection[str]] = (),
    across_sources: bool = False,
) -> Cohort:
    """Split a cohort by a number drawn from each patient's name, so that nobody's split depends on who else is there.

    Needs no memory: rows may come, go and change their labels. In return shares are met only on average and classes
    are not balanced. A patient moves only if `same` joins him to another one.

    Args:
        cohort: the images.
        fractions: share of the patients by name of the split; they add up to 1. Their order counts.
        seed: steers which patients go where.
        same: as of `split_by_patient`.
        across_sources: as of `split_by_patient`.

    Raises:
        SettingsError: the fractions are not positive or do not add up to 1.
        DataError: an id in `same` is unknown.
    """
    check_fractions(fractions)
    names, bounds = list(fractions), np.cumsum(list(fractions.values()))
    leaders = _leaders(cohort, same, across_sources)
    split = {
        person: names[min(int(np.searchsorted(bounds, drawn(seed, *leader), side="right")), len(names) - 1)]
        for person, leader in leaders.items()
    }
    return _with_splits(cohort, split, across_sources)


def drawn(seed: int, *words: str) -> float:
    """Return a number in [0, 1), uniform over all words and seeds, that depends on nothing else."""
    text = "\0".join((str(seed), *words))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48  # exact in float64


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Check the shares of splits.

    Raises:
        SettingsError: they are not positive or do not add up to 1.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise SettingsError(f"fractions must be positive and add up to 1, got {dict(fractions)}")


def _person(case: Case, across_sources: bool) -> Person:
    return ("" if across_sources else case.source, case.patient)


def _leaders(cohort: Cohort, same: Iterable[Collection[str]], across_sources: bool) -> dict[Person, Person]:
    """Return the first, in the order of names, of those whom each person stays together with."""
    person = {case.id: _person(case, across_sources) for case in cohort.cases}
    above = {each: each for each in person.values()}

    def top(each: Person) -> Person:
        while above[each] != each:
            above[each] = above[above[each]]  # shorter for the next
            each = above[each]
        return each

    for group in (*same, *_of_one_file(cohort)):
        unknown = sorted(name for name in group if name not in person)
        if unknown:
            raise DataError(
                f"no image {unknown[0]!r} in the cohort{did_you_mean(unknown[0], person)}; {len(unknown)} of "
                f"{len(group)} ids that stay together are unknown: give the ids of this cohort"
            )
        tops = sorted({top(person[name]) for name in group})
        above |= dict.fromkeys(tops, tops[0]) if tops else {}
    return {each: top(each) for each in above}


def _of_one_file(cohort: Cohort) -> list[list[str]]:
    """Return the ids of cases that have one image: one file, or files that have one checksum in the table."""
    groups: dict[tuple[str, str], list[str]] = {}
    for case in cohort.cases:
        groups.setdefault(("", str(case.image)), []).append(case.id)
        if case.sha256:
            groups.setdefault((case.sha256, located(case.image)[1]), []).append(case.id)
    return [names for names in groups.values() if len(names) > 1]


def _kept(leaders: Mapping[Person, Person], previous: Cohort, across_sources: bool) -> dict[Person, str]:
    """Return the split that each group has already, by its leader."""
    split: dict[Person, str] = {}
    first: dict[Person, Case] = {}
    for case in previous.cases:
        leader = leaders.get(_person(case, across_sources))
        if leader is None or not case.split:
            continue
        if split.setdefault(leader, case.split) != case.split:
            other = first[leader]
            raise DataError(
                f"{other.id} in split {other.split!r} and {case.id} in {case.split!r} are of one patient or stay "
                "together; empty the split of one of them"
            )
        first.setdefault(leader, case)
    return split


def _with_splits(cohort: Cohort, split: Mapping[Person, str], across_sources: bool) -> Cohort:
    cases = tuple(replace(case, split=split[_person(case, across_sources)]) for case in cohort.cases)
    return replace(cohort, cases=cases)


def _labels_of(label: int | Sequence[float], num_classes: int) -> Array:
    """Return 1 for each class of an image; the last of the `(K + 1,)` stands for none."""
    has = np.zeros(num_classes + 1)
    if isinstance(label, int):
        has[label] = 1
    else:
        has[:-1] = np.nan_to_num(label) > 0.5
        has[-1] = not has.any()
    return has


def _deal(counts: Array, images: Array, fractions: Array, place: Array, generator: np.random.Generator) -> None:
    """Find the split of each group that has none.

    Args:
        counts: images of each group and class, `(G, K + 1)`.
        images: images of each group, `(G,)`.
        fractions: share of each split, `(S,)`.
        place: split of each group, `(G,)`, written to where it is -1.
        generator: breaks ties.
    """
    missing = fractions[:, None] * counts.sum(axis=0)  # (S, K + 1)
    missing_images = fractions * images.sum()
    for index in range(len(fractions)):
        missing[index] -= counts[place == index].sum(axis=0)
        missing_images[index] -= images[place == index].sum()
    while (place < 0).any():
        left = counts[place < 0].sum(axis=0)
        rarest = int(np.where(left > 0, left, np.inf).argmin())
        members = generator.permutation(np.flatnonzero((place < 0) & (counts[:, rarest] > 0)))
        for group in members[np.argsort(-images[members], kind="stable")]:  # large ones while there is room
            worst = np.flatnonzero(np.isclose(missing[:, rarest], missing[:, rarest].max()))
            worst = worst[np.isclose(missing_images[worst], missing_images[worst].max())]
            chosen = int(generator.choice(worst))
            place[group] = chosen
            missing[chosen] -= counts[group]
            missing_images[chosen] -= images[group]
