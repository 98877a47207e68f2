"""Everything in a cohort that would spoil a run, found before it starts."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from sightline.data.cohort import Case, Cohort
from sightline.data.gaze_files import read_gaze
from sightline.data.prepared import Loader, Preprocessing, masks_of
from sightline.data.prepared_cache import ImageCache
from sightline.data.readers.checksums import sha256_of
from sightline.data.readers.files import located
from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import is_volume, read_volume
from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.stores import there

_UNUSABLE = (DataError, DataNotFoundError, ShapeError)  # of a file, unlike a codec that is not installed


@dataclass(frozen=True)
class Problem:
    """Something that cannot stay as it is.

    Attributes:
        case: name of the image it is about; empty if it is about the whole cohort.
        what: what is wrong, on one line, with the file relative to the cohort's folder.
    """

    case: str
    what: str


def check_cohort(cohort: Cohort, *, pixels: bool) -> list[Problem]:
    """Return every problem of a cohort, those of the whole first.

    Args:
        cohort: the images.
        pixels: also read every image, mask and gaze: broken files, NaN pixels, masks that are empty or of another size,
            and images whose checksum is not the one given.

    Raises:
        MissingExtraError: a codec for an image is not installed.
    """
    return [*_classes(cohort), *_patients(cohort), *(p for case in cohort.cases for p in _case(case, cohort, pixels))]


def readable_cases(
    cohort: Cohort, *, strict: bool = False, progress: Callable[[int, int], None] | None = None
) -> tuple[Cohort, list[Problem]]:
    """Leave out the cases whose files cannot be used, so that one broken file among thousands does not end a run.

    Every image, variant, mask and gaze is read, in parallel. A codec that is not installed ends it all the same: it is
    the machine that has the problem, and every file of that kind would go.

    Args:
        cohort: the images.
        strict: leave nothing out.
        progress: called with the number of cases done and their total after each.

    Returns:
        The cohort without them, and why each was left out, in the order of the cases.

    Raises:
        DataError: there are any, and `strict`.
        MissingExtraError: a codec is not installed.
    """

    def read(case: Case) -> list[Problem]:
        return list(_case(case, cohort, pixels=True))

    problems: list[Problem] = []
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 4)) as pool:
        for done, found in enumerate(pool.map(read, cohort.cases), start=1):
            problems += found
            if progress is not None:
                progress(done, len(cohort.cases))
    if strict:
        raise_on_problems(problems)
    left_out = {problem.case for problem in problems}
    return replace(cohort, cases=tuple(case for case in cohort.cases if case.id not in left_out)), problems


def raise_on_problems(problems: Sequence[Problem]) -> None:
    """Raise the first problem, with the number of the others.

    Raises:
        DataError: there are any.
    """
    if problems:
        more = f" (and {len(problems) - 1} more: `sightline prepare check` lists them)" if len(problems) > 1 else ""
        raise DataError(problems[0].what + more)


def _classes(cohort: Cohort) -> Iterator[Problem]:
    """A class without a sample, in all or in the images to learn from."""
    places = {"the cohort": cohort.cases}
    if "train" in cohort.splits:
        places = {"split 'train'": cohort.split("train").cases}
    for place, cases in places.items():
        for index, name in enumerate(cohort.classes):
            if not any(_has(case, index) for case in cases):
                yield Problem("", f"class {name!r} has no sample in {place}")


def _has(case: Case, index: int) -> bool:
    return case.label == index if isinstance(case.label, int) else index < len(case.label) and case.label[index] > 0.5


def _patients(cohort: Cohort) -> Iterator[Problem]:
    seen: dict[tuple[str, str], dict[str, Case]] = defaultdict(dict)
    for case in cohort.cases:
        seen[case.source, case.patient].setdefault(case.split, case)  # as `splits` tells patients apart
    for (_, patient), by_split in seen.items():
        if len(by_split) > 1:
            where = " and ".join(f"{split or '(none)'!r} ({cohort.name(c.image)})" for split, c in by_split.items())
            yield Problem(next(iter(by_split.values())).id, f"patient {patient!r} is in several splits: {where}")


def _case(case: Case, cohort: Cohort, pixels: bool) -> Iterator[Problem]:
    if (wrong := _label(case, cohort)) is not None:
        yield Problem(case.id, f"{cohort.name(case.image)}: {wrong}")
    files = [case.image, *masks_of(case), *case.variants.values(), *([case.gaze] if case.gaze else [])]
    missing = [file for file in files if not there(located(file)[0])]
    yield from (Problem(case.id, f"{cohort.name(file)}: no such file") for file in missing)
    if not pixels or case.image in missing:
        return
    try:
        volume = is_volume(located(case.image)[0], name=cohort.name(case.image))
    except _UNUSABLE as error:
        yield Problem(case.id, str(error))
    else:
        yield from (_voxels if volume else _pixels)(case, cohort, set(missing))


def _label(case: Case, cohort: Cohort) -> str | None:
    if isinstance(case.label, int) and cohort.task != "multilabel":
        inside = 0 <= case.label < cohort.num_classes
        return None if inside else f"label {case.label} is not one of the {cohort.num_classes} classes"
    values = () if isinstance(case.label, int) else case.label
    if cohort.task == "multilabel" and len(values) == cohort.num_classes:
        return next((f"label {v:g} is not in [0, 1]" for v in values if v < 0 or v > 1), None)
    return f"label {case.label} does not fit a {cohort.task} task with {cohort.num_classes} classes"


def _pixels(case: Case, cohort: Cohort, missing: set[Path]) -> Iterator[Problem]:
    """Read what a run would read, and report what stops it."""
    loader = Loader(cohort, Preprocessing(size=8), pad=False, cache=ImageCache(budget_mib=0))
    try:
        if case.sha256 and (found := sha256_of(case.image, name=cohort.name(case.image))) != case.sha256:
            what = f"{cohort.name(case.image)}: its sha256 is {found}, not {case.sha256} as the cohort says"
            yield Problem(case.id, what)
        original = loader.image(case).original
    except _UNUSABLE as error:
        yield Problem(case.id, str(error))
        return
    for variant, file in case.variants.items():
        try:
            size = None if file in missing else loader.image(case, variant).original
        except _UNUSABLE as error:
            yield Problem(case.id, str(error))
        else:
            if size not in (None, original):
                yield Problem(case.id, f"{cohort.name(file)}: not of the size of {cohort.name(case.image)}")
    for mask in masks_of(case):
        if mask not in missing:
            try:
                loader.region(mask, case, original)
            except _UNUSABLE as error:
                yield Problem(case.id, str(error))
    if case.gaze is not None and case.gaze not in missing:
        try:
            read_gaze(case.gaze, original, name=cohort.name(case.gaze))
        except _UNUSABLE as error:
            yield Problem(case.id, str(error))


def _voxels(case: Case, cohort: Cohort, missing: set[Path]) -> Iterator[Problem]:
    """Read a volume, its variants and its masks, and report what stops it."""
    shapes = {}
    masks = dict.fromkeys(masks_of(case))
    for file in dict.fromkeys([case.image, *case.variants.values(), *masks]):
        if file in missing:
            continue
        name = cohort.name(file)
        try:
            if file in masks:
                mask = read_mask(file, image=case.image, name=name)
                shapes[file] = mask.shape
                if not mask.any():
                    yield Problem(case.id, f"{name}: empty mask; name no mask if the region is unknown")
            else:
                shapes[file] = read_volume(file, name=name).values.shape
        except _UNUSABLE as error:
            yield Problem(case.id, str(error))
    for file, shape in shapes.items():
        if shape != shapes.get(case.image, shape):
            yield Problem(case.id, f"{cohort.name(file)}: not of the size of {cohort.name(case.image)}")
