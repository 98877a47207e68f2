"""Who gives what: images of each class by split and source."""

from collections import Counter

from sightline.data import Cohort

_NONE = "(none)"


def split_table(cohort: Cohort) -> tuple[list[str], list[list[str]]]:
    """Count the images of each class, and the patients, by split and source.

    Returns:
        Head and rows of a table. An image of several classes counts in each; one of no class in `(none)`.
    """
    images: Counter[tuple[str, str]] = Counter()
    classes: Counter[tuple[str, str, str]] = Counter()
    patients: dict[tuple[str, str], set[str]] = {}
    for case in cohort.cases:
        place = (case.split, case.source)
        images[place] += 1
        patients.setdefault(place, set()).add(case.patient)
        for name in _classes(case.label, cohort) or [_NONE]:
            classes[(*place, name)] += 1
    names = [*cohort.classes, *([_NONE] if any(key[2] == _NONE for key in classes) else [])]
    splits = [*cohort.splits, *([""] if any(not split for split, _ in images) else [])]
    places = [
        (split, source) for split in splits for source in sorted({source for other, source in images if other == split})
    ]
    rows = [
        [
            *(word or "-" for word in place),
            *(str(classes[(*place, name)]) for name in names),
            str(images[place]),
            str(len(patients[place])),
        ]
        for place in places
    ]
    return ["split", "source", *names, "images", "patients"], rows


def lone_sources(cohort: Cohort) -> list[str]:
    """Say which classes come from one source only where there are several: class and source are then one thing."""
    train = cohort.split("train") if "train" in cohort.splits else cohort
    place = "in split 'train' " if "train" in cohort.splits else ""
    sources = {case.source for case in train.cases}
    of_class: dict[str, set[str]] = {}
    for case in train.cases:
        for name in _classes(case.label, train):
            of_class.setdefault(name, set()).add(case.source)
    return [
        f"class {name!r} comes {place}from one source only, {next(iter(found)) or 'without a name'!r}"
        for name, found in of_class.items()
        if len(found) == 1 < len(sources)
    ]


def _classes(label: int | tuple[float, ...], cohort: Cohort) -> list[str]:
    values = [float(label == index) for index in range(cohort.num_classes)] if isinstance(label, int) else label
    return [name for name, value in zip(cohort.classes, values, strict=False) if value > 0.5]
