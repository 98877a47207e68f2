"""Series of DICOM slices among given images, each taken as one volume."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from sightline.data import Case, Cohort
from sightline.data.readers.dicom_file import broken_is_data_error, frame_count, open_dicom
from sightline.data.readers.files import starts_as_dicom


def as_series(images: Cohort) -> Cohort:
    """Return given images with the DICOM slices of each folder as one case, the folder; other cases stay.

    A folder counts as a series if two or more files of it were given, and the first of them has one frame.

    Args:
        images: from `given_images`.

    Raises:
        DataError: a file cannot be read.
    """
    slices: dict[Path, list[Case]] = defaultdict(list)
    for case in images.cases:
        if case.image.is_file() and starts_as_dicom(case.image):
            slices[case.image.parent].append(case)
    series = {folder for folder, cases in slices.items() if len(cases) > 1 and _has_one_frame(cases[0])}
    root = images.root.parent if images.root in series else images.root
    found: dict[Path, Case] = {}
    for case in images.cases:
        path = case.image.parent if case.image.parent in series else case.image
        if path == case.image:
            found[path] = case
        elif path not in found:
            name = path.relative_to(root).as_posix()
            found[path] = replace(case, id=name, image=path, patient=name)
    return replace(images, root=root, cases=tuple(found.values()))


def _has_one_frame(case: Case) -> bool:
    with broken_is_data_error(case.id):
        return frame_count(open_dicom(case.image, pixels=False, name=case.id)) == 1
