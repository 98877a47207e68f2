from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data import check_cohort, read_cohort
from sightline.data.gaze_files import read_gaze
from sightline.data.phantoms.cohort import HOSPITALS
from sightline.data.phantoms.hospitals import FARFIELD
from sightline.data.phantoms.radiographs import FINDINGS, make_findings_cohort, make_radiograph
from sightline.data.readers import read_mask, read_pixels
from sightline.errors import DataError, SettingsError

COUNTS = {"train": 24, "val": 3, "test": 4, "ood": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_findings_cohort(tmp_path_factory.mktemp("findings") / "cohort", seed=4, size=48, counts=COUNTS)


def test_it_reads_back_and_nothing_is_wrong(folder: Path) -> None:
    cohort = read_cohort(folder)
    assert (cohort.task, cohort.classes, cohort.value_range) == ("multilabel", FINDINGS, (0, 255))
    assert {name: len(cohort.split(name).cases) for name in cohort.splits} == COUNTS
    assert len({case.patient for case in cohort.cases}) == sum(COUNTS.values())
    assert check_cohort(cohort, pixels=True) == []


def test_each_case_is_the_film_its_seed_gives(folder: Path) -> None:
    for index, case in enumerate(read_cohort(folder).cases):
        hospital = next(one for one in (*HOSPITALS, FARFIELD) if one.name == case.source)
        assert (hospital is FARFIELD) == (case.split == "ood")
        film = make_radiograph((4, index), hospital, 48)
        assert case.label == tuple(float(finding in film.lesions) for finding in FINDINGS)
        np.testing.assert_array_equal(read_pixels(case.image), film.develop(hospital))
        np.testing.assert_array_equal(read_mask(case.mask) > 0, film.lungs)
        regions = {finding: lesion.mask for finding, lesion in film.lesions.items()} | {"cardiomegaly": film.heart}
        assert case.class_masks.keys() == regions.keys()
        for finding, region in regions.items():
            np.testing.assert_array_equal(read_mask(case.class_masks[finding]) > 0, region)
        assert case.about["view"] == film.patient.view
        assert (case.about["age"], case.about["sex"]) == (str(film.patient.age), film.patient.sex)


def test_variants_differ_outside_the_lungs_only(folder: Path) -> None:
    for case in read_cohort(folder).cases:
        assert set(case.variants) == ({"off", "swapped"} if case.split in ("val", "test") else set())
        for file in case.variants.values():
            changed = read_pixels(file) != read_pixels(case.image)
            assert changed.any()
            assert not (changed & (read_mask(case.mask) > 0)).any()


def test_gaze_and_reports_are_there(folder: Path) -> None:
    cohort = read_cohort(folder)
    for case in cohort.cases:
        assert case.gaze is not None
        assert case.report is not None
        assert len(read_gaze(case.gaze, (48, 48))) > 10
        assert "IMPRESSION" in case.report.read_text(encoding="utf-8")
        ill = {finding for finding, value in zip(FINDINGS, case.label, strict=True) if value}
        assert set(case.about.get("missed", "").split()) <= ill


def test_hospitals_differ_in_who_comes(folder: Path) -> None:
    by_source: dict[str, list[str]] = {}
    for case in read_cohort(folder).cases:
        by_source.setdefault(case.source, []).append(case.about["view"])
    assert set(by_source["northgate"]) == {"AP"}
    assert by_source["riverside"].count("PA") > 0.6 * len(by_source["riverside"])


def test_a_patient_does_not_depend_on_the_counts(folder: Path, tmp_path: Path) -> None:
    few = make_findings_cohort(tmp_path, seed=4, size=48, counts={"train": 2})
    for file in (path for path in few.rglob("*") if path.is_file() and path.parent != few):
        assert file.read_bytes() == (folder / file.relative_to(few)).read_bytes()


def test_progress_is_told_after_each_patient(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_findings_cohort(tmp_path, size=32, counts={"val": 2}, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_existing_cohort_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(DataError, match="holds a cohort already"):
        make_findings_cohort(folder, counts=COUNTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": {"holdout": 3}}, "train, val, test, ood, got 'holdout'"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"size": 8}, "at least 32 pixels"),
    ],
)
def test_unusable_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_findings_cohort(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
