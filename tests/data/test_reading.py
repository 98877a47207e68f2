from pathlib import Path

import pytest

from sightline.data.reading import read_cohort
from sightline.data.table import write_cohort
from sightline.errors import DataError, DataNotFoundError


def test_a_table_goes_before_the_folders_around_it(folder: Path) -> None:
    cohort = read_cohort(folder)
    write_cohort(cohort, folder)
    (folder / "well" / "0.png").rename(folder / "ill" / "9.png")
    assert len(read_cohort(folder).cases) == len(read_cohort(folder / "cohort.csv").cases) == 6
    assert read_cohort(folder).cases == cohort.cases


def test_a_missing_folder_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"no cohort at .*nowhere: no such file or folder"):
        read_cohort(tmp_path / "nowhere")


def test_another_file_is_no_cohort(folder: Path) -> None:
    with pytest.raises(DataError, match=r"neither a folder nor a .csv"):
        read_cohort(folder / "ill" / "0.png")
