import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters import RadChestCT
from sightline.errors import DataError, DataNotFoundError

STUDY = {  # the 80 labels by region
    "h_great_vessel": (
        *("aneurysm", "atherosclerosis", "calcification", "catheter_or_port", "dilation_or_ectasia", "postsurgical"),
        "scattered_calc",
    ),
    "h_mediastinum": (*("calcification", "cancer", "lymphadenopathy", "mass", "nodule", "opacity"),),
    "heart": (
        *("atherosclerosis", "cabg", "calcification", "cardiomegaly", "catheter_or_port", "coronary_artery_disease"),
        *("heart_failure", "heart_valve_replacement", "pacemaker_or_defib", "pericardial_effusion"),
        *("pericardial_thickening", "postsurgical", "scattered_calc", "stent", "sternotomy", "transplant"),
    ),
    "lung": (
        *("air_trapping", "airspace_disease", "aspiration", "atelectasis", "bandlike_or_linear"),
        *("bronchial_wall_thickening", "bronchiectasis", "bronchiolectasis", "calcification", "cancer"),
        *("catheter_or_port", "cavitation", "chest_tube", "clip", "consolidation", "cyst", "density", "emphysema"),
        *("fibrosis", "granuloma", "groundglass", "honeycombing", "infection", "inflammation"),
        *("interstitial_lung_disease", "lesion", "lucency", "lung_resection", "lymphadenopathy", "mass"),
        *("mucous_plugging", "nodule", "nodulegr1cm", "opacity", "plaque", "pleural_effusion", "pleural_thickening"),
        *("pneumonia", "pneumothorax", "postsurgical", "pulmonary_edema", "reticulation", "scarring"),
        *("scattered_calc", "scattered_nod", "septal_thickening", "soft_tissue", "staple", "suture", "transplant"),
        "tree_in_bud",
    ),
}
LUNG_ONLY = (
    *("bandlike_or_linear", "groundglass", "honeycombing", "reticulation", "tree_in_bud", "airspace_disease"),
    *("air_trapping", "aspiration", "atelectasis", "bronchial_wall_thickening", "bronchiectasis"),
    *("bronchiolectasis", "bronchiolitis", "bronchitis", "emphysema", "hemothorax", "interstitial_lung_disease"),
    *("lung_resection", "mucous_plugging", "pleural_effusion", "pleural_thickening", "pneumonia", "pneumonitis"),
    *("pneumothorax", "pulmonary_edema", "septal_thickening", "tuberculosis"),
)
HEART_ONLY = (
    *("cabg", "cardiomegaly", "coronary_artery_disease", "heart_failure", "heart_valve_replacement"),
    *("pacemaker_or_defib", "pericardial_effusion", "pericardial_thickening", "sternotomy"),
)
ANYWHERE = (
    *("arthritis", "atherosclerosis", "aneurysm", "breast_implant", "breast_surgery", "calcification", "cancer"),
    *("catheter_or_port", "cavitation", "clip", "congestion", "consolidation", "cyst", "debris", "deformity"),
    *("density", "dilation_or_ectasia", "distention", "fibrosis", "fracture", "granuloma", "hardware", "hernia"),
    *("infection", "infiltrate", "inflammation", "lesion", "lucency", "lymphadenopathy", "mass", "nodule"),
    *("nodulegr1cm", "opacity", "plaque", "postsurgical", "scarring", "scattered_calc", "scattered_nod"),
    *("secretion", "soft_tissue", "staple", "stent", "suture", "transplant", "chest_tube", "tracheal_tube"),
    "gi_tube",
)
FINDINGS = (*LUNG_ONLY, *HEART_ONLY, *ANYWHERE, "other_path")  # as the tables have them
PLACES = {  # locations that the labels of a region are pooled from
    "h_great_vessel": (*("aorta", "svc", "ivc", "pulmonary_artery", "pulmonary_vein"),),
    "h_mediastinum": (*("mediastinum", "hilum"),),
    "heart": (*("heart", "mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve"),),
    "lung": (
        *("right_upper", "right_mid", "right_lower", "right_lung", "left_upper", "left_mid", "left_lower"),
        "left_lung",
    ),
}
ELSEWHERE = (
    *("lung", "airways", "right", "left", "anterior", "posterior", "superior", "inferior", "medial", "lateral"),
    *("interstitial", "subpleural", "centrilobular", "thyroid", "breast", "axilla", "chest_wall", "rib", "spine"),
    *("bone", "diaphragm", "abdomen", "esophagus", "stomach", "intestine", "liver", "gallbladder", "kidney"),
    *("adrenal_gland", "spleen", "pancreas", "other_location"),
)
LOCATIONS = (*(place for places in PLACES.values() for place in places), *ELSEWHERE)
# volume: patient, subset, what was found
VOLUMES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "trn00001": ("m1", "imgtrain", ("nodule*right_upper", "nodule*right_lung", "nodule*lung", "calcification*aorta")),
    "trn00002": ("m1", "imgtrain", ("nodule*lung", "opacity*airways", "mass*hilum", "cardiomegaly*heart")),
    "val00001": ("m2", "imgvalid_a", ("pneumonia*other_location", "other_path*liver", "stent*mitral_valve")),
    "val00002": ("m3", "imgvalid_b", ("heart_failure*heart",)),
    "tst00001": ("m4", "imgtest_a", ()),
}
SETS = {"trn": "imgtrain", "val": "imgvalid", "tst": "imgtest"}
EXTREMA = ("sup_axis0min", "inf_axis0max", "ant_axis1min", "pos_axis1max", "rig_axis2min", "lef_axis2max")
SHAPE = {"shape0": "3", "shape1": "4", "shape2": "5"}


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "RAD-ChestCT"
    (root / "npz").mkdir(parents=True)
    about = []
    for name, (patient, subset, _) in VOLUMES.items():
        np.savez_compressed(root / f"npz/{name}.npz", ct=np.full((3, 4, 5), -1000, np.int16))
        row = {"VolumeAcc_DEID": f"{name}.npz", "NoteAcc_DEID": name, "MRN_DEID": patient, "Manufacturer": "x, y"}
        about.append(row | {"Set_Assigned": SETS[name[:3]], "Subset_Assigned": subset})
    write_rows(root / "CT_Scan_Metadata_Complete_35747.csv", tuple(about[0]), about)
    extrema = [{**dict.fromkeys(EXTREMA, 7), **SHAPE} | row for row in about[:4]]
    write_rows(root / "Extrema_35747.csv", ("VolumeAcc_DEID", "NoteAcc_DEID", *EXTREMA, *SHAPE), extrema)
    assert (len(FINDINGS), len(LOCATIONS)) == (84, 52)
    for prefix, kind in SETS.items():
        write_labels(root, kind, {name: found for name, (_, _, found) in VOLUMES.items() if name.startswith(prefix)})
    (root / "tst.txt").write_text("tst00001")
    return root


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]], rest: str = "") -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval=rest, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def positive(option: RadChestCT, download: Path, out: Path) -> dict[str, list[str]]:
    cohort = option.read(download, out).cohort
    return {
        case.id: [name for name, value in zip(cohort.classes, case.label, strict=True) if value]
        for case in cohort.cases
    }


