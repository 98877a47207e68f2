"""A cohort of phantoms in which the hospital's marks give the class away, with clean and misleading twins to test by.

In `train`, `val` and `test` each class comes from a hospital of its own, so the marks on the film predict the class
without fail. `val` and `test` hold every patient twice more: `image:off` without marks, `image:swapped` with the next
class's. `ood` holds patients of all classes from one further hospital that leaves no marks and exposes otherwise. With
`bias` below 1 patients go to other hospitals too, at 0 to any of the three whatever their class.
"""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from sightline.data.phantoms.findings import FINDINGS
from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, NORTHGATE, RIVERSIDE, Hospital
from sightline.data.phantoms.render import expose
from sightline.data.phantoms.requests import check_request, check_share
from sightline.runs import atomic_path, write_text

COUNTS: Mapping[str, int] = {"train": 600, "val": 150, "test": 240, "ood": 240}
HOSPITALS: tuple[Hospital, ...] = (RIVERSIDE, HILLCREST, NORTHGATE)  # of the class of the same index
_COLUMNS = ("id", "image", "mask", "lesion", "label", "patient", "source", "split", "image:off", "image:swapped")


def make_phantom_cohort(
    folder: Path,
    *,
    seed: int = 0,
    size: int = 96,
    counts: Mapping[str, int] = COUNTS,
    bias: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a cohort of phantoms with a planted shortcut.

    Writes 8-bit grey PNGs, lung masks and lesion masks (0 or 255; none for normal films), `cohort.yaml` and, last of
    all, `cohort.csv` with the columns of a cohort and `lesion`. The same arguments give the same files.

    Args:
        folder: where to, made if need be.
        seed: of the whole cohort; patient i depends on `(seed, i)` alone.
        size: pixels along each side.
        counts: patients of each split, of `train`, `val`, `test` and `ood`; the classes take equal shares.
        bias: share of patients of `train`, `val` and `test` who go to the hospital of their class, in [0, 1]; each of
            the others goes to one of the three, drawn at random. The patients themselves stay the same.
        progress: called with the number of patients done and their total after each.

    Returns:
        `folder`.

    Raises:
        SettingsError: a split is unknown, a count or the seed negative, no patient asked for, the size too small, or
            `bias` outside [0, 1].
        DataError: the folder holds a cohort already.
    """
    folder = Path(folder)
    check_request(folder, counts, seed)
    check_share(bias, "bias")
    rows: list[dict[str, str]] = []
    total = sum(counts.values())
    for number, split in enumerate(COUNTS):
        amount = counts.get(split, 0)
        labels = np.random.default_rng([seed, number]).permutation(np.arange(amount) % len(FINDINGS))
        for label in labels:
            hospital = FARFIELD if split == "ood" else _hospital(int(label), bias, (seed, len(rows)))
            rows.append(_write_patient(folder, split, int(label), hospital, seed=seed, index=len(rows), size=size))
            if progress is not None:
                progress(len(rows), total)
    head = {"task": "multiclass", "classes": list(FINDINGS), "value_range": [0, 255]}
    write_text(folder / "cohort.yaml", yaml.safe_dump(head, sort_keys=False))
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "cohort.csv", table.getvalue())
    return folder


def _hospital(label: int, bias: float, key: tuple[int, int]) -> Hospital:
    """The hospital that a patient of a class goes to."""
    rng = np.random.default_rng([*key, 3])
    return HOSPITALS[label if rng.random() < bias else int(rng.integers(len(HOSPITALS)))]


def _write_patient(
    folder: Path, split: str, label: int, hospital: Hospital, *, seed: int, index: int, size: int
) -> dict[str, str]:
    """Render one patient, write the files and return the row of the table."""
    exposure = expose((seed, index), FINDINGS[label], hospital.film, size)
    phantom = exposure.develop(hospital)
    files = {"image": phantom.image, "mask": 255 * phantom.lungs.astype(np.uint8)}
    if phantom.lesion.any():
        files["lesion"] = 255 * phantom.lesion.astype(np.uint8)
    if split in ("val", "test"):
        files["image:off"] = exposure.develop(hospital.without_marks()).image
        files["image:swapped"] = exposure.develop(HOSPITALS[(label + 1) % len(HOSPITALS)]).image
    name = f"p{index:05d}"
    row = {"id": name, "patient": name, "label": FINDINGS[label], "source": hospital.name, "split": split}
    for column, pixels in files.items():
        row[column] = f"{_FOLDERS[column]}/{name}.png"
        write_png(folder / row[column], pixels)
    return row


_FOLDERS = {
    "image": "images",
    "mask": "masks",
    "lesion": "lesions",
    "image:off": "images_off",
    "image:swapped": "images_swapped",
}


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write grey pixels atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
