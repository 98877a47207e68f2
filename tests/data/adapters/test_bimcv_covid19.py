import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort
from sightline.data.adapters import BimcvCovid19
from sightline.errors import DataError, DataNotFoundError

Save = Callable[[Path, np.ndarray], Path]
DEEP = np.full((8, 8), 4000, np.uint16)
FILMS = (
    "sub-S03044/ses-E08233/mod-rx/sub-S03044_ses-E08233_run-1_bp-chest_vp-ap_cr.png",
    "sub-S03044/ses-E08234/mod-rx/sub-S03044_ses-E08234_acq-1_run-1_bp-chest_vp-pa_dx.png",
    "sub-S03044/ses-E08234/mod-rx/sub-S03044_ses-E08234_acq-1_run-2_bp-chest_vp-lateral_dx.png",
    "sub-S03045/ses-E08300/mod-rx/sub-S03045_ses-E08300_run-1_bp-chest_vp-pa_cr.png",
    "sub-S03046/ses-E08400/mod-rx/sub-S03046_ses-E08400_run-1_bp-chest_cr.png",
)
LABELS = (
    ("sub-S03044", "ses-E08233", "['COVID 19'\t'pneumonia'\t'infiltrates']"),
    ("sub-S03044", "ses-E08234", "['unchanged'\t'pleural effusion']"),
    ("sub-S03045", "ses-E08300", "['COVID 19 uncertain']"),
    ("sub-S03046", "ses-E08400", "['COVID 19', 'normal']"),
)


def header(photometric: str, **more: object) -> str:
    elements = {"00280004": {"vr": "CS", "Value": [photometric]}, "00281055": {"vr": "LO"}}
    return json.dumps(elements | {tag: {"vr": "DS", "Value": value} for tag, value in more.items()})


def write_tsv(path: Path, *rows: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)