def write_labels(download: Path, kind: str, rows: Mapping[str, Sequence[str]]) -> None:
    columns = ("NoteAcc_DEID", *(f"{finding}*{place}" for finding in FINDINGS for place in LOCATIONS))
    cells = [{"NoteAcc_DEID": name, **dict.fromkeys(found, 1)} for name, found in rows.items()]
    write_rows(download / f"{kind}_Abnormality_and_Location_Labels.csv", columns, cells, "0")


def test_the_study_has_80_labels_by_region(download: Path, tmp_path: Path) -> None:
    cohort = RadChestCT().read(download, tmp_path / "out").cohort
    assert cohort.classes == tuple(f"{region}_{finding}" for region, findings in STUDY.items() for finding in findings)
    assert len(cohort.classes) == 80


def test_each_location_counts_for_its_region_and_no_other(download: Path, tmp_path: Path) -> None:
    for place in LOCATIONS:
        write_labels(download, "imgtest", {"tst00001": [f"calcification*{place}"]})
        found = positive(RadChestCT(only=Path("tst.txt")), download, tmp_path / "out")
        assert found == {"tst00001": [f"{region}_calcification" for region in STUDY if place in PLACES[region]]}


def test_what_is_in_the_lungs_by_definition_counts_wherever_it_stands(download: Path, tmp_path: Path) -> None:
    write_labels(download, "imgtest", {"tst00001": [f"{finding}*liver" for finding in FINDINGS]})
    found = positive(RadChestCT(only=Path("tst.txt")), download, tmp_path / "out")
    assert found == {"tst00001": [f"lung_{finding}" for finding in STUDY["lung"] if finding in LUNG_ONLY]}


