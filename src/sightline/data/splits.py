"""Splits that never part the images of one patient."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from sightline.data.cohort import Cohort
from sightline.data.images import Array
from sightline.errors import SettingsError

USUAL_FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.7, "val": 0.1, "test": 0.2})


def split_by_patient(cohort: Cohort, *, fractions: Mapping[str, float] = USUAL_FRACTIONS, seed: int) -> Cohort:
    """Split a cohort at random by patient, so that every split has about its share of each class.

    Iterative stratification with patients in place of images: the class with the fewest images left is dealt out first,
    each of its patients to the split that misses most of that class, then to the one that misses most images. Splits
    that the cohort has already are given up.

    Args:
        cohort: the images.
        fractions: share of the images by name of the split; they add up to 1.
        seed: steers which patients go where; the order of the cases does not.

    Raises:
        SettingsError: the fractions are not positive or do not add up to 1.

    Reference:
        Sechidis, Tsoumakas and Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10, algorithm 1.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise SettingsError(f"fractions must be positive and add up to 1, got {dict(fractions)}")
    rows: dict[str, list[Array]] = defaultdict(list)
    for case in cohort.cases:
        rows[case.patient].append(_labels_of(case.label, cohort.num_classes))
    patients = sorted(rows)
    counts = np.stack([np.sum(rows[patient], axis=0) for patient in patients])  # (P, K + 1) images of each class
    images = np.asarray([len(rows[patient]) for patient in patients])
    places = _deal(counts, images, np.asarray(list(fractions.values())), np.random.default_rng(seed))
    names = list(fractions)
    split = {patient: names[place] for patient, place in zip(patients, places, strict=True)}
    return replace(cohort, cases=tuple(replace(case, split=split[case.patient]) for case in cohort.cases))


def _labels_of(label: int | tuple[float, ...], num_classes: int) -> Array:
    """Return 1 for each class of an image; the last of the `(K + 1,)` stands for none."""
    has = np.zeros(num_classes + 1)
    if isinstance(label, int):
        has[label] = 1
    else:
        has[:-1] = np.nan_to_num(label) > 0.5
        has[-1] = not has.any()
    return has


def _deal(counts: Array, images: Array, fractions: Array, generator: np.random.Generator) -> list[int]:
    """Return the split of each patient.

    Args:
        counts: images of each patient and class, `(P, K + 1)`.
        images: images of each patient, `(P,)`.
        fractions: share of each split, `(S,)`.
        generator: breaks ties.
    """
    missing = fractions[:, None] * counts.sum(axis=0)  # (S, K + 1)
    missing_images = fractions * images.sum()
    place = np.full(len(images), -1)
    while (place < 0).any():
        left = counts[place < 0].sum(axis=0)
        rarest = int(np.where(left > 0, left, np.inf).argmin())
        members = generator.permutation(np.flatnonzero((place < 0) & (counts[:, rarest] > 0)))
        for patient in members[np.argsort(-images[members], kind="stable")]:  # large ones while there is room
            worst = np.flatnonzero(np.isclose(missing[:, rarest], missing[:, rarest].max()))
            worst = worst[np.isclose(missing_images[worst], missing_images[worst].max())]
            chosen = int(generator.choice(worst))
            place[patient] = chosen
            missing[chosen] -= counts[patient]
            missing_images[chosen] -= images[patient]
    return [int(p) for p in place]
