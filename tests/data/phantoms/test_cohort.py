import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sightline.data.cohort import Case
from sightline.data.phantoms.cohort import HOSPITALS, make_phantom_cohort
from sightline.data.phantoms.findings import FINDINGS
from sightline.data.phantoms.render import render_phantom
from sightline.data.reading import read_cohort
from sightline.errors import DataError, SettingsError

COUNTS = {"train": 6, "val": 3, "test": 5, "ood": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phantom_cohort(tmp_path_factory.mktemp("phantoms") / "cohort", seed=4, size=48, counts=COUNTS)


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cohort.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_cohort_reads_back(folder: Path) -> None:
    cohort = read_cohort(folder)
    assert cohort.classes == FINDINGS
    assert cohort.task == "multiclass"
    assert {name: len(cohort.split(name).cases) for name in cohort.splits} == COUNTS
    assert len({case.patient for case in cohort.cases}) == sum(COUNTS.values())
    for case in cohort.cases:
        assert isinstance(case, Case)
        assert set(case.variants) == ({"off", "swapped"} if case.split in ("val", "test") else set())
        assert all(path.is_file() for path in (case.image, case.mask, *case.variants.values()))


def test_classes_have_equal_shares_of_each_split(rows: list[dict[str, str]]) -> None:
    for split, amount in COUNTS.items():
        shares = [sum(row["split"] == split and row["label"] == label for row in rows) for label in FINDINGS]
        assert max(shares) - min(shares) <= 1
        assert sum(shares) == amount


def test_hospital_gives_the_class_away_except_out_of_distribution(rows: list[dict[str, str]]) -> None:
    for row in rows:
        own = HOSPITALS[FINDINGS.index(row["label"])].name
        assert row["source"] == ("farfield" if row["split"] == "ood" else own)


def test_without_bias_any_hospital_takes_any_patient(folder: Path, tmp_path: Path) -> None:
    counts = {"test": 90}
    make_phantom_cohort(tmp_path, seed=4, size=32, counts=counts, bias=0.0)
    with (tmp_path / "cohort.csv").open(newline="") as file:
        met = {(row["label"], row["source"]) for row in csv.DictReader(file)}
    assert len(met) == len(FINDINGS) * len(HOSPITALS)
    make_phantom_cohort(tmp_path / "half", seed=4, size=32, counts=counts, bias=0.5)
    with (tmp_path / "half" / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    own = sum(row["source"] == HOSPITALS[FINDINGS.index(row["label"])].name for row in rows)
    assert 0.5 < own / len(rows) < 0.85  # a half, and a third of the rest
    assert pixels(tmp_path / rows[0]["mask"]).tolist() == pixels(tmp_path / "half" / rows[0]["mask"]).tolist()
    with pytest.raises(SettingsError, match="bias must be between 0 and 1, got 2"):
        make_phantom_cohort(tmp_path / "no", size=32, counts=counts, bias=2)
    assert not (tmp_path / "no").exists()


def test_masks_are_black_and_white_and_lesions_lie_in_lungs(folder: Path, rows: list[dict[str, str]]) -> None:
    for row in rows:
        lungs = pixels(folder / row["mask"])
        assert set(np.unique(lungs)) == {0, 255}
        assert bool(row["lesion"]) == (row["label"] != "normal")
        if row["lesion"]:
            lesion = pixels(folder / row["lesion"])
            assert set(np.unique(lesion)) == {0, 255}
            assert not ((lesion > 0) & (lungs == 0)).any()


def test_variants_are_the_same_patient_with_other_marks(folder: Path, rows: list[dict[str, str]]) -> None:
    for index, row in enumerate(rows):
        if not row["image:off"]:
            continue
        label = FINDINGS.index(row["label"])
        wrong = HOSPITALS[(label + 1) % len(HOSPITALS)]
        for column, hospital in (("image:off", HOSPITALS[label].without_marks()), ("image:swapped", wrong)):
            expected = render_phantom((4, index), row["label"], hospital, 48)
            np.testing.assert_array_equal(pixels(folder / row[column]), expected.image)
            changed = expected.image != pixels(folder / row["image"])
            assert changed.any()
            assert not (changed & expected.lungs).any()


def test_same_arguments_give_same_files(folder: Path, tmp_path: Path) -> None:
    again = make_phantom_cohort(tmp_path, seed=4, size=48, counts=COUNTS)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for file in files:
        assert (folder / file).read_bytes() == (again / file).read_bytes()


def test_progress_is_told_after_each_patient(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_phantom_cohort(tmp_path, size=32, counts={"train": 3}, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_existing_cohort_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(DataError, match="holds a cohort already"):
        make_phantom_cohort(folder, counts=COUNTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": {"holdout": 3}}, "train, val, test, ood, got 'holdout'"),
        ({"counts": {"train": -1}}, "0 or more"),
        ({"counts": {"train": 0}}, "not all 0"),
        ({"counts": {}}, "not all 0"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"size": 8}, "at least 32 pixels"),
    ],
)
def test_unusable_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_phantom_cohort(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
