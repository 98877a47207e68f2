"""A user's own folder of class folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import found_in
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case
from sightline.data.folders import read_class_folders
from sightline.errors import DataError, DataNotFoundError, SettingsError


@dataclass(frozen=True)
class ClassFolders(Adapter):
    r"""Images of any kind that can be read, DICOM too, in class folders; a multi-class cohort.

    The folders may lie in folders of splits, and masks in a parallel tree `masks`. A folder can be used as it is; this
    adds who is on the images, so that no person comes into two splits.

    Args:
        patient: regular expression searched for in the name of a file; its first group, or all that it finds, is the
            patient, as in `^(\w+?)_`. Empty: every image is a person of its own.
        source: where the images come from, such as the hospital.
    """

    name: ClassVar[str] = "class_folders"
    title: ClassVar[str] = "class folders"
    home: ClassVar[str] = "your own"
    layout: ClassVar[str] = "<class>/<image> or <split>/<class>/<image>\nmasks/<class>/<image>.png, if there"

    patient: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        pattern(self.patient, "patient")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        if not root.is_dir():
            raise DataNotFoundError(f"{self.title}: no folder {root}; give the folder that holds a folder a class")
        try:
            cohort = read_class_folders(root)
        except DataError as error:
            raise DataError(f"{error}; {found_in(root)}") from None
        people = patients_of(cohort.cases, self.patient, title=self.title)
        cases = tuple(
            replace(case, patient=person, source=self.source)
            for case, person in progress(list(zip(cohort.cases, people, strict=True)))
        )
        chosen = Selection(cases, cohort.classes, "images in class folders")
        return Adapted(replace(cohort, root=out.absolute(), cases=chosen.cases), chosen.census, chosen.left_out)


def pattern(text: str, option: str) -> re.Pattern[str]:
    """Compile a regular expression that a user gives.

    Raises:
        SettingsError: it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingsError(f"{option} must be a regular expression, got {text!r}: {error}") from None


def patients_of(cases: Sequence[Case], expression: str, *, title: str) -> list[str]:
    """Return who is on each image by a regular expression on the names of files; without one as the case says.

    Raises:
        DataError: names do not fit.
    """
    if not expression:
        return [case.patient for case in cases]
    found = [re.search(expression, case.image.name) for case in cases]
    misfits = [case.image.name for case, match in zip(cases, found, strict=True) if not match or not _person(match)]
    if misfits:
        raise DataError(
            f"{title}: patient={expression!r} finds nobody in {len(misfits):,} of {len(cases):,} names, first "
            f"{misfits[0]}; mend the expression, or take these images out"
        )
    return [_person(match) for match in found if match]


def _person(match: re.Match[str]) -> str:
    return (match[1] if match.re.groups else match[0]) or ""
