"""A multilabel cohort of phantom radiographs with masks of each finding, simulated gaze and reports.

`train`, `val` and `test` take patients of three hospitals in turn, `ood` of a fourth. Hospitals differ in who comes and
with what, in their marks and, for the fourth, in how films look: so marks and view tell something of the findings, as
they do in life, and nothing for certain. `val` and `test` hold every film twice more: `image:off` without marks,
`image:swapped` with another hospital's.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from sightline.data.cohort import Case, Cohort
from sightline.data.phantoms.anatomy import Bools
from sightline.data.phantoms.cohort import COUNTS, HOSPITALS, write_png
from sightline.data.phantoms.dealing import make_cases
from sightline.data.phantoms.hospitals import FARFIELD, Hospital
from sightline.data.phantoms.radiographs.canvas import FINDINGS
from sightline.data.phantoms.radiographs.gaze import MISS_RATE, simulate_gaze
from sightline.data.phantoms.radiographs.radiograph import Radiograph, make_radiograph
from sightline.data.phantoms.radiographs.report import write_report
from sightline.data.phantoms.requests import check_request
from sightline.data.table import write_cohort
from sightline.runs import write_text


def make_findings_cohort(
    folder: Path,
    *,
    seed: int = 0,
    size: int = 256,
    counts: Mapping[str, int] = COUNTS,
    miss_rate: float = MISS_RATE,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a multilabel cohort of radiographs.

    Writes 8-bit grey PNGs, the lung masks (column `mask`) and those of the findings that are there (`mask:<finding>`;
    for cardiomegaly the heart, whether enlarged or not), the simulated gaze (`gaze/<id>.csv`), reports
    (`reports/<id>.txt`), `cohort.yaml` and, last of all, `cohort.csv`. It has, besides, the columns `age`, `sex`,
    `view`, and `missed`: the findings that the simulated reader did not see. The same arguments give the same files.

    Args:
        folder: where to, made if need be.
        seed: of the whole cohort; patient i depends on `(seed, i)` alone.
        size: pixels along each side.
        counts: patients of each split, of `train`, `val`, `test` and `ood`.
        miss_rate: chance that the simulated reader does not see a finding.
        progress: called with the number of patients done and their total after each.

    Returns:
        `folder`.

    Raises:
        SettingsError: a split is unknown, a count or the seed negative, no patient asked for, or the size too small.
        DataError: the folder holds a cohort already.
    """
    folder = Path(folder)
    check_request(folder, counts, seed)

    def write(split: str, hospital: Hospital, index: int) -> Case:
        return _write_case(folder, split, hospital, (seed, index), size, miss_rate)

    cases = make_cases(counts, HOSPITALS, FARFIELD, write, progress)
    write_cohort(Cohort(folder, "multilabel", FINDINGS, cases, (0.0, 255.0)), folder)
    return folder


def _write_case(
    folder: Path, split: str, hospital: Hospital, seed: tuple[int, int], size: int, miss_rate: float
) -> Case:
    """Render one patient, write the files and return the row of the table."""
    radiograph = make_radiograph(seed, hospital, size)
    reading, writing = (np.random.default_rng([*seed, stream]) for stream in (1, 2))
    gaze = simulate_gaze(radiograph, reading, miss_rate=miss_rate)
    name = f"p{seed[1]:05d}"
    image, mask = folder / "images" / f"{name}.png", folder / "masks" / f"{name}.png"
    regions: dict[str, Bools] = {finding: lesion.mask for finding, lesion in radiograph.lesions.items()}
    regions["cardiomegaly"] = radiograph.heart
    class_masks = {finding: folder / "masks" / finding / f"{name}.png" for finding in regions}
    write_png(image, radiograph.develop(hospital))
    write_png(mask, 255 * radiograph.lungs.astype(np.uint8))
    for finding, region in regions.items():
        write_png(class_masks[finding], 255 * region.astype(np.uint8))
    track, report = folder / "gaze" / f"{name}.csv", folder / "reports" / f"{name}.txt"
    write_text(track, gaze.table())
    write_text(report, write_report(radiograph, writing))
    patient = radiograph.patient
    return Case(
        id=name,
        image=image,
        label=tuple(float(finding in radiograph.lesions) for finding in FINDINGS),
        patient=name,
        source=hospital.name,
        split=split,
        mask=mask,
        class_masks=class_masks,
        variants=_write_variants(folder, name, radiograph, hospital) if split in ("val", "test") else {},
        gaze=track,
        report=report,
        about={"age": str(patient.age), "sex": patient.sex, "view": patient.view, "missed": " ".join(gaze.missed)},
    )


def _write_variants(folder: Path, name: str, radiograph: Radiograph, hospital: Hospital) -> dict[str, Path]:
    other = HOSPITALS[(HOSPITALS.index(hospital) + 1) % len(HOSPITALS)]
    variants = {}
    for variant, where in (("off", hospital.without_marks()), ("swapped", other)):
        variants[variant] = folder / f"images_{variant}" / f"{name}.png"
        write_png(variants[variant], radiograph.develop(where))
    return variants
