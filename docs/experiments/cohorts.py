"""Write the cohorts of the experiments beside images that stay where they are.

    python docs/experiments/cohorts.py --data FOLDER --out runs/cohorts

FOLDER holds `cxr_kermany_lungs` (children's chest X-rays with human lung masks), `cxr_nih_pneumonia` (adults', with
lung masks that a model drew, and boxes round the pneumonia of some) and `mixed_source.csv`.
"""

import argparse
import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sightline.data import Case, Cohort, split_by_patient, write_cohort

SEED = 0


def case(file: str, mask: str, label: int, patient: str, source: str, split: str, data: Path) -> Case:
    """One image and its lung mask."""
    return Case(
        id=f"{source}-{Path(file).stem}",
        image=data / file,
        label=label,
        patient=patient,
        source=source,
        split=split,
        mask=data / mask,
        class_masks={},
        variants={},
    )


def cohort(cases: Iterable[Case], classes: tuple[str, ...], root: Path) -> Cohort:
    """A cohort of one label an image."""
    return Cohort(root=root, task="multiclass", classes=classes, cases=tuple(cases))


def kermany(data: Path) -> Cohort:
    """Normal, bacterial and viral pneumonia; 70, 10 and 20 % of the patients."""
    folder = data / "cxr_kermany_lungs"
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = tuple(sorted({row["label"] for row in rows}))
    cases = [
        case(row["file"], row["mask"], classes.index(row["label"]), row["patient_key"], "kermany", "", folder)
        for row in rows
    ]
    return split_by_patient(
        cohort(cases, classes, folder), fractions={"train": 0.7, "val": 0.1, "test": 0.2}, seed=SEED
    )


def mixed(data: Path) -> Cohort:
    """Two hospitals in training, where class and hospital are confounded; others in the split `ood`."""
    with (data / "mixed_source.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = tuple(sorted({row["class"] for row in rows}))

    def of(role: str, split: str) -> list[Case]:
        return [
            case(row["file"], row["mask"], classes.index(row["class"]), row["patient_key"], row["source"], split, data)
            for row in rows
            if row["role"] == role
        ]

    fractions = {"train": 0.7, "val": 0.1, "test": 0.2}
    confounded = split_by_patient(cohort(of("train_biased", ""), classes, data), fractions=fractions, seed=SEED)
    return cohort([*confounded.cases, *of("ood_dev", "ood")], classes, data)


def lesions(data: Path) -> Cohort:
    """Children of Guangzhou and adults of NIH, normal or pneumonia; the split `boxes` holds the patients with a box."""
    classes = ("normal", "pneumonia")
    with (data / "mixed_source.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in ("kermany", "nih")]
    with (data / "cxr_nih_pneumonia" / "labels.csv").open(newline="") as file:
        boxed = {row["patient_key"] for row in csv.DictReader(file) if row["has_box"] == "1"}
    cases = [
        case(row["file"], row["mask"], classes.index(row["class"]), row["patient_key"], row["source"], "", data)
        for row in rows
    ]
    fractions = {"train": 0.7, "val": 0.1, "test": 0.2}
    others = [one for one in cases if one.patient not in boxed]
    found = split_by_patient(cohort(others, classes, data), fractions=fractions, seed=SEED)
    kept = [replace(one, split="boxes") for one in cases if one.patient in boxed]
    return cohort([*found.cases, *kept], classes, data)


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/cohorts"))
    options = parser.parse_args()
    for make in (kermany, mixed, lesions):
        made, name = make(options.data), make.__name__
        print(f"{write_cohort(made, options.out / name)}: {len(made.cases)} images, splits {', '.join(made.splits)}")


if __name__ == "__main__":
    main()
