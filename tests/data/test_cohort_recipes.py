import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from sightline.data import Cohort, check_cohort, read_cohort
from sightline.data.adapters import chexpert, mimic_cxr_jpg
from sightline.data.cohort_recipes import RECIPES, build_cohort, cohort_recipes, read_recipe
from sightline.errors import DataError, DataNotFoundError, SettingsError


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def save(path: Path, size: tuple[int, int] = (8, 8), value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


def make_chexpert(root: Path) -> Path:
    """40 normal films of 20 people, 20 with pneumonia of 10 others, 10 of people with both, and some to leave out."""
    rows = []
    films = [(f"normal{n}", 1, {"No Finding": 1}) for n in range(20) for _ in range(2)]
    films += [(f"ill{n}", 1, {"Pneumonia": 1, "Edema": -1}) for n in range(10) for _ in range(2)]
    films += [(f"both{n}", 1, {"Pneumonia" if n % 2 else "No Finding": 1}) for n in range(10)]
    films += [("child", 0, {"Pneumonia": 1}), ("unsure", 1, {"Pneumonia": -1}), ("edema", 1, {"Edema": 1})]
    numbers = {name: n for n, name in enumerate(dict.fromkeys(name for name, _, _ in films))}
    seen: Counter[str] = Counter()
    for name, adult, labels in films:
        seen[name] += 1
        path = f"train/patient{numbers[name]:05d}/study{seen[name]}/view1_frontal.jpg"
        save(root / path)
        about = {"Path": f"CheXpert-v1.0/{path}", "Sex": "Male", "Age": 60 if adult else 12}
        rows.append(about | {"Frontal/Lateral": "Frontal", "AP/PA": "AP", **labels})
    columns = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *chexpert.CLASSES)
    write_table(root / "train.csv", columns, rows)
    write_table(root / "valid.csv", columns, [])
    return root


