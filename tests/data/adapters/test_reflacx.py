import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters.reflacx import Reflacx
from sightline.data.gaze_files import read_gaze
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.gaze.scanpath import Fixations, Samples

FIRST = (
    *("Airway wall thickening", "Atelectasis", "Consolidation", "Emphysema", "Enlarged cardiac silhouette", "Fibrosis"),
    *("Fracture", "Groundglass opacity", "Mass", "Nodule", "Pleural effusion", "Pleural thickening", "Pneumothorax"),
    *("Pulmonary edema", "Wide mediastinum"),
)
LATER = (
    *("Abnormal mediastinal contour", "Acute fracture", "Atelectasis", "Consolidation", "Enlarged cardiac silhouette"),
    *("Enlarged hilum", "Groundglass opacity", "Hiatal hernia", "High lung volume / emphysema"),
    *("Interstitial lung disease", "Lung nodule or mass", "Pleural abnormality", "Pneumothorax", "Pulmonary edema"),
)
LABELS = {1: FIRST, 2: LATER, 3: LATER}
ABOUT = (
    "id",
    "split",
    "eye_tracking_data_discarded",
    "image",
    "dicom_id",
    "subject_id",
    "image_size_x",
    "image_size_y",
)
SEEN = (
    *("pupil_area_normalized", "angular_resolution_x_pixels_per_degree", "angular_resolution_y_pixels_per_degree"),
    *("window_width", "window_level"),
    *(
        f"{edge}_{where}"
        for where in ("shown_from_image", "in_screen_coordinates")
        for edge in ("xmin", "ymin", "xmax")
    ),
)
FIXATIONS = ("timestamp_start_fixation", "timestamp_end_fixation", "x_position", "y_position", *SEEN)
SAMPLES = ("timestamp_sample", "x_position", "y_position", *SEEN)
DEGREES = {name: 10 for name in SEEN if name.startswith("angular")}
# reading: phase, film, patient, split, discarded
READINGS = {
    "P102R000001": (1, "aa", "10000032", "train", False),
    "P201R000002": (2, "aa", "10000032", "train", False),
    "P202R000003": (2, "aa", "10000032", "train", True),
    "P300R000004": (3, "aa", "10000032", "train", False),
    "P300R000005": (3, "bb", "11000045", "validate", False),
    "P300R000006": (3, "cc", "11000045", "test", False),
}
CERTAINTY = {"P300R000004": {"Atelectasis": 2, "Pneumothorax": 3}, "P102R000001": {"Atelectasis": 5, "Nodule": 4}}


def film_path(name: str, patient: str) -> str:
    return f"physionet.org/files/mimic-cxr/2.0.0/files/p{patient[:2]}/p{patient}/s5/{name}.dcm"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for _, name, patient, _, _ in READINGS.values():
        path = (tmp_path / "jpg" / film_path(name, patient).partition("2.0.0/")[2]).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((60, 50), np.uint8)).save(path)
    return tmp_path / "jpg"


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "reflacx" / "1.0.0"
    for phase, labels in LABELS.items():
        rows = []
        for reading, (own, film, patient, split, discarded) in READINGS.items():
            if own != phase:
                continue
            certain = CERTAINTY.get(reading, {})
            about = (reading, split, discarded, film_path(film, patient), film, patient, 50, 60)
            rows.append(dict(zip(ABOUT, about, strict=True)) | {name: certain.get(name, 0) for name in labels})
            if not discarded:
                write_reading(root, reading, labels)
        write_rows(root / f"main_data/metadata_phase_{phase}.csv", (*ABOUT, *labels, "Support devices", "Other"), rows)
    return root


def write_reading(root: Path, reading: str, labels: Sequence[str]) -> None:
    folder = root / "main_data" / reading
    fixations = [
        {"timestamp_start_fixation": 0.25, "timestamp_end_fixation": 1, "x_position": 20, "y_position": 30, **DEGREES},
        {"timestamp_start_fixation": 1.5, "timestamp_end_fixation": 2, "x_position": -4, "y_position": 30, **DEGREES},
    ]
    write_rows(folder / "fixations.csv", FIXATIONS, fixations)
    samples = [{"timestamp_sample": n / 1000, "x_position": 20, "y_position": 30, **DEGREES} for n in range(3)]
    write_rows(root / "gaze_data" / reading / "gaze.csv", SAMPLES, [*samples, {"timestamp_sample": 0.003}])
    ellipses = [
        {"xmin": 10, "ymin": 10, "xmax": 30, "ymax": 20, "certainty": 3, "Pneumothorax": True},
        {"xmin": 30, "ymin": 40, "xmax": 40, "ymax": 50, "certainty": 2, "Atelectasis": True},
    ]
    empty = dict.fromkeys(labels, False)
    columns = ("xmin", "ymin", "xmax", "ymax", "certainty", *labels)
    write_rows(folder / "anomaly_location_ellipses.csv", columns, [empty | row for row in ellipses])
    box = {"xmin": 5, "ymin": 6, "xmax": 45, "ymax": 56}
    write_rows(folder / "chest_bounding_box.csv", tuple(box), [box])
    (folder / "transcription.txt").write_text("small pneumothorax .")
    (folder / "timestamps_transcription.csv").write_text("word,timestamp_start_word,timestamp_end_word\nsmall,0,1\n")


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def mask_of(path: Path | None) -> np.ndarray:
    assert path is not None
    return np.asarray(Image.open(path)) > 0


