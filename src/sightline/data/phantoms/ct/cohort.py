"""A multilabel cohort of phantom CT volumes with organ labels, masks of each finding and reports.

`train`, `val` and `test` take patients of three scanners in turn, `ood` of a fourth. Scanners differ in who lies in
them and with what, in slice distance, kernel, noise and contrast medium, and in what they leave outside the body:
table, ECG wires, the edge of the field of view. If wanted, each finding has besides an object on the skin that gives it
away (`bias`). `val` and `test` hold every scan twice more: `image:off` without marks and objects, `image:swapped` with
another scanner's marks and the objects of all the findings that are not shown by theirs in `image`.
"""

import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sightline.data.cohort import Case, Cohort
from sightline.data.phantoms.anatomy import LEFT, RIGHT
from sightline.data.phantoms.ct.grid import Grid
from sightline.data.phantoms.ct.lesions import CT_FINDINGS, CTFinding
from sightline.data.phantoms.ct.organs import ORGANS, PARTITION
from sightline.data.phantoms.ct.report import CONTRAST_HU, write_report
from sightline.data.phantoms.ct.scanners import DELTA, SCANNERS, Scanner
from sightline.data.phantoms.ct.volume import CTPhantom, make_ct
from sightline.data.phantoms.dealing import make_cases
from sightline.data.phantoms.requests import check_request, check_share
from sightline.data.table import write_cohort
from sightline.errors import SettingsError
from sightline.runs import atomic_path, write_text

CT_COUNTS: Mapping[str, int] = {"train": 36, "val": 9, "test": 15, "ood": 12}
VALUE_RANGE_HU = (-1000.0, 400.0)
Regions = Literal["lesions", "organs"]
_SIDES = {RIGHT: "right", LEFT: "left", 0: "middle"}