@pytest.fixture
def download(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "covid19_posi"
    for name in FILMS:
        save(root / name, DEEP)
    (root / FILMS[0]).with_suffix(".json").write_text(
        header("MONOCHROME1", **{"00281050": [2048], "00281051": [4096, 100], "00281052": [-3], "00281053": [1]})
    )
    (root / FILMS[2]).with_suffix(".json").write_text(header("MONOCHROME2", **{"00283010": [{}]}))
    (root / FILMS[4]).with_suffix(".json").write_text("{half")
    write_tsv(
        root / "participants.tsv",
        ("participant", "modality_dicom", "body_parts", "age", "gender"),
        ("sub-S03044", "['CR', 'DX']", "[['chest']]", "[80, 81]", "M"),
        ("derivatives", "", "", "", ""),
        ("sub-S03045", "['CR']", "[['chest']]", "[17]", "F"),
    )
    rows = [(str(i), who, report, "informe", labels, "[]") for i, (who, report, labels) in enumerate(LABELS)]
    write_tsv(
        root / "derivatives/labels/labels_covid_posi.tsv",
        ("", "PatientID", "ReportID", "Report", "Labels", "Localizations"),
        *rows,
    )
    write_tsv(
        root / "derivatives/EHR/sil_reg_covid_posi.tsv",
        ("participant", "date", "test", "result"),
        ("sub-S03044", "20.03.2020", "PCR", "POSITIVO"),
        ("sub-S03044", "29.03.2020", "PCR", "NEGATIVO"),
    )
    write_tsv(
        root / "sub-S03044/sub-S03044_sessions.tsv",
        ("session_id", "study_date", "medical_evaluation"),
        ("ses-E08234", "20200330", ""),
        ("ses-E08233", "20200320", ""),
    )
    return root


def test_films_have_the_labels_of_their_report_and_what_is_known_of_the_person(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(BimcvCovid19(findings=(), views=()).read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("COVID-19",))
    assert [case.id for case in cohort.cases] == sorted(FILMS)
    first, *_, fourth, fifth = cohort.cases
    assert [case.patient for case in cohort.cases] == ["S03044"] * 3 + ["S03045", "S03046"]
    assert [case.about.get("view") for case in cohort.cases] == ["AP", "PA", "LATERAL", "PA", None]
    assert [case.about["modality"] for case in cohort.cases] == ["CR", "DX", "DX", "CR", "CR"]
    assert first.about["findings"] == "COVID 19|pneumonia|infiltrates"
    assert (first.about["age"], first.about["sex"], first.about["study"]) == ("80", "M", "E08233")
    assert (first.about["tests"], first.about["positive_tests"]) == ("2", "1")
    assert (fourth.about["age"], fourth.about["sex"]) == ("17", "F")
    assert "age" not in fifth.about
    assert "tests" not in fourth.about


def test_how_a_film_is_shown_comes_from_its_json_or_that_of_its_series(download: Path, tmp_path: Path) -> None:
    adapted = BimcvCovid19(findings=(), views=()).read(download, tmp_path / "out")
    first, second, third, fourth, fifth = (case.about for case in adapted.cohort.cases)
    assert (first["photometric"], first["header"]) == ("MONOCHROME1", "own")
    assert (first["window_center"], first["window_width"]) == ("2048", "4096")
    assert (first["rescale_slope"], first["rescale_intercept"]) == ("1", "-3")
    assert (second["photometric"], second["header"], second["voi_lut"]) == ("MONOCHROME2", "series", "yes")
    assert third["header"] == "own"
    assert "header" not in fourth
    assert "header" not in fifth
    assert adapted.census[-1].rule == "to be inverted, MONOCHROME1 (1 images)"


def test_a_label_that_is_only_like_covid_19_is_another_one(download: Path, tmp_path: Path) -> None:
    table = download / "derivatives/labels/labels_covid_posi.tsv"
    table.write_text(table.read_text().replace("['COVID 19'\t'pneumonia'", "['COVID 19 negative'\t'pneumonia'"))
    assert not BimcvCovid19().read(download, tmp_path / "out").cohort.cases
    options = BimcvCovid19(findings=("COVID 19 uncertain", "COVID 19 negative"))
    assert [case.id for case in options.read(download, tmp_path / "out").cohort.cases] == [FILMS[0], FILMS[3]]


def test_the_isnets_rules_keep_frontal_films_labelled_just_so(download: Path, tmp_path: Path) -> None:
    adapted = BimcvCovid19(with_header=True).read(download, tmp_path / "out")
    assert [case.id for case in adapted.cohort.cases] == [FILMS[0]]
    assert [(count.rule, count.images) for count in adapted.census] == [
        ("films of the folder and its lists", 5),
        ("report has COVID 19", 2),
        ("view is AP, PA", 1),
        ("has a header", 1),
        ("to be inverted, MONOCHROME1 (1 images)", 1),
    ]


def test_an_unchanged_report_may_have_the_labels_of_the_study_before(download: Path, tmp_path: Path) -> None:
    cohort = BimcvCovid19(inherit_unchanged=True).read(download, tmp_path / "out").cohort
    assert [case.id for case in cohort.cases] == [FILMS[0], FILMS[1]]
    assert cohort.cases[1].about["findings"] == "unchanged|pleural effusion|COVID 19|pneumonia|infiltrates"
    sessions = download / "sub-S03044/sub-S03044_sessions.tsv"
    sessions.write_text(sessions.read_text().replace("20200320", "20200402"))  # the other study is the first, then
    cohort = BimcvCovid19(inherit_unchanged=True).read(download, tmp_path / "out").cohort
    assert [case.id for case in cohort.cases] == [FILMS[0]]
    sessions.unlink()
    with pytest.raises(
        DataNotFoundError, match=r"inherit_unchanged needs .*_sessions.tsv in covid19_posi, found deriv"
    ):
        BimcvCovid19(inherit_unchanged=True).read(download, tmp_path / "out")


def test_wrong_views_can_be_put_right(download: Path, tmp_path: Path) -> None:
    table = tmp_path / "views.csv"
    table.write_text(f"image,view\n{Path(FILMS[4]).name},ap\n{Path(FILMS[0]).name},lateral\n")
    cohort = BimcvCovid19(corrections=table).read(download, tmp_path / "out").cohort
    assert [case.id for case in cohort.cases] == [FILMS[4]]
    with pytest.raises(DataNotFoundError, match=r"no file nowhere.csv, neither in covid19_posi nor where you are"):
        BimcvCovid19(corrections=Path("nowhere.csv")).read(download, tmp_path / "out")


def test_the_first_iteration_lies_in_folders_of_its_archives(download: Path, tmp_path: Path) -> None:
    root = tmp_path / "first"
    (root / "bimcv_covid19_posi_head_iter1").mkdir(parents=True)
    (download / "derivatives").rename(root / "bimcv_covid19_posi_head_iter1/derivatives")
    labels = root / "bimcv_covid19_posi_head_iter1/derivatives/labels"
    (labels / "labels_covid_posi.tsv").rename(labels / "labels_covid19_posi.tsv")
    ehr = labels.parent / "EHR"
    (ehr / "sil_reg_covid_posi.tsv").rename(ehr / "sil_reg_covid.tsv")
    download.rename(root / "bimcv_covid19_posi_subjects_1")
    cohort = BimcvCovid19(inherit_unchanged=True).read(root, tmp_path / "out").cohort
    assert [case.id for case in cohort.cases] == [FILMS[0], FILMS[1]]
    assert cohort.cases[0].about["tests"] == "2"


@pytest.mark.parametrize("listing", ["covid19_posi_subjects_1.tar-tvf.txt", "derivatives/partitions.tsv"])
def test_films_that_lists_name_must_be_there(download: Path, tmp_path: Path, listing: str) -> None:
    missing = FILMS[0].replace("run-1", "run-2")
    (download / listing).write_text(
        f"-rw-r--r-- 0/0 9000 2020-10-01 12:00 covid19_posi/{FILMS[0]}\nS03044\tE08233\t{missing}\n"
    )
    with pytest.raises(DataNotFoundError, match=r"1 of 2 images are not there, first sub-S03044/.*_run-2_"):
        BimcvCovid19().read(download, tmp_path / "out")
    adapted = BimcvCovid19(partial=True).read(download, tmp_path / "out")
    assert [case.id for case in adapted.cohort.cases] == [FILMS[0]]
    assert [left.id for left in adapted.left_out if left.reason == "file is there"] == [missing]


def test_a_wrong_folder_a_missing_table_and_a_renamed_column_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataNotFoundError, match=r"expected derivatives/labels/labels_covid_posi.tsv or .* found EHR/, labels/"
    ):
        BimcvCovid19().read(download / "derivatives", tmp_path / "out")
    table = download / "derivatives/labels/labels_covid_posi.tsv"
    table.write_text(table.read_text().replace("ReportID", "Report_ID"))
    with pytest.raises(DataError, match=r"no column 'ReportID'; did you mean 'Report_ID'\?"):
        BimcvCovid19().read(download, tmp_path / "out")
    table.write_text(table.read_text().replace("Report_ID", "ReportID"))
    people = download / "participants.tsv"
    people.write_text(people.read_text().replace("gender", "sex"))
    with pytest.raises(
        DataError, match=r"no column 'gender'.*; expected participant, age, gender; found participant, m"
    ):
        BimcvCovid19().read(download, tmp_path / "out")
    people.unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected participants.tsv in covid19_posi, found derivatives/, sub-S"
    ):
        BimcvCovid19().read(download, tmp_path / "out")
    table.unlink()
    with pytest.raises(DataNotFoundError, match=r"expected .*labels_covid19_posi.tsv in .*, found derivatives/, sub-S"):
        BimcvCovid19().read(download, tmp_path / "out")


def test_a_folder_without_films_is_refused(download: Path, tmp_path: Path) -> None:
    for name in FILMS:
        (download / name).unlink()
    with pytest.raises(DataNotFoundError, match=r"expected sub-S…/ses-E…/mod-rx/\*.png in covid19_posi, found deriv"):
        BimcvCovid19().read(download, tmp_path / "out")
