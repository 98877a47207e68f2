"""A tiny cohort with all that a recipe may ask for: masks, gaze, several hospitals, images without their marks."""

from dataclasses import replace
from pathlib import Path

import pytest

from sightline.data import Case, Cohort, read_cohort, write_cohort
from sightline.data.phantoms.ct import make_ct_cohort
from sightline.data.phantoms.radiographs.cohort import make_findings_cohort

COUNTS = {"train": 10, "val": 4, "test": 4}


def by_number(case: Case) -> Case:
    """The same film, whose class is how many findings there are: none, one, or more."""
    assert isinstance(case.label, tuple)
    return replace(case, label=min(int(sum(case.label)), 2), class_masks={})


@pytest.fixture(scope="session")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen phantoms of 64 pixels with several labels an image, and a mask of each finding."""
    return make_findings_cohort(tmp_path_factory.mktemp("findings") / "cohort", size=64, counts=COUNTS)


@pytest.fixture(scope="session")
def classes(findings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one label an image and one mask, that of the lungs."""
    films = read_cohort(findings)
    folder = tmp_path_factory.mktemp("classes")
    cases = tuple(map(by_number, films.cases))
    write_cohort(Cohort(folder, "multiclass", ("none", "one", "several"), cases, films.value_range), folder)
    return folder


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen phantom CTs of 48 pixels and 27 slices, with the organs that each finding may be looked for in."""
    folder = tmp_path_factory.mktemp("volumes") / "cohort"
    return make_ct_cohort(folder, size=48, slice_mm=12, regions="organs", bias=1.0, counts=COUNTS)
