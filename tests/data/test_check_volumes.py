from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Case, Cohort, check_cohort

SCAN = np.zeros((3, 4, 4), np.float32)
LUNG = np.ones((3, 4, 4), np.uint8)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    np.save(tmp_path / "scan.npy", SCAN)
    np.save(tmp_path / "off.npy", SCAN)
    np.save(tmp_path / "lung.npy", LUNG)
    files = {"class_masks": {"nodule": tmp_path / "lung.npy"}, "variants": {"off": tmp_path / "off.npy"}}
    case = Case("a", tmp_path / "scan.npy", (1.0,), "a", split="train", **files)  # type: ignore[arg-type]
    return Cohort(tmp_path, "multilabel", ("nodule",), (case,))


def problems(cohort: Cohort) -> list[str]:
    return [problem.what for problem in check_cohort(cohort, pixels=True)]


def test_volumes_that_fit_have_no_problem(cohort: Cohort) -> None:
    assert problems(cohort) == []


def test_an_empty_mask_is_a_problem(cohort: Cohort) -> None:
    np.save(cohort.root / "lung.npy", 0 * LUNG)
    assert problems(cohort) == ["lung.npy: empty mask; name no mask if the region is unknown"]


@pytest.mark.parametrize("name", ["lung.npy", "off.npy"])
def test_what_has_another_size_is_a_problem(cohort: Cohort, name: str) -> None:
    np.save(cohort.root / name, np.ones((3, 4, 5), np.uint8))
    assert problems(cohort) == [f"{name}: not of the size of scan.npy"]


def test_what_cannot_be_read_is_a_problem(cohort: Cohort) -> None:
    np.save(cohort.root / "scan.npy", np.full_like(SCAN, np.nan))
    assert problems(cohort) == ["scan.npy: 48 of 48 values are NaN or infinite"]
    (cohort.root / "scan.npy").write_bytes(b"no array")
    assert len(problems(cohort)) == 1
    lost = replace(cohort.cases[0], image=cohort.root / "lost.npy")
    assert problems(replace(cohort, cases=(lost,)))[0] == "lost.npy: no such file"