def test_study_labels_are_pooled_from_their_locations(download: Path, tmp_path: Path) -> None:
    assert positive(RadChestCT(), download, tmp_path / "out") == {
        "trn00001": ["h_great_vessel_calcification", "lung_nodule"],
        "trn00002": ["h_mediastinum_mass", "heart_cardiomegaly"],  # a nodule of no side is none of the labels
        "val00001": ["heart_stent", "lung_pneumonia"],  # pneumonia is in the lungs wherever it stands
        "val00002": ["heart_heart_failure"],
        "tst00001": [],
    }
    unsided = positive(RadChestCT(unsided=True), download, tmp_path / "out")
    assert unsided["trn00002"] == ["h_mediastinum_mass", "heart_cardiomegaly", "lung_nodule"]


def test_all_84_findings_count_in_any_location(download: Path, tmp_path: Path) -> None:
    cohort = RadChestCT(labels="findings").read(download, tmp_path / "out").cohort
    assert len(cohort.classes) == 84
    found = positive(RadChestCT(labels="findings"), download, tmp_path / "out")
    assert found["trn00002"] == ["cardiomegaly", "mass", "nodule", "opacity"]
    assert found["val00001"] == ["other_path", "pneumonia", "stent"]


def test_splits_patients_and_the_box_around_the_lungs_are_kept(download: Path, tmp_path: Path) -> None:
    cohort = RadChestCT().read(download, tmp_path / "out").cohort
    assert [(case.patient, case.split) for case in cohort.cases] == [
        ("m1", "train"),
        ("m1", "train"),
        ("m2", "val"),
        ("m3", "val"),
        ("m4", "test"),
    ]
    assert cohort.cases[0].image == download / "npz/trn00001.npz"
    assert cohort.cases[0].about == {"subset": "imgtrain", **dict.fromkeys(EXTREMA, "7"), **SHAPE}
    assert cohort.cases[-1].about == {"subset": "imgtest_a"}
    assert (cohort.value_range, cohort.units, cohort.task) == ((-1000, 800), "HU", "multilabel")