def test_each_reading_of_the_main_phase_is_a_case(download: Path, films: Path, tmp_path: Path) -> None:
    cohort = Reflacx(images=films).read(download, tmp_path / "out").cohort
    assert (cohort.task, cohort.classes) == ("multilabel", LABELS[3])
    assert [(case.id, case.patient, case.split, case.about) for case in cohort.cases] == [
        ("P300R000004", "10000032", "train", {"phase": "3", "film": "aa"}),
        ("P300R000005", "11000045", "val", {"phase": "3", "film": "bb"}),
        ("P300R000006", "11000045", "test", {"phase": "3", "film": "cc"}),
    ]
    first = cohort.cases[0]
    assert first.image == films / "files/p10/p10000032/s5/aa.jpg"
    assert [name for name, value in zip(cohort.classes, first.label, strict=True) if value] == ["Pneumothorax"]
    assert first.report is not None
    assert first.report.read_text() == "small pneumothorax ."


def test_gaze_is_read_where_it_lies(download: Path, films: Path, tmp_path: Path) -> None:
    case = Reflacx(images=films).read(download, tmp_path / "out").cohort.cases[0]
    assert case.gaze == download / "main_data/P300R000004/fixations.csv"
    gaze = read_gaze(case.gaze, (60, 50))
    assert isinstance(gaze, Fixations)
    assert (gaze.x.tolist(), gaze.start.tolist(), gaze.duration.tolist()) == ([20, -4], [0.25, 1.5], [0.75, 0.5])
    case = Reflacx(images=films, gaze="samples").read(download, tmp_path / "out").cohort.cases[0]
    assert case.gaze == download / "gaze_data/P300R000004/gaze.csv"
    samples = read_gaze(case.gaze, (60, 50))
    assert isinstance(samples, Samples)
    assert samples.valid.tolist() == [True, True, True, False]


def test_gaze_in_columns_of_other_names_is_written_anew(download: Path, films: Path, tmp_path: Path) -> None:
    for table in download.glob("main_data/*/fixations.csv"):
        text = table.read_text().replace("x_position", "px").replace("y_position", "py")
        table.write_text(text.replace("timestamp_start_fixation", "from").replace("timestamp_end_fixation", "to"))
    case = Reflacx(images=films, columns=("px", "py", "from", "to")).read(download, tmp_path / "out").cohort.cases[0]
    assert case.gaze == tmp_path / "out/gaze/P300R000004.csv"
    gaze = read_gaze(case.gaze, (60, 50))
    assert isinstance(gaze, Fixations)
    assert (gaze.x.tolist(), gaze.start.tolist(), gaze.duration.tolist()) == ([20, -4], [0.25, 1.5], [0.75, 0.5])
    with pytest.raises(DataError, match=r"fixations.csv has no column 'qx'"):
        Reflacx(images=films, columns=("qx", "py", "from", "to")).read(download, tmp_path / "out")


def test_findings_and_their_ellipses_count_from_a_certainty_on(download: Path, films: Path, tmp_path: Path) -> None:
    chosen = ("Atelectasis", "Pneumothorax")
    case = Reflacx(images=films, classes=chosen).read(download, tmp_path / "out").cohort.cases[0]
    assert case.label == (0, 1)
    assert set(case.class_masks) == {"Pneumothorax"}
    rows, columns = np.indices((60, 50)) + 0.5
    inside = ((columns - 20) / 10) ** 2 + ((rows - 15) / 5) ** 2 <= 1
    assert np.mean(mask_of(case.class_masks["Pneumothorax"]) != inside) < 0.003
    expected = np.zeros((60, 50), bool)
    expected[6:56, 5:45] = True
    np.testing.assert_array_equal(mask_of(case.mask), expected)
    case = Reflacx(images=films, classes=chosen, certainty=2).read(download, tmp_path / "out").cohort.cases[0]
    assert case.label == (1, 1)
    assert set(case.class_masks) == set(chosen)


