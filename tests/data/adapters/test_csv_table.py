import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort
from sightline.data.adapters import CsvTable
from sightline.errors import DataError, DataNotFoundError, SettingsError

Save = Callable[[Path, np.ndarray], Path]
GREY = np.full((4, 6), 128, np.uint8)
HEADER = "file;who;dx;ViewPosition;years;gender;site;set;roi;Edema;Mass;quality"
ROWS = (
    "a.png;p1;ill;AP;45;female;north;train;a.png;1;0;good",
    "b.png;p1;well;PA;045Y;Male;north;train;;0;;good",
    "sub/c.png;p2;well;LATERAL;17;m;south;test;;-1;1;poor",
    "{root}/elsewhere/d.png;p3;other;PA;;x;south;test;;;0;good",
    "e.png;p4;;AP;50;f;south;test;;1;1;good",
)
OURS = {
    "image": "file",
    "patient": "who",
    "label": "dx",
    "view": "ViewPosition",
    "age": "years",
    "sex": "gender",
    "source": "site",
    "split": "set",
    "prefix": "images",
}


@pytest.fixture
def films(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "own"
    for name in ("images/a.png", "images/b.png", "images/sub/c.png", "images/e.png", "rois/a.png"):
        save(root / name, GREY)
    save(tmp_path / "elsewhere/d.png", GREY)
    (root / "list.csv").write_text("\n".join([HEADER, *ROWS]).format(root=tmp_path))
    return root


def test_columns_become_ours_and_files_may_be_relative_or_absolute(
    films: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    adapted = CsvTable(**OURS, mask="roi", mask_prefix="rois", keep=("quality",)).read(films, tmp_path / "out")
    cohort = reread(adapted.cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("ill", "other", "well"))
    assert [case.image for case in cohort.cases] == [
        films / "images/a.png",
        films / "images/b.png",
        films / "images/sub/c.png",
        tmp_path / "elsewhere/d.png",
    ]
    assert [case.label for case in cohort.cases] == [0, 2, 2, 1]
    first, second, _, fourth = cohort.cases
    assert (first.patient, first.source, first.split) == ("p1", "north", "train")
    assert first.mask == films / "rois/a.png"
    assert second.mask is None
    assert first.about == {"age": "45", "sex": "F", "view": "AP", "quality": "good"}
    assert second.about["age"] == "45"
    assert fourth.about == {"view": "PA", "quality": "good"}
    assert [(left.id, left.reason) for left in adapted.left_out] == [("e.png", "has a label")]


def test_several_columns_are_several_labels(films: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]) -> None:
    cohort = reread(CsvTable(image="file", prefix="images", labels=("Edema", "Mass")).read(films, tmp_path).cohort)
    assert (cohort.task, cohort.classes) == ("multilabel", ("Edema", "Mass"))
    assert np.array_equal(
        [case.label for case in cohort.cases],
        [(1, 0), (0, math.nan), (math.nan, 1), (math.nan, 0), (1, 1)],
        equal_nan=True,
    )
    assert [case.patient for case in cohort.cases][:2] == ["a.png", "b.png"]
    read = CsvTable(image="file", prefix="images", labels=("Mass",), uncertain="positive", blank="negative")
    assert [case.label for case in read.read(films, tmp_path).cohort.cases] == [(0,), (0,), (1,), (0,), (1,)]


@pytest.mark.parametrize(
    ("where", "stay"),
    [
        (("ViewPosition=AP,PA",), ["a.png", "b.png", "d.png"]),
        (("view=AP,PA", "age>=18"), ["a.png", "b.png"]),
        (("Mass>0",), ["c.png"]),
        (("years < 18",), ["c.png"]),
        (("quality!=poor", "dx!=other"), ["a.png", "b.png"]),
        (("gender=x",), ["d.png"]),
    ],
)
def test_conditions_choose(films: Path, tmp_path: Path, where: tuple[str, ...], stay: list[str]) -> None:
    adapted = CsvTable(**OURS, where=where).read(films, tmp_path / "out")
    assert [case.image.name for case in adapted.cohort.cases] == stay
    assert [count.rule for count in adapted.census[1:]] == list(where)


def test_classes_are_those_asked_for_or_those_left(films: Path, tmp_path: Path) -> None:
    cohort = CsvTable(**OURS, classes=("well", "ill")).read(films, tmp_path / "out").cohort
    assert cohort.classes == ("well", "ill")
    assert [case.label for case in cohort.cases] == [1, 0, 0]
    assert CsvTable(**OURS, where=("dx=ill",)).read(films, tmp_path / "out").cohort.classes == ("ill",)
    with pytest.raises(SettingsError, match=r"column 'dx' has no class 'wel'; did you mean 'well'\?"):
        CsvTable(**OURS, classes=("wel",)).read(films, tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"where": ("PA",)}, r"where must be conditions such as view=AP,PA or age>=18, got 'PA'; put one with a comma"),
        ({"where": ("age>=old",)}, r"'age>=old' must compare with a number"),
        ({"labels": ("a",), "classes": ("b",)}, r"classes are those of label"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        CsvTable(**settings)  # type: ignore[arg-type]


def test_unknown_columns_are_named(films: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"where: 'quallity=good': no column 'quallity'; did you mean 'quality'\?"):
        CsvTable(**OURS, where=("quallity=good",)).read(films, tmp_path / "out")
    with pytest.raises(DataError, match=r"list.csv has no column 'image'; expected image, label; found file, who"):
        CsvTable().read(films, tmp_path / "out")


def test_the_table_may_be_given_by_name_where_there_are_several(films: Path, tmp_path: Path) -> None:
    (films / "other.tsv").write_text("a\tb\n")
    with pytest.raises(SettingsError, match=r"which of list.csv, other.tsv\? Say table=NAME"):
        CsvTable(**OURS).read(films, tmp_path / "out")
    assert len(CsvTable(**OURS, table=Path("list.csv")).read(films, tmp_path / "out").cohort.cases) == 4
    assert len(CsvTable(**OURS).read(films / "list.csv", tmp_path / "out").cohort.cases) == 4
    with pytest.raises(DataNotFoundError, match=r"no file lost.csv, neither in own nor where you are"):
        CsvTable(**OURS, table=Path("lost.csv")).read(films, tmp_path / "out")


def test_missing_images_doubles_and_folders_without_a_table_are_refused(films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"table: expected \*.csv in images, found a.png, b.png"):
        CsvTable(**OURS).read(films / "images", tmp_path / "out")
    (films / "images/b.png").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 4 images are not there, first images/b.png"):
        CsvTable(**OURS).read(films, tmp_path / "out")
    assert len(CsvTable(**OURS, partial=True).read(films, tmp_path / "out").cohort.cases) == 3
    table = films / "list.csv"
    table.write_text(table.read_text().replace("b.png", "a.png"))
    with pytest.raises(DataError, match=r"list.csv: image a.png is there twice, of 1 such"):
        CsvTable(**OURS).read(films, tmp_path / "out")
    table.write_text(HEADER)
    with pytest.raises(DataError, match=r"list.csv has no rows with a label"):
        CsvTable(**OURS).read(films, tmp_path / "out")
