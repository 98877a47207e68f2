import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sightline.data.cohort import Case, Cohort, Task
from sightline.data.folders import read_class_folders
from sightline.data.table import read_table, write_cohort
from sightline.errors import DataError, DataNotFoundError


def table(folder: Path, text: str, head: str = "") -> Path:
    if head:
        (folder / "cohort.yaml").write_text(head)
    path = folder / "cohort.csv"
    path.write_text(text)
    return path


def test_a_full_row_gives_a_full_case(tmp_path: Path) -> None:
    head = "task: binary\nclasses: [well, ill]\nvalue_range: [0, 4095]\nunits: counts\n"
    header = "id,image,label,patient,source,split,mask,mask:ill,image:off,gaze,report,sha256,age,view\n"
    text = f"{header}7,a/1.png,ill,p,north,test,m/1.png,e/1.png,o/1.png,g/1.csv,r/1.txt,00FF,61,\n"
    cohort = read_table(table(tmp_path, text, head))
    assert (cohort.task, cohort.classes, cohort.value_range, cohort.units) == (
        "binary",
        ("well", "ill"),
        (0, 4095),
        "counts",
    )
    (case,) = cohort.cases
    assert case == Case(
        "7",
        tmp_path / "a/1.png",
        1,
        "p",
        "north",
        "test",
        tmp_path / "m/1.png",
        {"ill": tmp_path / "e/1.png"},
        {"off": tmp_path / "o/1.png"},
        tmp_path / "g/1.csv",
        tmp_path / "r/1.txt",
        "00ff",
        {"age": "61"},
    )


def test_image_and_label_are_enough(tmp_path: Path) -> None:
    cohort = read_table(table(tmp_path, "image,label\nb.png,well\na.png,ill\n"))
    assert cohort.classes == ("ill", "well")
    assert [case.label for case in cohort.cases] == [1, 0]
    first = cohort.cases[0]
    assert (first.id, first.patient, first.split, first.mask) == ("b.png", "b.png", "", None)


def test_a_column_per_class_gives_several_labels_with_nan_where_empty(tmp_path: Path) -> None:
    cohort = read_table(table(tmp_path, "image,edema,nodule\na.png,1,\nb.png,0,0.5\n", "classes: [edema, nodule]"))
    assert cohort.task == "multilabel"
    first, second = (case.label for case in cohort.cases)
    assert isinstance(first, tuple)
    assert first[0] == 1
    assert math.isnan(first[1])
    assert second == (0, 0.5)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_what_is_written_reads_back_equal(tmp_path: Path, task: str) -> None:
    root = tmp_path / "films"
    labels: list[int | tuple[float, ...]] = [0, 1] if task == "multiclass" else [(1, 0.25), (0, 1)]
    cases = tuple(
        Case(
            f"case, {n}",
            root / f"{n}.png",
            label,
            patient="p",
            split="train",
            mask=root / "m.png" if n else None,
            class_masks={"b, c": root / "b.png"} if n else {},
            variants={"off": root / "o.png"} if n else {},
        )
        for n, label in enumerate(labels)
    )
    cohort = Cohort(
        root, "multilabel" if task == "multilabel" else "multiclass", ("a", "b, c"), cases, (-1000.0, 400.0), "HU"
    )
    assert read_table(write_cohort(cohort, root)) == cohort
    elsewhere = read_table(write_cohort(cohort, tmp_path / "elsewhere"))
    assert elsewhere == replace(cohort, root=tmp_path / "elsewhere")


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize(
    "column", ["mask_source", "patient_age", "Split-date", "label_date", "id_2", "sources", "masks"]
)
def test_columns_of_its_own_are_read_back_though_they_resemble_one_that_is_empty(
    tmp_path: Path, task: Task, column: str
) -> None:
    label: int | tuple[float, ...] = 0 if task == "multiclass" else (1.0,)
    cases = tuple(Case(f"{n}.png", tmp_path / f"{n}.png", label, f"{n}.png", about={column: "x"}) for n in range(2))
    cohort = Cohort(tmp_path, task, ("a",), cases)
    assert read_table(write_cohort(cohort, tmp_path)) == cohort
    assert "mask" not in write_cohort(replace(cohort, cases=(replace(cases[0], about={}),)), tmp_path).read_text()