def make_brixia(root: Path) -> Path:
    columns = ("Filename", "Modality", "StudyId", "BrixiaScore", "BrixiaScoreGlobal", "ConsensusTestset", "Subject")
    rows = []
    for n in range(12):
        score = 0 if n == 11 else 3
        about = {"Filename": f"{n}.dcm", "StudyId": n, "BrixiaScore": f"{score}", "BrixiaScoreGlobal": score}
        rows.append(about | {"Subject": n // 2, "Sex": "M", "AgeAtStudyDateFiveYear": 3, "ConsensusTestset": 0})
        save(root / "dicom_clean" / f"{n}.png")
        (root / "dicom_clean" / f"{n}.png").rename(root / "dicom_clean" / f"{n}.dcm")
    write_table(root / "metadata_global_v2.csv", (*columns, "Sex", "AgeAtStudyDateFiveYear"), rows, ";")
    return root


def make_bimcv(root: Path) -> Path:
    people = [{"participant": f"sub-S{n}", "age": "[70]", "gender": "M"} for n in range(3)]
    labels = ["['COVID 19']", "['COVID 19 uncertain']", "['COVID 19'\t'pneumonia']"]
    reports = [{"PatientID": f"sub-S{n}", "ReportID": f"ses-E{n}", "Labels": label} for n, label in enumerate(labels)]
    write_table(root / "participants.tsv", ("participant", "age", "gender"), people, "\t")
    columns = ("PatientID", "ReportID", "Labels")
    write_table(root / "derivatives/labels/labels_covid_posi.tsv", columns, reports, "\t")
    for n in range(3):
        image = root / f"sub-S{n}/ses-E{n}/mod-rx/sub-S{n}_ses-E{n}_run-1_bp-chest_vp-ap_cr.png"
        save(image)
        image.with_suffix(".json").write_text('{"00280004": {"vr": "CS", "Value": ["MONOCHROME2"]}}')
    return root


def make_chestxray14(root: Path) -> Path:
    columns = (
        *("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender"),
        *("View Position", "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"),
    )
    rows = []
    for n, (age, findings) in enumerate([(50, "Pneumonia|Edema"), (12, "Pneumonia"), (60, "No Finding")]):
        name = f"{n:08d}_000.png"
        rows.append({"Image Index": name, "Finding Labels": findings, "Patient ID": 100 + n, "Patient Age": age})
        save(root / "images" / name)
    write_table(root / "Data_Entry_2017_v2020.csv", columns, rows)
    return root


def make_montgomery(root: Path) -> Path:
    for n, label, age in [(1, 0, 30), (2, 0, 7), (3, 1, 40)]:
        stem = f"MCUCXR_{n:04d}_{label}"
        for folder in ("CXR_png", "ManualMask/leftMask", "ManualMask/rightMask"):
            save(root / folder / f"{stem}.png", value=255)
        (root / "ClinicalReadings").mkdir(exist_ok=True)
        text = f"Patient's Sex: F\nPatient's Age: {age:03d}Y\nnormal\n"
        (root / f"ClinicalReadings/{stem}.txt").write_text(text)
    return root


def make_shenzhen(root: Path) -> Path:
    for n, label, age in [(1, 0, 30), (2, 1, 40), (3, 1, 9)]:
        stem = f"CHNCXR_{n:04d}_{label}"
        save(root / f"CXR_png/{stem}.png")
        (root / "ClinicalReadings").mkdir(exist_ok=True)
        (root / f"ClinicalReadings/{stem}.txt").write_text(f"male {age}yrs\nnormal\n")
    return root


def make_tb_portals(root: Path) -> Path:
    films, cases = [], []
    for n in range(10):
        url = f"person{n // 2}/1.2/1.3/1.4.{n}.dcm"
        films.append({"condition_id": f"c{n}", "imagingstudy_id": f"s{n}", "series_instance_content_url": url})
        about = {
            "age_of_onset": 17 if n == 9 else 44,
            "gender": "Male",
            "diagnosis_code": "A16.0" if n == 8 else "A15.1",
        }
        cases.append({"condition_id": f"c{n}"} | about)
        (root / url).parent.mkdir(parents=True, exist_ok=True)
        (root / url).touch()
    write_table(root / "TB_Portals_CXRs_January_2022.csv", tuple(films[0]), films)
    write_table(root / "TB_Portals_Patient_Cases_January_2022.csv", tuple(cases[0]), cases)
    return root


def make_mimic(root: Path) -> Path:
    films = [("10000032", 1, "AP", "test", {"Edema": 1}), ("10000032", 2, "LATERAL", "test", {"Edema": 1})]
    films += [("10000048", 3, "PA", "train", {"Edema": 1}), ("11000050", 4, "PA", "test", {"Pneumonia": -1})]
    films += [("11000051", 5, "PA", "test", {"Pneumonia": 1, "Edema": 1})]
    about, splits, studies = [], [], []
    for subject, study, view, split, labels in films:
        ids = {"dicom_id": f"d{study}", "subject_id": subject, "study_id": study}
        about.append(ids | {"ViewPosition": view})
        splits.append(ids | {"split": split})
        studies.append({"subject_id": subject, "study_id": study, **labels})
        save(root / f"files/p{subject[:2]}/p{subject}/s{study}/d{study}.jpg")
    write_table(root / "mimic-cxr-2.0.0-metadata.csv", tuple(about[0]), about)
    write_table(root / "mimic-cxr-2.0.0-split.csv", tuple(splits[0]), splits)
    write_table(root / "mimic-cxr-2.0.0-chexpert.csv", ("subject_id", "study_id", *mimic_cxr_jpg.CLASSES), studies)
    return root


def make_celeba(root: Path) -> Path:
    files = ("000001.jpg", "162772.jpg", "182639.jpg")
    points = [
        f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    ]
    tables = {
        "list_landmarks_celeba": (points, "40 40 60 40 50 50 45 60 55 60"),
        "list_attr_celeba": (["High_Cheekbones", "Rosy_Cheeks", "Smiling"], "1 -1 1"),
    }
    (root / "Anno").mkdir(parents=True)
    for name, (columns, values) in tables.items():
        rows = [f"{file} {values}" for file in files]
        (root / f"Anno/{name}.txt").write_text("\n".join(["3", " ".join(columns), *rows]) + "\n")
    hq = root / "CelebAMask-HQ"
    for n, file in enumerate(files):
        save(root / "img_celeba" / file, (100, 80))
        save(hq / f"CelebAMask-HQ-mask-anno/0/{n:05d}_skin.png", value=255)
    mapping = [f"{n} {int(file[:-4]) - 1} {file}" for n, file in enumerate(files)]
    (hq / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(["idx orig_idx orig_file", *mapping]) + "\n")
    return root


def make_siim(root: Path) -> Path:
    rows = []
    for n in range(24):
        path = root / f"dicom-images-train/study{n}/series{n}/film{n}.dcm"
        path.parent.mkdir(parents=True)
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", pydicom.uid.generate_uid()
        header.PatientID, header.Rows, header.Columns = f"p{n}", 8, 8
        header.save_as(path, enforce_file_format=True)
        rows += (
            [{"ImageId": f"film{n}", " EncodedPixels": " 3 4"}] * 2
            if n < 9
            else [{"ImageId": f"film{n}", " EncodedPixels": " -1"}]
        )
    write_table(root / "train-rle.csv", ("ImageId", " EncodedPixels"), rows)
    return root


def make_egd(root: Path, films: Path) -> Path:
    classes = ("Normal", "CHF", "pneumonia")
    pads = {f"image_{side}_pad": 0 for side in ("top", "bottom", "left", "right")}
    sheet, gaze = [], []
    for n in range(60):
        path = f"files/p15/p15{n // 2}/s{n}/film{n}.dcm"
        about = {"dicom_id": f"film{n}", "path": path, "study_id": n, "patient_id": f"15{n // 2}", "gender": "F"}
        sheet.append(
            about | {"anchor_age": "20 - 30", **pads, **{name: int(n % 3 == k) for k, name in enumerate(classes)}}
        )
        place = {"FPOGX": 0.5, "FPOGY": 0.5, "FPOGS": 0, "FPOGD": 1, "FPOGV": 1, "BKID": 0}
        gaze.append({"SESSION_ID": 1, "DICOM_ID": f"film{n}", "Time (in secs)": 1} | place)
        save((films / path).with_suffix(".jpg"), (9, 16))
    write_table(root / "master_sheet.csv", tuple(sheet[0]), sheet)
    write_table(root / "fixations.csv", tuple(gaze[0]), gaze)
    (root / "audio_segmentation_transcripts").mkdir()
    return root


def counts(cohort: Cohort) -> Counter[tuple[str, str, str]]:
    """Images by source in the recipe, split and class."""
    found: Counter[tuple[str, str, str]] = Counter()
    for case in cohort.cases:
        source = case.id.split("/")[0]
        labels = [case.label] if isinstance(case.label, int) else [k for k, v in enumerate(case.label) if v > 0.5]
        found.update((source, case.split, cohort.classes[label]) for label in labels)
    return found


def no_patient_is_parted(cohort: Cohort) -> bool:
    return len({(c.source, c.patient) for c in cohort.cases}) == len(
        {(c.source, c.patient, c.split) for c in cohort.cases}
    )


@pytest.fixture
def covid19(tmp_path: Path) -> dict[str, Path]:
    return {
        "brixia": make_brixia(tmp_path / "brixia"),
        "chexpert": make_chexpert(tmp_path / "CheXpert-v1.0"),
        "bimcv_covid19": make_bimcv(tmp_path / "bimcv"),
        "chestxray14": make_chestxray14(tmp_path / "cxr14"),
        "montgomery": make_montgomery(tmp_path / "MontgomerySet"),
        "shenzhen": make_shenzhen(tmp_path / "ChinaSet_AllFiles"),
    }


def test_every_recipe_can_be_read_and_its_shares_add_up() -> None:
    names = ("chexpert_mimic", "covid19", "facial_attributes", "gaze", "gaze_983_100", "pneumothorax", "tuberculosis")
    assert cohort_recipes() == names
    for name in names:
        recipe = read_recipe(name)
        assert recipe.expected
        assert set(recipe.sources) <= set(recipe.roots)


def test_covid19_takes_its_classes_from_other_hospitals_for_training_than_for_the_test(
    covid19: dict[str, Path], tmp_path: Path
) -> None:
    built = build_cohort("covid19", covid19, tmp_path / "out")
    assert built.cohort.classes == ("Normal", "Pneumonia", "COVID-19")
    found = counts(built.cohort)
    assert {key: count for key, count in found.items() if key[1] == "ood"} == {
        ("bimcv_covid19", "ood", "COVID-19"): 2,
        ("chestxray14", "ood", "Pneumonia"): 1,
        ("montgomery", "ood", "Normal"): 1,
        ("shenzhen", "ood", "Normal"): 1,
    }
    training = {key: count for key, count in found.items() if key[1] != "ood"}
    assert {key[::2] for key in training} == {
        ("brixia", "COVID-19"),
        ("chexpert", "Normal"),
        ("chexpert", "Pneumonia"),
    }
    assert found["brixia", "train", "COVID-19"] + found["brixia", "val", "COVID-19"] == 11
    normal = [case for case in built.cohort.cases if case.id.startswith("chexpert") and case.label == 0]
    assert len(normal) == len({case.patient for case in normal}) == 25  # one of each
    assert sum(count for key, count in training.items() if key[2] == "Pneumonia") == 25
    assert no_patient_is_parted(built.cohort)
    assert check_cohort(built.cohort, pixels=False) == []


def test_the_census_stands_beside_the_paper_and_hides_no_difference(covid19: dict[str, Path], tmp_path: Path) -> None:
    built = build_cohort("covid19", covid19, tmp_path / "out")
    told = [str(line) for line in built.census]
    assert told[:4] == [
        "brixia: 11 images (paper 4,644, -4,633)",
        "brixia: 6 patients (paper 2,315, -2,309)",
        f"brixia, train: {counts(built.cohort)['brixia', 'train', 'COVID-19']} images (paper 3,483, -3,475)",
        "chexpert, Normal: 25 images (paper 4,644, -4,619)",
    ]
    assert "montgomery, ood, Normal: 1 images" in told
    rows = list(csv.DictReader((tmp_path / "out/census.csv").open()))
    assert rows[0] == {
        **{"source": "brixia", "split": "", "class": "", "unit": "images", "found": "11"},
        **{"paper": "4644", "difference": "-4633"},
    }
    assert [(row["found"], row["paper"]) for row in rows] == [
        (str(line.found), "" if line.paper is None else str(line.paper)) for line in built.census
    ]
    rules = {key: [count.rule for count in selection] for key, selection in built.selection.items()}
    assert rules["chexpert"] == [
        "train.csv and valid.csv",
        "view is AP, PA",
        "age is at least 18",
        "exactly one of Normal, Pneumonia",
        "Normal: at most 4,644 images and 1 a patient, at random",
        "Pneumonia: at most 4,644 images, at random",
    ]
    assert [count.images for count in built.selection["chexpert"]] == [73, 73, 72, 70, 50, 50]
    assert {left.reason for left in built.left_out["brixia"]} == {"score is at least 1"}


def test_the_cohort_is_written_and_reads_back(covid19: dict[str, Path], tmp_path: Path) -> None:
    built = build_cohort("covid19", covid19, tmp_path / "out")
    again = read_cohort(tmp_path / "out")
    assert again.classes == built.cohort.classes
    assert [(c.id, c.label, c.source, c.patient, c.split, c.image) for c in again.cases] == [
        (c.id, c.label, c.source, c.patient, c.split, c.image) for c in built.cohort.cases
    ]
    assert {case.source for case in again.cases} == {
        *("Brixia COVID-19", "CheXpert", "BIMCV-COVID19+", "ChestX-ray14", "Montgomery County", "Shenzhen")
    }
    lungs = [case.mask for case in again.cases if case.source == "Montgomery County"]
    assert lungs == [tmp_path / "out/montgomery/masks/MCUCXR_0001_0.png"]


def test_draws_and_splits_are_the_same_again_and_the_seed_changes_them(
    covid19: dict[str, Path], tmp_path: Path
) -> None:
    def drawn(seed: int | None) -> dict[str, str]:
        built = build_cohort("covid19", covid19, tmp_path / "out", seed=seed)
        return {case.id: case.split for case in built.cohort.cases}

    assert drawn(None) == drawn(0) != drawn(1)
    assert set(drawn(0)) != set(drawn(1))


def test_fewer_are_drawn_where_so_many_are_asked_for(covid19: dict[str, Path], tmp_path: Path) -> None:
    text = (RECIPES / "covid19.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("draw: {Normal: 4644, Pneumonia: 4644}", "draw: {Normal: 7, Pneumonia: 12}"))
    found = counts(build_cohort(file, covid19, tmp_path / "out").cohort)
    drawn = Counter(label for (source, _, label), n in found.items() if source == "chexpert" for _ in range(n))
    assert drawn == {"Normal": 7, "Pneumonia": 12}


def test_tuberculosis_splits_both_classes_by_patient_and_tests_outside(tmp_path: Path) -> None:
    roots = {
        "tb_portals": make_tb_portals(tmp_path / "tb"),
        "chexpert": make_chexpert(tmp_path / "CheXpert-v1.0"),
        "montgomery": make_montgomery(tmp_path / "MontgomerySet"),
        "shenzhen": make_shenzhen(tmp_path / "ChinaSet_AllFiles"),
    }
    built = build_cohort("tuberculosis", roots, tmp_path / "out")
    assert (built.cohort.task, built.cohort.classes) == ("binary", ("Normal", "Tuberculosis"))
    found = counts(built.cohort)
    assert {key: count for key, count in found.items() if key[1] == "ood"} == {
        ("montgomery", "ood", "Normal"): 1,
        ("montgomery", "ood", "Tuberculosis"): 1,
        ("shenzhen", "ood", "Normal"): 1,
        ("shenzhen", "ood", "Tuberculosis"): 1,
    }
    assert sum(count for key, count in found.items() if key[0] == "tb_portals") == 8
    normal = {split: found["chexpert", split, "Normal"] for split in ("train", "val", "test")}
    assert sum(normal.values()) == 45  # any number of a patient
    assert all(abs(normal[split] - 45 * share) <= 2 for split, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items())
    assert no_patient_is_parted(built.cohort)
    excluded = tmp_path / "exclude.txt"
    excluded.write_text("1.4.0.dcm\n")
    fewer = build_cohort("tuberculosis", roots | {"tb_portals_exclude": excluded}, tmp_path / "out")
    assert len(fewer.cohort.cases) == len(built.cohort.cases) - 1


def test_facial_attributes_keep_the_splits_and_the_faces(tmp_path: Path) -> None:
    built = build_cohort("facial_attributes", {"celeba": make_celeba(tmp_path / "CelebA")}, tmp_path / "out")
    assert built.cohort.classes == ("Rosy_Cheeks", "High_Cheekbones", "Smiling")
    assert [(case.split, case.label) for case in built.cohort.cases] == [
        ("train", (0, 1, 1)),
        ("val", (0, 1, 1)),
        ("test", (0, 1, 1)),
    ]
    assert built.cohort.cases[0].mask == tmp_path / "out/celeba/masks/000001.png"
    assert [str(line) for line in built.census[:2]] == [
        "all: 3 images (paper 30,000, -29,997)",
        "train: 1 images (paper 24,183, -24,182)",
    ]


def test_chexpert_to_mimic_takes_films_with_any_of_six_findings(tmp_path: Path) -> None:
    roots = {
        "chexpert": make_chexpert(tmp_path / "CheXpert-v1.0"),
        "mimic_cxr_jpg": make_mimic(tmp_path / "mimic-cxr-jpg/2.0.0"),
    }
    built = build_cohort("chexpert_mimic", roots, tmp_path / "out")
    outside = built.cohort.split("ood")
    assert [(case.id.rsplit("/", 1)[-1], case.label) for case in outside.cases] == [
        ("d1.jpg", (0, 0, 1, 0, 0, 0)),
        ("d5.jpg", (0, 0, 1, 0, 1, 0)),
    ]
    found = counts(built.cohort)
    assert found["chexpert", "train", "No Finding"] + found["chexpert", "val", "No Finding"] == 45
    assert found["chexpert", "train", "Pneumonia"] + found["chexpert", "val", "Pneumonia"] == 26  # of any age
    assert sum(case.id.startswith("chexpert") for case in built.cohort.cases) == 72  # all but the unsure
    assert built.cohort.task == "multilabel"
    assert no_patient_is_parted(built.cohort)


def test_pneumothorax_is_balanced_and_split_seven_to_one_to_one(tmp_path: Path) -> None:
    built = build_cohort("pneumothorax", {"siim_pneumothorax": make_siim(tmp_path / "siim")}, tmp_path / "out")
    assert counts(built.cohort) == {
        ("siim_pneumothorax", split, label): count
        for split, count in (("train", 7), ("val", 1), ("test", 1))
        for label in ("No Pneumothorax", "Pneumothorax")
    }
    masks = [case.class_masks for case in built.cohort.cases if case.label == 1]
    assert all(set(mask) == {"Pneumothorax"} and mask["Pneumothorax"].is_file() for mask in masks)


def test_gaze_is_split_by_patient_in_both_ways(tmp_path: Path) -> None:
    films = tmp_path / "mimic-cxr"
    roots = {"egd_cxr": make_egd(tmp_path / "egd", films), "mimic_cxr": films}
    built = build_cohort("gaze", roots, tmp_path / "out")
    found = Counter(case.split for case in built.cohort.cases)
    assert all(abs(found[split] - count) <= 2 for split, count in {"train": 48, "val": 6, "test": 6}.items())
    assert no_patient_is_parted(built.cohort)
    assert all(case.gaze is not None and case.gaze.is_file() for case in built.cohort.cases)
    other = build_cohort("gaze_983_100", roots, tmp_path / "out")
    assert Counter(case.split for case in other.cohort.cases)["train"] == pytest.approx(60 * 885 / 1083, abs=2)
    assert "test: 6 images (paper 100, -94)" in [str(line) for line in other.census]
    chosen = tmp_path / "filenames.csv"
    chosen.write_text("\n".join(f"film{n}" for n in range(30)))
    fewer = build_cohort("gaze", roots | {"watanabe_list": chosen}, tmp_path / "out")
    assert len(fewer.cohort.cases) == 30


def test_missing_and_unknown_roots_are_named(covid19: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"COVID-19: no folder for brixia; it needs brixia, chexpert, .* got chexpert"
    ):
        build_cohort("covid19", {k: v for k, v in covid19.items() if k != "brixia"}, tmp_path / "out")
    with pytest.raises(
        SettingsError, match=r"no data set 'brixa'; did you mean 'brixia'\?; give brixia, .*corrections"
    ):
        build_cohort("covid19", covid19 | {"brixa": tmp_path}, tmp_path / "out")
    with pytest.raises(DataNotFoundError, match=r"Brixia COVID-19: no folder"):
        build_cohort("covid19", covid19 | {"brixia": tmp_path / "nowhere"}, tmp_path / "out")


def test_a_part_of_the_downloads_will_do_if_said_so(covid19: dict[str, Path], tmp_path: Path) -> None:
    (covid19["brixia"] / "dicom_clean/0.dcm").unlink()
    with pytest.raises(DataNotFoundError, match="partial=true"):
        build_cohort("covid19", covid19, tmp_path / "out")
    built = build_cohort("covid19", covid19, tmp_path / "out", partial=True)
    assert built.census[0].found == 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("adapter: brixia", "adapter: brixa", "no adapter 'brixa'; did you mean 'brixia'"),
        (
            "min_score: 1",
            "min_scores: 1",
            r"brixia: adapter brixia has no option 'min_scores'; did you mean 'min_score'",
        ),
        ("min_score: 1", "min_score: low", r"brixia: option min_score: Input should be a valid integer.* got 'low'"),
        ("COVID-19: [COVID-19]", "COVID-19: [Covid]", r"brixia: brixia has no class 'Covid'.*it has COVID-19"),
        ("COVID-19: [COVID-19]", "COVID19: [COVID-19]", r"class 'COVID19' is none of .*did you mean 'COVID-19'"),
        ("of: Normal", "of: normal", r"class 'normal' is none of Normal.*did you mean 'Normal'"),
        ("source: brixia", "source: brix", r"source 'brix' is none of brixia.*did you mean 'brixia'"),
        (
            "train: 0.75, val: 0.25",
            "train: 0.75, val: 0.3",
            r"sources.brixia: fractions must be positive and add up to 1",
        ),
        ("split: ood", "splits: ood", r"mine.yaml: sources.bimcv_covid19.split: Field required"),
        ("task: multiclass", "task: many", r"mine.yaml: task: Input should be 'multiclass'.* got 'many'"),
        ("title: COVID-19", "title: a\ntitle: b", r"mine.yaml:\d+: title: given twice"),
    ],
)
def test_a_recipe_that_cannot_be_used_says_why(
    covid19: dict[str, Path], tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (RECIPES / "covid19.yaml").read_text()
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=message):
        build_cohort(file, covid19, tmp_path / "out")


def test_an_unknown_recipe_is_named_with_those_there_are() -> None:
    with pytest.raises(
        SettingsError, match=r"no cohort recipe 'covid'; did you mean 'covid19'\?; there are chexpert_mimic"
    ):
        read_recipe("covid")


def test_sources_of_different_units_are_not_joined(covid19: dict[str, Path], tmp_path: Path) -> None:
    volumes = tmp_path / "ct"
    text = """
title: units
task: multilabel
classes: [opacity]
sources:
  films: {adapter: chestxray14, classes: {opacity: [Pneumonia]}, split: train}
  volumes: {adapter: rad_chest_ct, options: {labels: findings}, classes: {opacity: [opacity]}, split: train}
"""
    (tmp_path / "units.yaml").write_text(text)
    about = {"NoteAcc_DEID": "trn1", "MRN_DEID": "m", "Set_Assigned": "imgtrain", "Subset_Assigned": "imgtrain"}
    write_table(volumes / "CT_Scan_Metadata_Complete_1.csv", tuple(about), [about])
    found = {"NoteAcc_DEID": "trn1", "opacity*lung": 1}
    write_table(volumes / "imgtrain_Abnormality_and_Location_Labels.csv", tuple(found), [found])
    np.savez(volumes / "trn1.npz", ct=np.zeros((2, 2, 2), np.int16))
    roots = {"films": covid19["chestxray14"], "volumes": volumes}
    with pytest.raises(DataError, match=r"films whole range; volumes \(-1000.0, 800.0\) HU; make them one"):
        build_cohort(tmp_path / "units.yaml", roots, tmp_path / "out", partial=True)


def test_what_a_source_does_not_tell_is_unknown(tmp_path: Path) -> None:
    text = """
title: some findings
task: multilabel
classes: [Shadow, Fluid]
sources:
  chexpert:
    adapter: chexpert
    options: {uncertain: unknown, blank: negative}
    classes: {Shadow: [Pneumonia, Edema]}
    split: own
"""
    (tmp_path / "some.yaml").write_text(text)
    roots = {"chexpert": make_chexpert(tmp_path / "CheXpert-v1.0")}
    cohort = build_cohort(tmp_path / "some.yaml", roots, tmp_path / "out").cohort
    assert cohort.splits == ("train",)
    assert all(math.isnan(case.label[1]) for case in cohort.cases)
    shadows = Counter("unknown" if math.isnan(case.label[0]) else case.label[0] for case in cohort.cases)
    assert shadows == {0: 45, 1: 27, "unknown": 1}  # an edema that is not sure leaves a sure pneumonia positive


def test_masks_come_under_the_names_of_the_cohort_and_several_that_would_be_one_are_left_out(tmp_path: Path) -> None:
    root = make_chestxray14(tmp_path / "cxr14")
    boxes = [("00000000_000.png", "Pneumonia"), ("00000001_000.png", "Pneumonia"), ("00000001_000.png", "Effusion")]
    lines = [f"{image},{finding},100,100,800,800,,," for image, finding in boxes]
    (root / "BBox_List_2017.csv").write_text("\n".join(["Image Index,Finding Label,Bbox [x,y,w,h],,,", *lines]) + "\n")
    text = """
title: some findings
task: multilabel
classes: [Shadow]
sources:
  chestxray14: {adapter: chestxray14, classes: {Shadow: [Pneumonia, Effusion]}, split: train}
"""
    (tmp_path / "some.yaml").write_text(text)
    cohort = build_cohort(tmp_path / "some.yaml", {"chestxray14": root}, tmp_path / "out").cohort
    masks = tmp_path / "out/chestxray14/masks"
    assert [case.class_masks for case in cohort.cases] == [{"Shadow": masks / "Pneumonia/00000000_000.png"}, {}, {}]
