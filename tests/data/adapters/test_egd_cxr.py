import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters.egd_cxr import EgdCxr
from sightline.data.gaze_files import read_gaze
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.gaze.scanpath import Fixations, Samples

DIAGNOSES = [name for n in range(1, 10) for name in (f"dx{n}", f"dx{n}_icd")]
FINDINGS = (
    *("consolidation", "enlarged_cardiac_silhouette", "linear__patchy_atelectasis", "lobar__segmental_collapse"),
    "not_otherwise_specified_opacity___pleural__parenchymal_opacity__",
    *("pleural_effusion_or_thickening", "pulmonary_edema__hazy_opacity", "normal_anatomically"),
    *("elevated_hemidiaphragm", "hyperaeration", "vascular_redistribution"),
)
CHEXPERT = [
    f"{name}__chx"
    for name in (
        *("atelectasis", "cardiomegaly", "consolidation", "edema", "enlarged_cardiomediastinum", "fracture"),
        *("lung_lesion", "lung_opacity", "no_finding", "pleural_effusion", "pleural_other", "pneumonia"),
        *("pneumothorax", "support_devices"),
    )
]
SHEET = (
    *("dicom_id", "path", "study_id", "patient_id", "stay_id", "gender", "anchor_age"),
    *("image_top_pad", "image_bottom_pad", "image_left_pad", "image_right_pad", *DIAGNOSES, "normal_reports"),
    *("Normal", "CHF", "pneumonia", *FINDINGS, *CHEXPERT, "cxr_exam_indication"),
)
GAZE = (
    *("SESSION_ID", "MEDIA_ID", "DICOM_ID", "CNT", "Time (in secs)", "TIMETICK(f=10000000)", "FPOGX", "FPOGY", "FPOGS"),
    *("FPOGD", "FPOGID", "FPOGV", "BPOGX", "BPOGY", "BPOGV", "LPCX", "LPCY", "LPD", "LPS", "LPV", "RPCX", "RPCY"),
    *("RPD", "RPS", "RPV", "BKID", "BKDUR", "BKPMIN", "LPMM", "LPMMV", "RPMM", "RPMMV", "SACCADE_MAG", "SACCADE_DIR"),
    *("VID_FRAME", "X_ORIGINAL", "Y_ORIGINAL"),
)
# film: patient, class, height and width; shown 1080 high with 534 pixels left and right, or 1024 x 908
FILMS = {"aa": ("11", "Normal", (540, 426)), "bb": ("11", "CHF", (540, 426)), "cc": ("12", "pneumonia", (227, 256))}
PADS = {"aa": (0, 0, 534, 534), "bb": (0, 0, 534, 534), "cc": (86, 86, 448, 448)}  # top, bottom, left, right
SPELLING = {"aa": "mediastanum", "bb": "mediastinum", "cc": "mediastanum"}