def make_ct_cohort(
    folder: Path,
    *,
    seed: int = 0,
    size: int = 128,
    counts: Mapping[str, int] = CT_COUNTS,
    slice_mm: float | None = None,
    least_severity: float = 0.0,
    regions: Regions = "lesions",
    bias: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a multilabel cohort of chest CT.

    Writes NIfTI volumes in whole HU, labels of organs as in `ORGANS` (`organs/<id>.nii.gz`) and of the parts of the
    chest as in `PARTITION` (`partition/<id>.nii.gz`), masks of the findings that are there
    (`masks/<finding>/<id>.nii.gz`), reports (`reports/<id>.txt`), `cohort.yaml` and, last of all, `cohort.csv`. It has,
    besides, the columns `age`, `sex`, `contrast` (`yes` or `no`), `places` (of each piece of a finding: name, side and
    size in mm) and `shortcuts` (findings whose object is in `image`). The same arguments give the same files.

    Args:
        folder: where to, made if need be.
        seed: of the whole cohort; patient i depends on `(seed, i)` alone.
        size: rows and columns of each volume.
        counts: patients of each split, of `train`, `val`, `test` and `ood`.
        slice_mm: distance from slice to slice; the scanner's if None. The slices cover 324 mm.
        least_severity: of findings, in [0, 1]; 0.3 leaves none that is too small to be seen in voxels of 4 mm.
        regions: what the columns `mask:<finding>` name: the `lesions` themselves, or the `organs` where the finding
            lies, as `partition/<id>.nii.gz#1` for the right lung, `#2` for the mediastinum, `#1+3` for both lungs. The
            column `mask` names both lungs, or with `organs` all within the rib cage.
        bias: share of the findings of `train`, `val` and `test`, in [0, 1], whose object on the skin (`SHORTCUTS`) is
            there if the finding is and only then; in the others it is there if the finding is not. 1 gives every
            finding away, 0.5 says nothing; None leaves the objects out. There are none in `ood`.
        progress: called with the number of patients done and their total after each.

    Returns:
        `folder`.

    Raises:
        SettingsError: a split or kind of region is unknown, a count or the seed negative, no patient asked for, a share
            out of its range, the slices too thick, or the size too small.
        DataError: the folder holds a cohort already.
    """
    folder = Path(folder)
    check_request(folder, counts, seed)
    check_share(0 if bias is None else bias, "bias")
    if slice_mm is not None and not 1 <= slice_mm <= 20:
        raise SettingsError(f"slice_mm must be between 1 and 20 mm, got {slice_mm}")
    if regions not in get_args(Regions):
        raise SettingsError(f"regions must be one of {', '.join(get_args(Regions))}, got {regions!r}")
    made = _Wanted(folder, seed, size, slice_mm, least_severity, regions, bias)
    cases = make_cases(counts, SCANNERS, DELTA, made.write, progress)
    write_cohort(Cohort(folder, "multilabel", CT_FINDINGS, cases, VALUE_RANGE_HU, "HU"), folder)
    return folder


@dataclass(frozen=True)
class _Wanted:
    """What was asked for, as in `make_ct_cohort`."""

    folder: Path
    seed: int
    size: int
    slice_mm: float | None
    least_severity: float
    regions: Regions
    bias: float | None

    def write(self, split: str, scanner: Scanner, index: int) -> Case:
        """Make one patient, write the files and return the row of the table."""
        taken = scanner if self.slice_mm is None else replace(scanner, slice_mm=self.slice_mm)
        phantom = make_ct((self.seed, index), taken, self.size, least_severity=self.least_severity)
        shortcuts = self.shortcuts(phantom, split, index)
        name = f"p{index:05d}"

        def write(kind: str, values: NDArray[np.int16] | NDArray[np.uint8]) -> Path:
            path = self.folder / kind / f"{name}.nii.gz"
            write_nifti(path, values, phantom.grid)
            return path

        organs, parts = write("organs", phantom.labels), write("partition", phantom.parts)
        mask = _labels(organs, (ORGANS["lung_right"], ORGANS["lung_left"]))
        masks: dict[str, Path] = {
            finding: write(f"masks/{finding}", one.mask.astype(np.uint8)) for finding, one in phantom.lesions.items()
        }
        if self.regions == "organs":
            mask = _labels(parts, PARTITION.values())
            masks = {finding: _labels(parts, phantom.allowed(finding)) for finding in phantom.lesions}
        variants = {}
        if split in ("val", "test"):
            other = SCANNERS[(SCANNERS.index(scanner) + 1) % len(SCANNERS)]
            wrong = [finding for finding in CT_FINDINGS if self.bias is not None and finding not in shortcuts]
            variants = {
                "off": write("images_off", phantom.develop(scanner.without_marks())),
                "swapped": write("images_swapped", phantom.develop(other, wrong)),
            }
        report = self.folder / "reports" / f"{name}.txt"
        write_text(report, write_report(phantom, np.random.default_rng([self.seed, index, 1])))
        return Case(
            id=name,
            image=write("images", phantom.develop(scanner, shortcuts)),
            label=tuple(float(finding in phantom.lesions) for finding in CT_FINDINGS),
            patient=name,
            source=scanner.name,
            split=split,
            mask=mask,
            class_masks=masks,
            variants=variants,
            report=report,
            about=_about(phantom) | {"shortcuts": " ".join(shortcuts)},
        )

    def shortcuts(self, phantom: CTPhantom, split: str, index: int) -> list[CTFinding]:
        """Draw the findings whose object is put on the skin."""
        if self.bias is None or split == "ood":
            return []
        told = np.random.default_rng([self.seed, index, 2]).random(len(CT_FINDINGS)) < self.bias
        return [
            finding for finding, true in zip(CT_FINDINGS, told, strict=True) if true == (finding in phantom.lesions)
        ]


def _labels(path: Path, labels: Iterable[int]) -> Path:
    """Name some labels of a label map."""
    return path.with_name(f"{path.name}#{'+'.join(str(label) for label in labels)}")


def _about(phantom: CTPhantom) -> dict[str, str]:
    places = [
        f"{finding} {_SIDES[place.side]} {place.size_mm:.0f}"
        for finding, lesion in phantom.lesions.items()
        for place in lesion.places
    ]
    contrast = "yes" if phantom.blood_hu > CONTRAST_HU else "no"
    return {"age": str(phantom.age), "sex": phantom.sex, "contrast": contrast, "places": "; ".join(places)}


def write_nifti(path: Path, values: NDArray[np.int16] | NDArray[np.uint8], grid: Grid) -> None:
    """Write `(D, H, W)` values as compressed NIfTI, atomically; the same values give the same bytes."""
    import nibabel  # takes as long as NumPy

    make: Any = nibabel.Nifti1Image  # untyped
    image = make(np.ascontiguousarray(values.transpose(2, 1, 0)), grid.affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