def test_files_are_written_relative_to_the_table(folder: Path, tmp_path: Path) -> None:
    path = write_cohort(read_class_folders(folder), tmp_path / "tables")
    assert str(tmp_path) not in path.read_text()
    assert f"..{os.sep}films{os.sep}ill{os.sep}0.png" in path.read_text()
    assert {file.name for file in path.parent.iterdir()} == {"cohort.csv", "cohort.yaml"}


@pytest.mark.parametrize(
    ("text", "head", "message"),
    [
        ("image,label\na,wel\nb,x\n", "classes: [well, ill]", r"line 2: label 'wel' .*'well'\? \(and 1 more\)$"),
        ("image,label,pateint\na.png,ill,1\n", "", r"^cohort.csv: unknown column 'pateint'; did you mean 'patient'\?$"),
        ("image,label,patient_key\na.png,ill,1\n", "", r"unknown column 'patient_key'; did you mean 'patient'\?"),
        ("image,label,mask_file\na.png,ill,1\n", "", r"unknown column 'mask_file'; did you mean 'mask'\?"),
        ("image,label,mask:il\na.png,ill,1\n", "", r"column 'mask:il' names no class; did you mean 'ill'\?"),
        ("path,label\na.png,ill\n", "", r"needs a column 'image'; it has path, label"),
        ("image\na.png\n", "", r"needs a column 'label', or a cohort.yaml that names the classes"),
        ("image,edema\na.png,2\n", "classes: [edema]", r"line 2: label of 'edema' must be 0, 1, .* got '2'"),
        ("image,edema\na.png,yes\n", "classes: [edema]", r"got 'yes'"),
        ("image,label,mask\n,ill,m.png\n", "", r"line 2: mask without image"),
        ("image,label\n,ill\n", "", r"line 2: no image"),
        ("image,label\na.png,ill\na.png,ill\n", "", r"id 'a.png' is there twice"),
        ("image,label\na.png,ill,x\n", "", r"line 2: 3 cells in a table of 2 columns"),
        ("image,label\n", "", r"^cohort.csv has no rows$"),
        ("", "", r"^cohort.csv has no rows$"),
        ('image,label\na.png,"ill\n', "", r"not a table of comma-separated values"),
        ("image,label\na.png,ill\n", "clases: [ill]", r"^cohort.yaml: unknown key 'clases'; did you mean 'classes'\?"),
        ("image,label\na.png,ill\n", "task: multi", r"task must be one of .* multilabel, got 'multi'"),
        ("image,label\na.png,ill\n", "task: binary", r"a binary task has two classes, got ill"),
        ("image,label\na.png,no\n", "classes: [yes, no]", r"classes must be a list of names \(in quotes"),
        ("image,label\na.png,ill\n", "classes: [ill, ill]", r"class 'ill' is there twice"),
        ("image,label\na.png,ill\n", "value_range: [5, 1]", r"value_range must be two growing numbers"),
        ("image,label\na.png,ill\n", "classes: [ill", r"^cohort.yaml: .*line 1"),
        ("image,label\na.png,ill\n", "ill", r"cohort.yaml must hold keys such as `task: multiclass`, got str"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(tmp_path: Path, text: str, head: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(table(tmp_path, text, head))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_an_unknown_column_that_resembles_nothing_missing_is_kept(tmp_path: Path) -> None:
    text = "image,label,patient,patient_age,height\na.png,ill,p,61,1.80\n"
    (case,) = read_table(table(tmp_path, text)).cases
    assert case.patient == "p"
    assert case.about == {"patient_age": "61", "height": "1.80"}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"no table at .*none.csv"):
        read_table(tmp_path / "none.csv")