def film_path(name: str) -> str:
    return f"files/p{FILMS[name][0]}/p{FILMS[name][0]}0000/s5{name}/{name}.dcm"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    root = tmp_path / "mimic-cxr" / "2.0.0"
    for name, (_, _, (height, width)) in FILMS.items():
        path = root / film_path(name)
        path.parent.mkdir(parents=True)
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", pydicom.uid.generate_uid()
        header.Rows, header.Columns = height, width
        header.save_as(path, enforce_file_format=True)
    return root.parent


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "egd" / "1.0.0"
    (root / "inclusion_exclusion_criteria_outputs").mkdir(parents=True)
    for name in ("CHF", "normals", "pneumonia"):
        (root / f"inclusion_exclusion_criteria_outputs/{name}.csv").write_text("dicom_id\n")
    rows = [sheet_row(name) for name in FILMS]
    assert len(SHEET) == 59
    write_rows(root / "master_sheet.csv", SHEET, rows)
    fixations = [
        gaze_row("aa", 1, 0.25, x=960, y=540, start=0.0, duration=0.25),
        gaze_row("aa", 2, 1.00, x=100, y=540, start=0.5, duration=0.5),  # left of the film
        gaze_row("aa", 3, 1.75, x=534, y=1079, start=1.25, duration=0.5),
        gaze_row("calibration", 4, 0.5, x=960, y=540, start=0.0, duration=0.5),
        gaze_row("cc", 5, 0.5, x=448, y=86, start=0.25, duration=0.25),
        gaze_row("cc", 6, 1.5, x=960, y=540, start=1.0, duration=0.5),  # the last of the session
    ]
    assert len(GAZE) == 37
    write_rows(root / "fixations.csv", GAZE, fixations)
    boxes = [
        {"dicom_id": name, "bbox_name": box, "x1": 10, "x2": 20, "y1": 30, "y2": 60}
        for name in ("aa", "cc")
        for box in ("cardiac silhouette", "left clavicle")
    ]
    write_rows(root / "bounding_boxes.csv", ("dicom_id", "bbox_name", "x1", "x2", "y1", "y2"), boxes)
    for name, (_, _, size) in FILMS.items():
        folder = root / "audio_segmentation_transcripts" / name
        folder.mkdir(parents=True)
        words = {
            "full_text": f"film {name}.",
            "time_stamped_text": [{"phrase": "film", "begin_time": 0, "end_time": 1}],
        }
        (folder / "transcript.json").write_text(json.dumps(words))
        for column, organ in enumerate(("left_lung", "right_lung", SPELLING[name], "aortic_knob")):
            mask = np.zeros(size, np.uint8)
            mask[100:110, 10 * column : 10 * column + 10] = 255
            Image.fromarray(mask).save(folder / f"{organ}.png")
    return root


def sheet_row(name: str) -> dict[str, object]:
    patient, kind, _ = FILMS[name]
    top, bottom, left, right = PADS[name]
    return {
        "dicom_id": name,
        "path": film_path(name),
        "study_id": f"5{name}",
        "patient_id": patient,
        "gender": "F",
        "anchor_age": "20 - 30",
        **{"image_top_pad": top, "image_bottom_pad": bottom, "image_left_pad": left, "image_right_pad": right},
        **{column: int(column == kind) for column in ("Normal", "CHF", "pneumonia")},
        "edema__chx": "-1.0",
        "cxr_exam_indication": 'History: ___F with cough,\n "fever"\n\n',
    }


def gaze_row(
    name: str, count: int, time: float, *, x: float, y: float, start: float = 0.0, duration: float = 0.0
) -> dict[str, object]:
    places = {"FPOGX": x / 1920, "FPOGY": y / 1080, "BPOGX": x / 1920, "BPOGY": y / 1080, "X_ORIGINAL": -1}
    flags = {"FPOGV": 1, "BPOGV": 1, "BKID": 0, "BKDUR": 0}
    about = {"SESSION_ID": "1", "DICOM_ID": name, "CNT": count, "Time (in secs)": time}
    return {**about, "FPOGS": start, "FPOGD": duration, **places, **flags}


