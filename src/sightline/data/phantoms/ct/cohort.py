"""A multilabel cohort of phantom CT volumes with organ labels and masks of each finding.

`train`, `val` and `test` take patients of three scanners in turn, `ood` of a fourth. Scanners differ in who lies in
them and with what, in slice distance, kernel, noise and contrast medium, and in what they leave outside the body:
table, ECG wires, the edge of the field of view. `val` and `test` hold every scan twice more: `image:off` without those
marks, `image:swapped` with another scanner's.
"""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.data.cohort import Case, Cohort
from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.ct.grid import Grid
from sightline.data.phantoms.ct.lesions import CT_FINDINGS
from sightline.data.phantoms.ct.organs import ORGANS
from sightline.data.phantoms.ct.scanners import DELTA, SCANNERS, Scanner
from sightline.data.phantoms.ct.volume import CTPhantom, make_ct
from sightline.data.phantoms.dealing import make_cases
from sightline.data.phantoms.requests import check_request
from sightline.data.table import write_cohort
from sightline.runs import atomic_path

CT_COUNTS: Mapping[str, int] = {"train": 36, "val": 9, "test": 15, "ood": 12}
VALUE_RANGE_HU = (-1000.0, 400.0)
_LUNGS = f"#{ORGANS['lung_right']}+{ORGANS['lung_left']}"


def make_ct_cohort(
    folder: Path,
    *,
    seed: int = 0,
    size: int = 128,
    counts: Mapping[str, int] = CT_COUNTS,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a multilabel cohort of chest CT.

    Writes NIfTI volumes in whole HU, organ labels as in `ORGANS` (`organs/<id>.nii.gz`, of which the lungs are the
    column `mask`), masks of the findings that are there (`mask:<finding>`), `cohort.yaml` and, last of all,
    `cohort.csv`. It has, besides, the columns `age`, `sex`, `contrast` (`yes` or `no`) and `places` (of each piece of a
    finding: name, side and size in mm). The same arguments give the same files.

    Args:
        folder: where to, made if need be.
        seed: of the whole cohort; patient i depends on `(seed, i)` alone.
        size: rows and columns of each volume; the number of slices is the scanner's.
        counts: patients of each split, of `train`, `val`, `test` and `ood`.
        progress: called with the number of patients done and their total after each.

    Returns:
        `folder`.

    Raises:
        SettingsError: a split is unknown, a count or the seed negative, no patient asked for, or the size too small.
        DataError: the folder holds a cohort already.
    """
    folder = Path(folder)
    check_request(folder, counts, seed)

    def write(split: str, scanner: Scanner, index: int) -> Case:
        return _write_case(folder, split, scanner, (seed, index), size)

    cases = make_cases(counts, SCANNERS, DELTA, write, progress)
    write_cohort(Cohort(folder, "multilabel", CT_FINDINGS, cases, VALUE_RANGE_HU, "HU"), folder)
    return folder


def _write_case(folder: Path, split: str, scanner: Scanner, seed: tuple[int, int], size: int) -> Case:
    """Make one patient, write the files and return the row of the table."""
    phantom = make_ct(seed, scanner, size)
    name = f"p{seed[1]:05d}"

    def write(kind: str, values: NDArray[np.int16] | NDArray[np.uint8]) -> Path:
        path = folder / kind / f"{name}.nii.gz"
        write_nifti(path, values, phantom.grid)
        return path

    organs = write("organs", phantom.labels)
    masks: dict[str, Path] = {
        finding: write(f"masks/{finding}", one.mask.astype(np.uint8)) for finding, one in phantom.lesions.items()
    }
    variants = {}
    if split in ("val", "test"):
        other = SCANNERS[(SCANNERS.index(scanner) + 1) % len(SCANNERS)]
        variants = {
            "off": write("images_off", phantom.develop(scanner.without_marks())),
            "swapped": write("images_swapped", phantom.develop(other)),
        }
    return Case(
        id=name,
        image=write("images", phantom.develop(scanner)),
        label=tuple(float(finding in phantom.lesions) for finding in CT_FINDINGS),
        patient=name,
        source=scanner.name,
        split=split,
        mask=organs.with_name(organs.name + _LUNGS),
        class_masks=masks,
        variants=variants,
        about=_about(phantom),
    )


def _about(phantom: CTPhantom) -> dict[str, str]:
    places = [
        f"{finding} {'right' if place.side == RIGHT else 'left'} {place.size_mm:.0f}"
        for finding, lesion in phantom.lesions.items()
        for place in lesion.places
    ]
    contrast = "yes" if phantom.blood_hu > 80 else "no"
    return {"age": str(phantom.age), "sex": phantom.sex, "contrast": contrast, "places": "; ".join(places)}


def write_nifti(path: Path, values: NDArray[np.int16] | NDArray[np.uint8], grid: Grid) -> None:
    """Write `(D, H, W)` values as compressed NIfTI, atomically; the same values give the same bytes."""
    import nibabel  # takes as long as NumPy

    make: Any = nibabel.Nifti1Image  # untyped
    image = make(np.ascontiguousarray(values.transpose(2, 1, 0)), grid.affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
