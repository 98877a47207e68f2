from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.data import Cohort
from sightline.data.adapters import Brixia
from sightline.errors import DataError, DataNotFoundError

HEADER = (
    "Filename;StudyDate;Modality;StudyId;BrixiaScore;BrixiaScoreGlobal;ConsensusTestset;Subject;Sex;"
    "AgeAtStudyDateFiveYear;Manufacturer;PhotometricInterpretation"
)
ROWS = (
    "11.dcm;20200310;CR;901;123210;9;1;5;M;12;CARESTREAM;MONOCHROME1",
    "12.dcm;20200312;DX;902;123;6;0;5;M;12;SIEMENS;MONOCHROME2",
    "13.dcm;20200401;CR;903;0;0;0;6;F;3;CARESTREAM;MONOCHROME2",
)
CONSENSUS = (
    "filename,MeanA,MeanB,MeanC,MeanD,MeanE,MeanF,S-Global,ModeA,ModeB,ModeC,ModeD,ModeE,ModeF,J-Global",
    "11.dcm,1.2,2,2.8,2,1,0.2,9.2,1,2,3,2,1,0,9",
)


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "brixia"
    (root / "dicom_clean").mkdir(parents=True)
    for line in ROWS:
        (root / "dicom_clean" / line.split(";")[0]).touch()
    (root / "metadata_global_v2.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    (root / "metadata_consensus_v1.csv").write_text("\n".join(CONSENSUS) + "\n")
    return root


def test_scores_are_told_by_zone_with_the_zeros_that_a_number_loses(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(Brixia().read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("COVID-19",))
    assert [case.patient for case in cohort.cases] == ["5", "5", "6"]
    first, second, third = cohort.cases
    assert first.image == download / "dicom_clean/11.dcm"
    zones = [f"brixia_{side}_{height}" for side in ("right", "left") for height in ("upper", "middle", "lower")]
    assert [first.about[zone] for zone in zones] == list("123210")
    assert [second.about[zone] for zone in zones] == list("000123")
    assert [third.about[zone] for zone in zones] == list("000000")
    assert [case.about["brixia_score"] for case in cohort.cases] == ["9", "6", "0"]


def test_ages_are_groups_of_five_years(download: Path, tmp_path: Path) -> None:
    first, _, third = Brixia().read(download, tmp_path / "out").cohort.cases
    assert (first.about["age"], first.about["age_group"]) == ("62", "60-64")
    assert (third.about["age"], third.about["age_group"]) == ("17", "15-19")
    assert [case.id for case in Brixia(min_age=18).read(download, tmp_path / "out").cohort.cases] == [
        "11.dcm",
        "12.dcm",
    ]


def test_what_else_is_known_is_kept(download: Path, tmp_path: Path) -> None:
    first, second, _ = Brixia().read(download, tmp_path / "out").cohort.cases
    assert first.about["photometric"] == "MONOCHROME1"
    assert (first.about["study"], first.about["sex"], first.about["modality"]) == ("901", "M", "CR")
    assert (first.about["consensus_set"], second.about["consensus_set"]) == ("yes", "no")
    assert (first.about["consensus_mean_score"], first.about["consensus_score"]) == ("9.2", "9")
    assert (first.about["consensus_mean_right_upper"], first.about["consensus_left_lower"]) == ("1.2", "0")
    assert "consensus_score" not in second.about


def test_the_isnets_rule_leaves_out_films_without_signs(download: Path, tmp_path: Path) -> None:
    adapted = Brixia(min_score=1).read(download, tmp_path / "out")
    assert [(count.rule, count.images, count.patients) for count in adapted.census] == [
        ("metadata_global_v2.csv", 3, 2),
        ("score is at least 1", 2, 1),
    ]
    assert len(Brixia(min_score=6).read(download, tmp_path / "out").cohort.cases) == 2  # of 9, 6 and 0


def test_the_consensus_table_may_be_missing_and_the_first_version_has_fewer_columns(
    download: Path, tmp_path: Path
) -> None:
    (download / "metadata_consensus_v1.csv").unlink()
    table = download / "metadata_global_v2.csv"
    lines = [";".join(line.split(";")[:-2]) for line in table.read_text().splitlines()]
    table.rename(download / "metadata_global_v1.csv").write_text("\n".join(lines))
    cohort = Brixia().read(download.parent, tmp_path / "out").cohort
    assert len(cohort.cases) == 3
    assert "photometric" not in cohort.cases[0].about


def test_names_of_films_may_lack_their_suffix_and_the_consensus_have_semicolons(download: Path, tmp_path: Path) -> None:
    for name in ("metadata_global_v2.csv", "metadata_consensus_v1.csv"):
        table = download / name
        table.write_text(table.read_text().replace(".dcm", "").replace(",", ";"))
    first, *_ = Brixia().read(download, tmp_path / "out").cohort.cases
    assert first.image == download / "dicom_clean/11.dcm"
    assert first.about["consensus_score"] == "9"


@pytest.mark.parametrize(
    "column", ["Filename", "StudyId", "BrixiaScore", "ConsensusTestset", "Subject", "Sex", "Modality"]
)
def test_a_renamed_column_is_named_with_what_is_there(download: Path, tmp_path: Path, column: str) -> None:
    table = download / "metadata_global_v2.csv"
    table.write_text(table.read_text().replace(f"{column};", "Other;"))
    with pytest.raises(DataError, match=rf"no column '{column}'.*; expected Filename, .*; found .*Other"):
        Brixia().read(download, tmp_path / "out")


def test_the_consensus_of_five_readers_has_means_and_modes_of_each_zone(download: Path, tmp_path: Path) -> None:
    about = Brixia().read(download, tmp_path / "out").cohort.cases[0].about
    zones = [f"{side}_{height}" for side in ("right", "left") for height in ("upper", "middle", "lower")]
    assert [about[f"consensus_mean_{zone}"] for zone in zones] == ["1.2", "2", "2.8", "2", "1", "0.2"]
    assert [about[f"consensus_{zone}"] for zone in zones] == list("123210")
    table = download / "metadata_consensus_v1.csv"
    table.write_text(table.read_text().replace("S-Global", "Global"))
    with pytest.raises(DataError, match=r"consensus_v1.csv has no column 'S-Global'.*; expected filename, .*; found "):
        Brixia().read(download, tmp_path / "out")


def test_scores_that_do_not_add_up_are_counted(download: Path, tmp_path: Path) -> None:
    table = download / "metadata_global_v2.csv"
    table.write_text(table.read_text().replace("123210;9", "123210;10"))
    census = Brixia().read(download, tmp_path / "out").census
    assert census[1].rule == "zones do not add up to the global score (1 images)"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("123210", "123240", "BrixiaScore must be six digits from 0 to 3, got '123240'"),
        ("123210", "1232100", "got '1232100'"),
        ("123210;9", "123210;19", "BrixiaScoreGlobal must be from 0 to 18, got 19"),
        ("BrixiaScoreGlobal", "GlobalScore", "no column 'BrixiaScoreGlobal'"),
    ],
)
def test_a_score_of_another_kind_or_a_renamed_column_is_refused(
    download: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    table = download / "metadata_global_v2.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=words):
        Brixia().read(download, tmp_path / "out")


def test_a_wrong_folder_and_a_half_unpacked_archive_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected metadata_global_v2.csv or .* found 11.dcm, 12.dcm, 13.dcm"):
        Brixia().read(download / "dicom_clean", tmp_path / "out")
    table = (download / "metadata_global_v2.csv").rename(tmp_path / "elsewhere.csv")
    with pytest.raises(
        DataNotFoundError, match=r"expected metadata_global_v2.csv or .* found dicom_clean/, metadata_c"
    ):
        Brixia().read(download, tmp_path / "out")
    table.rename(download / "metadata_global_v2.csv")
    (download / "dicom_clean/12.dcm").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 3 images are not there, first dicom_clean/12.dcm"):
        Brixia().read(download, tmp_path / "out")
    assert len(Brixia(partial=True).read(download, tmp_path / "out").cohort.cases) == 2