def write_rows(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def mask_of(path: Path | None) -> np.ndarray:
    assert path is not None
    return np.asarray(Image.open(path)) > 0


def test_classes_patients_and_what_else_is_known_come_from_a_sheet_with_broken_lines(
    download: Path, films: Path, tmp_path: Path
) -> None:
    cohort = EgdCxr(images=films).read(download, tmp_path / "out").cohort
    assert (cohort.task, cohort.classes) == ("multiclass", ("Normal", "CHF", "pneumonia"))
    assert [(case.id, case.label, case.patient) for case in cohort.cases] == [
        ("aa", 0, "11"),
        ("bb", 1, "11"),
        ("cc", 2, "12"),
    ]
    first = cohort.cases[0]
    assert first.image == films / "2.0.0" / film_path("aa")
    assert first.about == {"age": "25", "age_group": "20 - 30", "sex": "F", "study": "5aa"}
    assert first.report is not None
    assert first.report.read_text() == "film aa.\n"


def test_gaze_is_split_by_film_in_its_pixels_and_calibration_is_left_out(
    download: Path, films: Path, tmp_path: Path
) -> None:
    adapted = EgdCxr(images=films).read(download.parent, tmp_path / "out")
    first, second, third = adapted.cohort.cases
    assert first.gaze == tmp_path / "out/gaze/aa.csv"
    assert sorted(path.name for path in (tmp_path / "out/gaze").iterdir()) == ["aa.csv", "cc.csv"]
    assert (tmp_path / "out/gaze/aa.csv").read_text().splitlines()[0] == "x,y,start,duration"
    gaze = read_gaze(first.gaze, FILMS["aa"][2])
    assert isinstance(gaze, Fixations)
    np.testing.assert_allclose(gaze.x, [426 / 852 * (960 - 534), 0], atol=1e-9)  # 852 pixels of the screen
    np.testing.assert_allclose(gaze.y, [270, 539.5], atol=1e-9)
    assert (gaze.start.tolist(), gaze.duration.tolist()) == ([0.0, 1.25], [0.25, 0.5])
    assert third.gaze is not None
    last = read_gaze(third.gaze, FILMS["cc"][2])
    np.testing.assert_allclose(np.stack([last.x, last.y], axis=1), [(0, 0), (128, 113.5)], atol=1e-9)
    assert second.gaze is None
    assert adapted.census[-1].rule == "gaze not known of 1 images"


def test_a_film_read_twice_has_the_second_reading_after_the_first(download: Path, films: Path, tmp_path: Path) -> None:
    rows = [gaze_row("aa", n, 0.5, x=960, y=540, start=0.25, duration=0.25) | {"SESSION_ID": str(n)} for n in (1, 2)]
    write_rows(download / "fixations.csv", GAZE, rows)
    case = EgdCxr(images=films).read(download, tmp_path / "out").cohort.cases[0]
    assert case.gaze is not None
    gaze = read_gaze(case.gaze, FILMS["aa"][2])
    assert isinstance(gaze, Fixations)
    assert gaze.start.tolist() == [0.25, 0.75]


def test_every_sample_may_be_taken_instead(download: Path, films: Path, tmp_path: Path) -> None:
    rows = [gaze_row("aa", n, n / 64, x=960 + n, y=540) for n in range(8)]
    rows += [gaze_row("aa", n, n / 64, x=960, y=540) | {"SESSION_ID": "2"} for n in range(2)]
    write_rows(download / "eye_gaze.csv", GAZE, rows)
    case = EgdCxr(images=films, gaze="samples").read(download, tmp_path / "out").cohort.cases[0]
    assert case.gaze is not None
    gaze = read_gaze(case.gaze, FILMS["aa"][2])
    assert isinstance(gaze, Samples)
    np.testing.assert_allclose(gaze.x, [*(213 + np.arange(8) / 2), 213, 213], atol=1e-9)
    np.testing.assert_allclose(gaze.time, np.arange(10) / 64)


def test_the_region_is_the_union_of_organs_in_either_spelling(download: Path, films: Path, tmp_path: Path) -> None:
    for case in EgdCxr(images=films).read(download, tmp_path / "out").cohort.cases:
        expected = np.zeros(FILMS[case.id][2], bool)
        expected[100:110, :30] = True
        np.testing.assert_array_equal(mask_of(case.mask), expected)
    cohort = EgdCxr(images=films, organs=("aortic_knob",)).read(download, tmp_path / "out").cohort
    assert np.argwhere(mask_of(cohort.cases[0].mask)).min(axis=0).tolist() == [100, 30]
    with pytest.raises(SettingsError, match="organs must be some of left_lung, right_lung, mediastinum, aortic_knob"):
        EgdCxr(organs=("heart",))


def test_boxes_may_belong_to_the_region_which_is_unknown_where_one_is_not_drawn(
    download: Path, films: Path, tmp_path: Path
) -> None:
    option = EgdCxr(images=films, organs=("left_lung",), boxes=("cardiac silhouette",))
    adapted = option.read(download, tmp_path / "out")
    first, second, _ = adapted.cohort.cases
    expected = np.zeros(FILMS["aa"][2], bool)
    expected[100:110, :10] = expected[30:60, 10:20] = True
    np.testing.assert_array_equal(mask_of(first.mask), expected)
    assert second.mask is None
    assert adapted.census[-1].rule == "region not known of 1 images"
    with pytest.raises(DataError, match=r"no box 'heart' in bounding_boxes.csv; there are cardiac silhouette, left cl"):
        EgdCxr(images=films, boxes=("heart",)).read(download, tmp_path / "out")


def test_masks_of_other_proportions_are_refused_and_of_another_size_resized(
    download: Path, films: Path, tmp_path: Path
) -> None:
    folder = download / "audio_segmentation_transcripts/aa"
    for organ in ("left_lung", "right_lung", "mediastanum"):
        small = np.zeros((270, 213), np.uint8)
        small[10:20, 30:40] = 255
        Image.fromarray(small).save(folder / f"{organ}.png")
    case = EgdCxr(images=films).read(download, tmp_path / "out").cohort.cases[0]
    expected = np.zeros(FILMS["aa"][2], bool)
    expected[20:40, 60:80] = True
    np.testing.assert_array_equal(mask_of(case.mask), expected)
    for organ in ("left_lung", "right_lung", "mediastanum"):
        Image.fromarray(small[:, :200]).save(folder / f"{organ}.png")
    with pytest.raises(DataError, match="masks of aa have 200 x 270 pixels, but the film 426 x 540"):
        EgdCxr(images=films).read(download, tmp_path / "out")


def test_films_may_be_jpgs_and_the_folder_named_at_any_height(download: Path, films: Path, tmp_path: Path) -> None:
    for name, (_, _, (height, width)) in FILMS.items():
        path = films / "2.0.0" / film_path(name)
        path.unlink()
        Image.fromarray(np.zeros((height, width), np.uint8)).save(path.with_suffix(".jpg"))
    for folder in (films, films / "2.0.0", films / "2.0.0/files"):
        cohort = EgdCxr(images=folder).read(download, tmp_path / "out").cohort
        assert [case.image.name for case in cohort.cases] == ["aa.jpg", "bb.jpg", "cc.jpg"]
        assert cohort.splits == ()


def test_the_films_alone_in_folders_of_splits_give_the_splits(download: Path, tmp_path: Path) -> None:
    places = {"aa": "train/Normal", "bb": "test/CHF", "cc": "Valid"}
    for name, place in places.items():
        (tmp_path / "part" / place).mkdir(parents=True)
        Image.fromarray(np.zeros(FILMS[name][2], np.uint8)).save(tmp_path / "part" / place / f"{name}.jpg")
    cohort = EgdCxr(images=tmp_path / "part").read(download, tmp_path / "out").cohort
    assert [case.split for case in cohort.cases] == ["train", "test", "val"]


def test_a_list_may_choose_the_films(download: Path, films: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "filenames.csv"
    chosen.write_text("filename\nfolder/cc.dcm\naa\n")
    adapted = EgdCxr(images=films, only=chosen).read(download, tmp_path / "out")
    assert [case.id for case in adapted.cohort.cases] == ["aa", "cc"]
    assert adapted.left_out[0].reason == "named in filenames.csv"
    with pytest.raises(DataNotFoundError, match=r"no file .*none.csv, neither in 1.0.0 nor where you are"):
        EgdCxr(images=films, only=tmp_path / "none.csv").read(download, tmp_path / "out")


def test_a_film_of_no_class_is_left_out_and_counted(download: Path, films: Path, tmp_path: Path) -> None:
    rows = [sheet_row(name) for name in FILMS]
    rows[1]["CHF"] = 0
    write_rows(download / "master_sheet.csv", SHEET, rows)
    adapted = EgdCxr(images=films).read(download, tmp_path / "out")
    assert [(left.id, left.reason) for left in adapted.left_out] == [
        ("bb", "positive for one of Normal, CHF, pneumonia")
    ]


def test_the_cohort_is_written_and_reads_back(download: Path, films: Path, tmp_path: Path) -> None:
    cohort = EgdCxr(images=films).read(download, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert [(case.id, case.gaze, case.report, case.mask) for case in again.cases] == [
        (case.id, case.gaze, case.report, case.mask) for case in cohort.cases
    ]


def test_without_the_films_the_error_says_where_they_are(download: Path, films: Path, tmp_path: Path) -> None:
    for option in (EgdCxr(), EgdCxr(images=tmp_path / "nowhere")):
        with pytest.raises(DataNotFoundError, match=r"none of its 3 films is in .* say images=FOLDER"):
            option.read(download, tmp_path / "out")
    (films / "2.0.0" / film_path("bb")).unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 3 images are not there, first 2.0.0/files/p11/.*partial=true"):
        EgdCxr(images=films).read(download, tmp_path / "out")
    assert len(EgdCxr(images=films, partial=True).read(download, tmp_path / "out").cohort.cases) == 2


@pytest.mark.parametrize("file", ["master_sheet.csv", "fixations.csv"])
def test_a_missing_table_says_what_was_found(download: Path, films: Path, tmp_path: Path, file: str) -> None:
    (download / file).unlink()
    with pytest.raises(DataNotFoundError, match=rf"expected {file}.* found audio_segmentation_transcripts/, bounding"):
        EgdCxr(images=films).read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "option"),
    [("bounding_boxes.csv", {"boxes": ("left clavicle",)}), ("eye_gaze.csv", {"gaze": "samples"})],
)
def test_a_table_that_an_option_needs_is_missed(
    download: Path, films: Path, tmp_path: Path, file: str, option: dict[str, object]
) -> None:
    (download / file).unlink(missing_ok=True)
    with pytest.raises(DataNotFoundError, match=rf"expected {file} in 1.0.0, found audio_segmentation_transcripts/, "):
        EgdCxr(images=films, **option).read(download, tmp_path / "out")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "column", ["dicom_id", "path", "study_id", "patient_id", "gender", "Normal", "CHF", "pneumonia"]
)
def test_a_renamed_column_of_the_sheet_is_named(download: Path, films: Path, tmp_path: Path, column: str) -> None:
    rows = [{("other" if name == column else name): value for name, value in sheet_row(each).items()} for each in FILMS]
    write_rows(download / "master_sheet.csv", tuple("other" if name == column else name for name in SHEET), rows)
    with pytest.raises(DataError, match=rf"no column '{column}'.*; expected dicom_id, path, .*; found .*other"):
        EgdCxr(images=films).read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("master_sheet.csv", "anchor_age", "age_group", r"no column 'anchor_age'.*found dicom_id, path"),
        ("master_sheet.csv", "image_left_pad", "left_pad", r"needs columns image_left_pad"),
        ("fixations.csv", "FPOGD", "DURATION", r"fixations.csv: needs columns FPOGD"),
        ("bounding_boxes.csv", "bbox_name", "name", r"no column 'bbox_name'"),
        ("audio_segmentation_transcripts/aa/transcript.json", "full_text", "text", r"aa/transcript.json must be JSON"),
    ],
)
def test_renamed_columns_are_named(
    download: Path, films: Path, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = download / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        EgdCxr(images=films, boxes=("cardiac silhouette",)).read(download, tmp_path / "out")


def test_without_the_folder_of_organs_their_region_is_refused_unless_a_part_will_do(
    download: Path, films: Path, tmp_path: Path
) -> None:
    (download / "audio_segmentation_transcripts").rename(tmp_path / "elsewhere")
    with pytest.raises(DataNotFoundError, match=r"expected audio_segmentation_transcripts in 1.0.0, found bounding_"):
        EgdCxr(images=films).read(download, tmp_path / "out")
    for option in (EgdCxr(images=films, partial=True), EgdCxr(images=films, organs=())):
        assert [case.mask for case in option.read(download, tmp_path / "out").cohort.cases] == [None] * 3


def test_a_half_written_sheet_is_refused(download: Path, films: Path, tmp_path: Path) -> None:
    sheet = download / "master_sheet.csv"
    sheet.write_text(sheet.read_text()[:-120])
    with pytest.raises(DataError, match=r"cells in a table of 59 columns; is the file complete\?"):
        EgdCxr(images=films).read(download, tmp_path / "out")