def test_every_finding_keeps_its_locations(download: Path, tmp_path: Path) -> None:
    RadChestCT(subsets=("imgtrain",)).read(download, tmp_path / "out")
    with (tmp_path / "out/locations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = {(name, *pair.split("*")) for name in ("trn00001", "trn00002") for pair in VOLUMES[name][2]}
    assert {(row["id"], row["finding"], row["location"]) for row in rows} == expected
    assert len(rows) == 8


def test_subsets_and_lists_choose_volumes(download: Path, tmp_path: Path) -> None:
    study = RadChestCT(subsets=("imgtrain", "imgvalid_a", "imgtest_a")).read(download, tmp_path / "out")
    assert [left.id for left in study.left_out] == ["val00002"]
    chosen = download / "2020-01-10-imgtrain_random2000.csv"
    chosen.write_text("VolumeAcc_DEID,NoteAcc_DEID,Subset_Assigned\ntrn00002.npz,trn00002,imgtrain\n")
    adapted = RadChestCT(only=Path(chosen.name)).read(download, tmp_path / "out")
    assert [case.id for case in adapted.cohort.cases] == ["trn00002"]


def test_the_cohort_is_written_and_reads_back(download: Path, tmp_path: Path) -> None:
    cohort = RadChestCT().read(download, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert (again.value_range, again.units) == (cohort.value_range, cohort.units)
    assert [(case.id, case.label, case.about) for case in again.cases] == [
        (case.id, case.label, case.about) for case in cohort.cases
    ]


def test_a_wrong_folder_or_a_missing_table_says_what_was_found(download: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataNotFoundError, match=r"expected CT_Scan_Metadata_Complete_\*.csv in npz, found trn00001.npz"
    ):
        RadChestCT().read(download / "npz", tmp_path / "out")
    (download / "imgvalid_Abnormality_and_Location_Labels.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected imgvalid_Abn.*_Labels.csv in RAD-ChestCT, found CT_Scan_Met"
    ):
        RadChestCT().read(download, tmp_path / "out")
    assert len(RadChestCT(partial=True).read(download, tmp_path / "out").cohort.cases) == 3
    (download / "CT_Scan_Metadata_Complete_35747.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected CT_Scan_Metadata_Complete_.* in RAD-ChestCT, found Extrema_"
    ):
        RadChestCT().read(download, tmp_path / "out")


def test_missing_volumes_are_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "npz/val00002.npz").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 5 images are not there, first val00002.npz; .*partial=true"):
        RadChestCT().read(download, tmp_path / "out")
    assert len(RadChestCT(partial=True).read(download, tmp_path / "out").cohort.cases) == 4


def test_half_copied_and_strange_volumes_are_refused(download: Path, tmp_path: Path) -> None:
    file = download / "npz/val00001.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"val00001.npz holds no array 'ct', or only a part of it came: File is not a zip"
    ):
        RadChestCT().read(download, tmp_path / "out")
    np.savez_compressed(file, volume=np.zeros((3, 4, 5), np.int16))
    with pytest.raises(DataError, match=r"val00001.npz holds no array 'ct'"):
        RadChestCT().read(download, tmp_path / "out")
    np.savez_compressed(file, ct=np.zeros((4, 5), np.int16))
    with pytest.raises(DataError, match=r"'ct' must be \(slices, rows, columns\) of numbers, got \(4, 5\) of int16"):
        RadChestCT().read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("imgtrain_Abnormality_and_Location_Labels.csv", "NoteAcc_DEID", "Note", r"no column 'NoteAcc_DEID'"),
        (
            "imgtrain_Abnormality_and_Location_Labels.csv",
            "*",
            "@",
            r"has no columns of '.*'; expected .* nodule\*right",
        ),
        ("imgtrain_Abnormality_and_Location_Labels.csv", "nodule*", "nodules*", r"has no columns of 'nodule'"),
        ("imgtrain_Abnormality_and_Location_Labels.csv", "*hilum", "*hila", r"has no columns of 'hilum'"),
        ("imgtest_Abnormality_and_Location_Labels.csv", "hernia*", "hernias*", r"other findings than the table before"),
        ("imgtest_Abnormality_and_Location_Labels.csv", "tst00001,0", "tst00001,2", r"must be 0 or 1, got '2'"),
        ("CT_Scan_Metadata_Complete_35747.csv", "MRN_DEID", "MRN", r"no column 'MRN_DEID'; expected .*, MRN, "),
        ("CT_Scan_Metadata_Complete_35747.csv", ",tst00001,", ",tst00009,", r"tst00001 is not in the metadata"),
        ("CT_Scan_Metadata_Complete_35747.csv", ",imgtest,", ",imgtrain,", r"tst00001 should be .* is in imgtrain"),
        ("Extrema_35747.csv", "rig_axis2min", "right", r"no column 'rig_axis2min'"),
    ],
)
def test_broken_tables_are_refused(download: Path, tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    path = download / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        RadChestCT().read(download, tmp_path / "out")
