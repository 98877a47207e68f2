from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data import check_cohort, read_cohort
from sightline.data.phantoms.ct import CT_FINDINGS, DELTA, ORGANS, SCANNERS, make_ct, make_ct_cohort
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
    ],
)
def test_unusable_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        make_ct_cohort(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
