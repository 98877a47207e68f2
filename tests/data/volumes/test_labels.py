from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Case, Cohort
from sightline.data.volumes import Labelled, Outcome, Preparation, prepared_cohort, read_labels
from sightline.data.volumes.labels import mask_files, prepared_masks, sources_of
from sightline.errors import DataError, DataNotFoundError

Write = Callable[..., Path]
TABLE = """id,nodule,effusion,patient,split,source,age,mask:nodule,mask:effusion
p1,1,0,a,train,north,61,#1+3,fluid/p1.nii.gz
p2,,1,b,val,south,,volumes/p2.zarr#1,fluid/p2.nii.gz#2
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(TABLE)
    return path


def test_a_table_says_labels_and_where_each_class_may_be(table: Path) -> None:
    labelled = read_labels(table)
    assert labelled.cohort.classes == ("nodule", "effusion")
    first, second = labelled.cohort.cases
    assert (first.patient, first.split, first.source, first.about) == ("a", "train", "north", {"age": "61"})
    assert first.label == (1, 0)
    np.testing.assert_array_equal(second.label, (np.nan, 1))
    assert labelled.organs == {("p1", "nodule"): "#1+3", ("p2", "nodule"): "#1"}
    assert first.class_masks == {"effusion": table.parent / "fluid/p1.nii.gz"}
    assert second.class_masks == {"effusion": table.parent / "fluid/p2.nii.gz#2"}


def test_the_cohort_is_of_the_volumes_that_could_be_prepared(table: Path, tmp_path: Path) -> None:
    labelled, out = read_labels(table), tmp_path / "out"
    names = {"p1": "p1", "p2": "p2"}
    way = Preparation(clip_hu=(-1000, 400))
    made = {"p1": Outcome("p1", "x"), "p2": Outcome("p2", "y", reason="broken")}
    cohort = prepared_cohort(labelled, names, made, way, out)
    (case,) = cohort.cases
    assert case.image == out / "volumes/p1.zarr"
    assert case.class_masks == {
        "nodule": out / "volumes/p1.zarr#1+3",
        "effusion": out / "masks/effusion/p1.nii.gz",
    }
    assert (cohort.value_range, cohort.units, cohort.task) == ((-1000, 400), "HU", "multilabel")
    with pytest.raises(DataError, match=r"^no volume with labels could be prepared$"):
        prepared_cohort(labelled, names, {}, way, out)


def test_masks_that_are_parts_of_one_file_become_one_file() -> None:
    case = Case("p1", Path("a.nii"), 0, "p1", mask=Path("organs.nii.gz#1+3"))
    case = replace(case, class_masks={"heart": Path("organs.nii.gz#2"), "x/y": Path("seg.dcm#lung")})
    masks = prepared_masks(case, "p1", Path("out"))
    assert masks == {
        Path("organs.nii.gz#1+3"): Path("out/masks/all/p1.nii.gz#1+3"),
        Path("organs.nii.gz#2"): Path("out/masks/all/p1.nii.gz#2"),
        Path("seg.dcm#lung"): Path("out/masks/x_y/p1.nii.gz"),
    }
    assert mask_files(masks) == {
        Path("organs.nii.gz"): Path("out/masks/all/p1.nii.gz"),
        Path("seg.dcm#lung"): Path("out/masks/x_y/p1.nii.gz"),
    }


def test_variants_are_volumes_of_their_own() -> None:
    case = Case("a/1", Path("/r/i/1.nii"), (1.0,), "p", variants={"off": Path("/r/o/1.nii")})
    names, sources = sources_of(Cohort(Path("/r"), "multilabel", ("x",), (case,)))
    assert names == {"a/1": "a_1"}
    assert [(source.id, source.name) for source in sources] == [("a_1", "i/1.nii"), ("a_1~off", "o/1.nii")]
    made = {source.id: Outcome(source.id, source.name) for source in sources}
    labelled = Labelled(Cohort(Path("/r"), "multilabel", ("x",), (case,)))
    (new,) = prepared_cohort(labelled, names, made, Preparation(), Path("/out")).cases
    assert new.variants == {"off": Path("/out/volumes/a_1~off.zarr")}
    with pytest.raises(DataError, match="could be prepared"):
        prepared_cohort(labelled, names, {"a_1": made["a_1"]}, Preparation(), Path("/out"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,nodule\np1,2\n", "labels.csv line 2: label of 'nodule' must be 0, 1, or empty if unknown, got '2'"),
        ("id,nodule\np1,yes\n", "got 'yes'"),
        ("id,nodule\n,1\n", "labels.csv line 2: no id"),
        ("id,nodule\np1,1\np1,0\n", "labels.csv: id 'p1' is there twice"),
        ("name,nodule\np1,1\n", "labels.csv: needs a column 'id' and one a class; it has name, nodule"),
        ("id,age\np1,1\n", "labels.csv: needs a column 'id' and one a class; it has id, age"),
        ("id,nodule,mask:mass\np1,1,\n", "labels.csv: column 'mask:mass' names no class; it has id, nodule, mask:mass"),
        ("id,nodule\np1\n", "labels.csv line 2: not 2 cells as in its header"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_labels(tmp_path / "labels.csv")
    assert str(caught.value).endswith(message)
    with pytest.raises(DataNotFoundError, match="no table of labels at "):
        read_labels(tmp_path / "nowhere.csv")


def test_organs_of_reports_are_those_of_the_volume_unless_they_cannot_be_trusted(tmp_path: Path) -> None:
    path, out = tmp_path / "labels.csv", tmp_path / "out"
    path.write_text("id,nodule,organs:nodule\np1,1,1+3\np2,1,1\np3,0,\n")
    labelled = read_labels(path)
    assert labelled.organs == {("p1", "nodule"): "#1+3", ("p2", "nodule"): "#1"}
    made = {name: Outcome(name, "x", about={"organs_quality": {"passed": name != "p2"}}) for name in ("p1", "p2", "p3")}
    cohort = prepared_cohort(labelled, {name: name for name in made}, made, Preparation(organs=True), out)
    masks = [case.class_masks for case in cohort.cases]
    assert masks == [{"nodule": out / "volumes/p1.zarr#1+3"}, {}, {}]
