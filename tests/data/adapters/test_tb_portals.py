from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.data import Cohort
from sightline.data.adapters import TbPortals
from sightline.errors import DataError, DataNotFoundError

FILMS = (
    "Condition_ID,ImagingStudy_ID,country,series_instance_content_url,cxr_outlier",
    "c1,s1,Georgia,aaaa-1/1.2/1.3/1.4.11.dcm,",
    "c1,s2,Georgia,aaaa-1/1.2/1.3/1.4.12.dcm,outlier",
    "c2,s3,Ukraine,GlobalBucket/aaaa-1/1.2/1.3/1.4.13.dcm,",
    "c3,s4,Moldova,bbbb-2/1.2/1.3/1.4.14.dcm,",
    "c3,s4,Moldova,bbbb-2/1.2/1.3/1.4.14.dcm,",
    "c4,s5,Romania,cccc-3/1.2/1.3/1.4.15.dcm,",
)
CASES = (
    "condition_id,age_of_onset,gender,diagnosis_code",
    "c1,43,Male,A15.0",
    "c2,44,Male,A15.1",
    "c3,17,Female,A15.0",
    "c4,60,Female,A16.0",
)
READERS = (
    "imagingstudy_id,sextant,overallpercentofabnormalvolume,timika_score,rater,smallcavities,mediumcavities,"
    "largecavities",
    "s1,Upper Left Sextant,30,70,r1,1,0,0",
    "s1,Lower Right Sextant,30,70,r1,0,0,0",
    "s1,Upper Left Sextant,20,20,r2,1,1,",
    "s1,None,20,20,r2,,,",
    "s1,Upper Left Sextant,25,45,r3,0,0,0",
    "s4,Middle Right Sextant,,,r1,0,0,1",
)


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "tb"
    for number, folder in ((11, "part_01/GlobalBucket/aaaa-1"), (12, "part_01/GlobalBucket/aaaa-1"), (13, "aaaa-1")):
        path = root / folder / f"1.2/1.3/1.4.{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for number, folder in ((14, "GlobalBucket/bbbb-2"), (15, "cccc-3")):
        path = root / folder / f"1.2/1.3/1.4.{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "TB_Portals_CXRs_August_2023.csv").write_text("\n".join(FILMS))
    clinical = root / "TB_Portals_Published_Clinical_Data_August_2023"
    clinical.mkdir()
    (clinical / "TB_Portals_Patient_Cases_August_2023.csv").write_text("\n".join(CASES))
    (root / "TB_Portals_CXR_Manual_Annotations_August_2023.csv").write_text("\n".join(READERS))
    return root


def test_films_are_found_wherever_the_zips_were_unpacked_and_people_by_their_folder(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(TbPortals().read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("Tuberculosis",))
    assert [case.patient for case in cohort.cases] == ["aaaa-1", "aaaa-1", "aaaa-1", "bbbb-2", "cccc-3"]
    assert all(case.image.is_file() for case in cohort.cases)
    assert cohort.cases[0].image == download / "part_01/GlobalBucket/aaaa-1/1.2/1.3/1.4.11.dcm"
    about = cohort.cases[0].about
    assert (about["age"], about["sex"], about["country"], about["study"]) == ("43", "M", "Georgia", "s1")
    assert about["diagnosis"] == "A15.0"


def test_readers_are_averaged_and_cavities_told_by_sextant(download: Path, tmp_path: Path) -> None:
    cases = TbPortals().read(download, tmp_path / "out").cohort.cases
    about = cases[0].about
    assert (about["abnormal_percent"], about["timika_score"]) == ("25", "45")
    assert (about["cavities_upper_left"], about["cavities_lower_right"]) == ("2", "0")
    assert "cavities_none" not in about
    assert cases[3].about["cavities_middle_right"] == "1"
    assert "timika_score" not in cases[3].about


def test_the_isnets_rules_and_a_list_of_what_was_left_out_by_eye(download: Path, tmp_path: Path) -> None:
    by_eye = tmp_path / "by_eye.txt"
    by_eye.write_text("1.4.13.dcm\n")
    rules = TbPortals(
        diagnoses=("A15.0", "A15.1", "A15.2"), min_age=18, without_outliers=True, exclude=by_eye, partial=True
    )
    adapted = rules.read(download, tmp_path / "out")
    assert [(count.rule, count.images, count.patients) for count in adapted.census] == [
        ("TB_Portals_CXRs_August_2023.csv", 5, 3),
        ("diagnosis is A15.0, A15.1, A15.2", 4, 2),
        ("age is at least 18", 3, 1),
        ("no outlier", 2, 1),
        ("not in by_eye.txt", 1, 1),
    ]


def test_a_number_of_the_person_in_a_table_goes_before_the_folder(download: Path, tmp_path: Path) -> None:
    table = download / "TB_Portals_CXRs_August_2023.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},Patient_ID", *(f"{line},p{line[1]}" for line in lines[1:])]))
    cases = TbPortals().read(download, tmp_path / "out").cohort.cases
    assert [case.patient for case in cases] == ["p1", "p1", "p2", "p3", "p4"]


