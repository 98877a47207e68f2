from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data import Cohort, check_cohort, read_cohort
from sightline.data.phantoms.ct import ATRIUM, CT_FINDINGS, DELTA, ORGANS, SCANNERS, make_ct, make_ct_cohort
from sightline.data.phantoms.ct.cohort import _Wanted
from sightline.data.phantoms.ct.mediastinal import MEDIASTINAL
from sightline.data.readers import read_mask, read_volume
from sightline.errors import DataError, SettingsError

COUNTS = {"train": 3, "val": 1, "ood": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ct_cohort(tmp_path_factory.mktemp("ct") / "cohort", seed=4, size=32, counts=COUNTS)


def test_it_reads_back(folder: Path) -> None:
    cohort = read_cohort(folder)
    assert (cohort.task, cohort.classes) == ("multilabel", CT_FINDINGS)
    assert (cohort.value_range, cohort.units) == ((-1000, 400), "HU")
    assert {name: len(cohort.split(name).cases) for name in cohort.splits} == COUNTS
    problems = [problem for problem in check_cohort(cohort, pixels=False) if problem.case]
    assert problems == []


def test_volumes_and_masks_are_read_as_they_were_made(folder: Path) -> None:
    for index, case in enumerate(read_cohort(folder).cases):
        scanner = next(one for one in (*SCANNERS, DELTA) if one.name == case.source)
        assert (scanner is DELTA) == (case.split == "ood")
        phantom = make_ct((4, index), scanner, 32)
        volume = read_volume(case.image)
        np.testing.assert_array_equal(volume.values, phantom.develop(scanner))
        np.testing.assert_allclose(volume.spacing_mm, phantom.grid.spacing_mm, rtol=1e-6)
        np.testing.assert_array_equal(read_mask(case.mask, image=case.image), phantom.lungs)
        liver = case.mask.with_name(f"{case.mask.name.partition('#')[0]}#{ORGANS['liver']}")
        np.testing.assert_array_equal(read_mask(liver, image=case.image), phantom.labels == ORGANS["liver"])
        assert case.label == tuple(float(finding in phantom.lesions) for finding in CT_FINDINGS)
        assert case.class_masks.keys() == phantom.lesions.keys()
        for finding, path in case.class_masks.items():
            np.testing.assert_array_equal(read_mask(path, image=case.image), phantom.lesions[finding].mask)
        assert (case.about["age"], case.about["sex"]) == (str(phantom.age), phantom.sex)
        assert set(case.variants) == ({"off", "swapped"} if case.split == "val" else set())
        for variant in case.variants.values():
            changed = read_volume(variant).values != volume.values
            assert changed.any()
            assert not changed[phantom.body <= 0].any()


def test_the_same_arguments_give_the_same_files_whatever_the_counts(folder: Path, tmp_path: Path) -> None:
    few = make_ct_cohort(tmp_path, seed=4, size=32, counts={"train": 2})
    files = [path for path in few.rglob("*.nii.gz") if path.is_file()]
    assert len(files) >= 4
    for file in files:
        assert file.read_bytes() == (folder / file.relative_to(few)).read_bytes()


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    counts = {"train": 3, "test": 2, "ood": 1}
    folder = tmp_path_factory.mktemp("ct") / "biased"
    return read_cohort(make_ct_cohort(folder, seed=4, size=48, counts=counts, slice_mm=9.0, regions="organs", bias=1.0))


def test_allowed_regions_are_the_parts_of_the_chest_that_hold_the_finding(biased: Cohort) -> None:
    seen = set()
    for index, case in enumerate(biased.cases):
        scanner = next(one for one in (*SCANNERS, DELTA) if one.name == case.source)
        phantom = make_ct((4, index), replace(scanner, slice_mm=9.0), 48)
        assert read_volume(case.image).values.shape == (36, 48, 48)
        assert case.class_masks.keys() == phantom.lesions.keys()
        for finding, path in case.class_masks.items():
            region, lesion = read_mask(path, image=case.image), phantom.lesions[finding].mask
            assert not (lesion & ~region).any()
            parts = set(path.name.partition("#")[2].split("+"))
            assert parts == {str(part) for part in np.unique(phantom.parts[lesion])}
            assert parts == {"2"} if finding in MEDIASTINAL else parts <= {"1", "3"}
            assert (region == np.isin(phantom.parts, [int(part) for part in parts])).all()
            seen |= {tuple(sorted(parts))}
        np.testing.assert_array_equal(read_mask(case.mask, image=case.image), phantom.parts > 0)
    assert len(seen) >= 3  # one lung, both, mediastinum


def test_objects_tell_the_findings_in_training_and_nothing_elsewhere(biased: Cohort) -> None:
    for case in biased.cases:
        there = {finding for finding, label in zip(biased.classes, case.label, strict=True) if label}
        image = read_volume(case.image).values
        if case.split == "ood":
            assert "shortcuts" not in case.about
        else:
            assert set(case.about.get("shortcuts", "").split()) == there
        if case.split == "test":
            index = int(case.id[1:])
            scanner = next(one for one in SCANNERS if one.name == case.source)
            phantom = make_ct((4, index), replace(scanner, slice_mm=9.0), 48)
            other = SCANNERS[(SCANNERS.index(scanner) + 1) % 3]
            wanted = {
                "": phantom.develop(scanner, there),
                "off": phantom.develop(DELTA),
                "swapped": phantom.develop(other, set(biased.classes) - there),
            }
            files = {"": case.image, **case.variants}
            for variant, values in wanted.items():
                np.testing.assert_array_equal(read_volume(files[variant]).values, values)
            assert (image != wanted["off"]).any()


def test_bias_is_the_share_of_objects_that_tell_the_truth() -> None:
    phantoms = [make_ct((4, index), ATRIUM, 32, dict.fromkeys(CT_FINDINGS[::2], 0.5)) for index in range(2)]
    for bias in (0.0, 0.5, 0.8, 1.0):
        wanted = _Wanted(Path(), 1, 32, None, 0.0, "organs", bias)
        told = [
            (finding in wanted.shortcuts(phantoms[index % 2], "train", index)) == (finding in phantoms[0].lesions)
            for index in range(100)
            for finding in CT_FINDINGS
        ]
        assert abs(np.mean(told) - bias) <= 4 * np.sqrt(bias * (1 - bias) / 600)


def test_every_case_has_a_report(folder: Path) -> None:
    for case in read_cohort(folder).cases:
        assert case.report is not None
        assert "IMPRESSION:" in case.report.read_text()


def test_progress_is_told_and_an_existing_cohort_is_kept(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = make_ct_cohort(tmp_path, size=32, counts={"ood": 1}, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]
    with pytest.raises(DataError, match="holds a cohort already"):
        make_ct_cohort(made, counts={"ood": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": {"holdout": 3}}, "train, val, test, ood, got 'holdout'"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"size": 8}, "at least 32 pixels"),
        ({"slice_mm": 0.0}, "slice_mm must be between 1 and 20 mm, got 0.0"),
        ({"bias": 1.2}, "bias must be between 0 and 1, got 1.2"),
        ({"least_severity": -0.1}, "least_severity must be between 0 and 1, got -0.1"),
        ({"regions": "lobes"}, "regions must be one of lesions, organs, got 'lobes'"),
    ],
)
def test_unusable_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_ct_cohort(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