def test_phases_together_have_the_findings_of_all_and_lose_what_was_discarded(
    download: Path, films: Path, tmp_path: Path
) -> None:
    adapted = Reflacx(images=films, phases=(1, 2, 3)).read(download, tmp_path / "out")
    assert adapted.cohort.classes == (
        *("Atelectasis", "Consolidation", "Enlarged cardiac silhouette", "Groundglass opacity", "Pneumothorax"),
        "Pulmonary edema",
    )
    assert [case.id for case in adapted.cohort.cases] == [name for name in READINGS if name != "P202R000003"]
    assert [(left.id, left.reason) for left in adapted.left_out] == [("P202R000003", "eye tracking was not discarded")]
    assert len({case.image for case in adapted.cohort.cases}) == 3
    with pytest.raises(SettingsError, match="has no class 'Nodule'"):
        Reflacx(phases=(1, 2), classes=("Nodule",))
    with pytest.raises(SettingsError, match=r"phases must be some of 1, 2 and 3, got \(4,\)"):
        Reflacx(phases=(4,))
    with pytest.raises(SettingsError, match="certainty must be from 1 to 5, got 0"):
        Reflacx(certainty=0)


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_each_phase_has_findings_of_its_own(download: Path, films: Path, tmp_path: Path, phase: int) -> None:
    cohort = Reflacx(images=films, phases=(phase,)).read(download, tmp_path / "out").cohort
    assert cohort.classes == LABELS[phase]
    (download / f"main_data/metadata_phase_{phase}.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=rf"expected main_data/metadata_phase_{phase}.csv in 1.0.0, found gaze_"
    ):
        Reflacx(images=films, phases=(phase,)).read(download, tmp_path / "out")


def test_a_finding_with_a_stroke_in_its_name_has_masks_too(download: Path, films: Path, tmp_path: Path) -> None:
    name = "High lung volume / emphysema"
    table = download / "main_data/P300R000004/anomaly_location_ellipses.csv"
    table.write_text(f"xmin,ymin,xmax,ymax,certainty,{name}\n10,10,30,20,5,True\n")
    case = Reflacx(images=films, classes=(name,), partial=True).read(download, tmp_path / "out").cohort.cases[0]
    assert case.class_masks[name].parent == tmp_path / "out/masks/High lung volume or emphysema"
    assert mask_of(case.class_masks[name]).any()


def test_the_cohort_is_written_and_reads_back(download: Path, films: Path, tmp_path: Path) -> None:
    cohort = Reflacx(images=films).read(download.parent, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert [(case.id, case.gaze, case.report, case.mask, case.class_masks) for case in again.cases] == [
        (case.id, case.gaze, case.report, case.mask, case.class_masks) for case in cohort.cases
    ]


def test_films_of_another_size_are_refused(download: Path, films: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 25), np.uint8)).save(films / "files/p11/p11000045/s5/bb.jpg")
    with pytest.raises(DataError, match=r"bb.jpg has 25 x 30 pixels, but gaze and outlines count in 50 x 60"):
        Reflacx(images=films).read(download, tmp_path / "out")


def test_a_wrong_folder_and_missing_films_are_refused(download: Path, films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected main_data/metadata_phase_3.csv in main_data, found P102R"):
        Reflacx(images=films).read(download / "main_data", tmp_path / "out")
    with pytest.raises(
        DataNotFoundError, match=r"none of its 3 films is in 1.0.0, found gaze_data/, .* say images=FOLDER"
    ):
        Reflacx().read(download, tmp_path / "out")
    (films / "files/p11/p11000045/s5/bb.jpg").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 3 images are not there, first files/p11/.*bb.dcm; .*partial"):
        Reflacx(images=films).read(download, tmp_path / "out")


def test_half_unpacked_gaze_is_refused_unless_a_part_will_do(download: Path, films: Path, tmp_path: Path) -> None:
    (download / "main_data/P300R000005/fixations.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"no main_data/P300R000005/fixations.csv, found anomaly_location_"):
        Reflacx(images=films).read(download, tmp_path / "out")
    cases = Reflacx(images=films, partial=True).read(download, tmp_path / "out").cohort.cases
    assert [case.gaze is None for case in cases] == [False, True, False]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("metadata_phase_3.csv", "subject_id", "patient", r"no column 'subject_id'"),
        ("metadata_phase_3.csv", "Atelectasis", "atelectases", r"no column 'Atelectasis'; did you mean 'atelectases'"),
        ("metadata_phase_3.csv", "validate", "valid", r"P300R000005: split must be train, validate, test, got 'valid'"),
        ("metadata_phase_3.csv", ",0", ",zero", r"must hold numbers, got 'zero'"),
        ("P300R000004/chest_bounding_box.csv", "xmin", "left", r"no column 'xmin'"),
    ],
)
def test_broken_tables_are_refused(
    download: Path, films: Path, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = download / "main_data" / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        Reflacx(images=films).read(download, tmp_path / "out")