def test_a_table_may_have_tabs_and_the_other_tables_be_missing(download: Path, tmp_path: Path) -> None:
    table = download / "TB_Portals_CXRs_August_2023.csv"
    table.write_text(table.read_text().replace(",", "\t"))
    (download / "TB_Portals_CXR_Manual_Annotations_August_2023.csv").unlink()
    next(download.glob("*/TB_Portals_Patient*")).unlink()
    cases = TbPortals().read(download, tmp_path / "out").cohort.cases
    assert cases[0].about == {"study": "s1", "country": "Georgia"}
    with pytest.raises(DataNotFoundError, match=r"expected TB_Portals_Patient_Cases\*.csv"):
        TbPortals(min_age=18).read(download, tmp_path / "out")


def test_a_wrong_folder_two_releases_and_a_renamed_column_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected TB_Portals_CXRs\*.csv in part_01, found GlobalBucket/"):
        TbPortals().read(download / "part_01", tmp_path / "out")
    table = download / "TB_Portals_CXRs_August_2023.csv"
    text = table.read_text()
    table.write_text(text.replace("ImagingStudy_ID", "study"))
    with pytest.raises(
        DataError, match=r"no column 'imagingstudy_id'.*expected condition_id, .*; found condition_id, study, country"
    ):
        TbPortals().read(download, tmp_path / "out")
    (download / "TB_Portals_CXRs_March_2025.csv").write_text(text)
    with pytest.raises(DataError, match=r"several releases, TB_Portals_CXRs_August_2023.csv, TB_Portals_CXRs_March"):
        TbPortals().read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("TB_Portals_CXRs", name) for name in ("Condition_ID", "ImagingStudy_ID", "series_instance_content_url")),
        *(("*/TB_Portals_Patient_Cases", name) for name in CASES[0].split(",")),
        *(("TB_Portals_CXR_Manual_Annotations", name) for name in READERS[0].split(",")),
    ],
)
def test_columns_in_any_case_are_taken_and_a_renamed_one_is_named(
    download: Path, tmp_path: Path, table: str, column: str
) -> None:
    before = TbPortals().read(download, tmp_path / "out").cohort.cases
    file = next(download.glob(f"{table}_August_2023.csv"))
    text = file.read_text()
    file.write_text(text.replace(column, column.swapcase(), 1))
    assert TbPortals().read(download, tmp_path / "out").cohort.cases == before
    file.write_text(text.replace(column, "other", 1))
    with pytest.raises(
        DataError, match=rf"no column '{column.lower()}'.*; expected .*{column.lower()}.*; found .*other"
    ):
        TbPortals().read(download, tmp_path / "out")


def test_each_of_the_isnets_diagnoses_stays_and_no_other(download: Path, tmp_path: Path) -> None:
    table = next(download.glob("*/TB_Portals_Patient*"))
    table.write_text(table.read_text().replace("17,Female,A15.0", "17,Female,A15.2"))
    option = TbPortals(diagnoses=("A15.0", "A15.1", "A15.2"))
    found = [case.about["diagnosis"] for case in option.read(download, tmp_path / "out").cohort.cases]
    assert found == ["A15.0", "A15.0", "A15.1", "A15.2"]


def test_without_the_table_of_films_what_was_found_is_told(download: Path, tmp_path: Path) -> None:
    (download / "TB_Portals_CXRs_August_2023.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected TB_Portals_CXRs\*.csv in tb, found GlobalBucket/, TB_Portals_"
    ):
        TbPortals().read(download, tmp_path / "out")


def test_a_half_unpacked_archive_is_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "cccc-3/1.2/1.3/1.4.15.dcm").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 5 images are not there, first cccc-3/1.2/1.3/1.4.15.dcm"):
        TbPortals().read(download, tmp_path / "out")
    assert len(TbPortals(partial=True).read(download, tmp_path / "out").cohort.cases) == 4
