import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from sightline.cli.main import main
from sightline.cli.preparing.tables import lone_sources, split_table
from sightline.data import Case, Cohort, read_cohort, write_cohort

SIDE = 48


def film(seed: int) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), 1.5)
    return (128 + 90 * noise / np.abs(noise).max()).astype(np.uint8)


@pytest.fixture
def films(tmp_path: Path) -> Cohort:
    """48 films of 24 people; the corner tells the class, and the class of hospital south is always ill."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[16:32, 16:32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    cases = []
    for number in range(48):
        label, file = number // 2 % 2, tmp_path / f"{number}.png"
        pixels = film(number)
        pixels[:6, :6] = 250 if label else 5
        Image.fromarray(pixels).save(file)
        source = "south" if label and number % 3 == 0 else "north"
        split = "train" if number < 36 else "test"
        cases.append(Case(str(number), file, label, f"p{number // 2}", source, split, mask=tmp_path / "mask.png"))
    cohort = Cohort(tmp_path, "multiclass", ("well", "ill"), tuple(cases))
    write_cohort(cohort, tmp_path)
    return cohort


def check(cohort: Cohort, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert main(["prepare", "check", str(cohort.root), "--json", "-q", *words]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_classes_by_split_and_source_are_counted(films: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    table = check(films, capsys, "--no-pixels")["table"]
    assert table == [
        {"split": "train", "source": "north", "well": "18", "ill": "12", "images": "30", "patients": "18"},
        {"split": "train", "source": "south", "well": "0", "ill": "6", "images": "6", "patients": "6"},
        {"split": "test", "source": "north", "well": "6", "ill": "4", "images": "10", "patients": "6"},
        {"split": "test", "source": "south", "well": "0", "ill": "2", "images": "2", "patients": "2"},
    ]
    assert main(["prepare", "check", str(films.root), "--no-pixels"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "nothing wrong: 48 images of 2 classes (train 36, test 12)"
    assert "note: class 'well' comes in split 'train' from one source only, 'north'" in told
    assert told.splitlines()[-4].split() == ["train", "north", "18", "12", "30", "18"]


def test_several_labels_count_in_each_class_and_none_apart() -> None:
    labels = [(1.0, 1.0), (0.0, 0.0), (0.0, float("nan")), (0.0, 1.0)]
    cases = tuple(Case(str(n), Path(f"/x/{n}.png"), label, f"p{n}") for n, label in enumerate(labels))
    cohort = Cohort(Path("/x"), "multilabel", ("a", "b"), cases)
    assert split_table(cohort) == (
        ["split", "source", "a", "b", "(none)", "images", "patients"],
        [["-", "-", "1", "2", "2", "4", "4"]],
    )
    assert lone_sources(cohort) == [], "there is one source for all"


def test_copies_in_two_splits_are_a_problem_and_inside_of_one_a_note(
    films: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(films, capsys)["copies"] == []
    Image.fromarray(255 - np.asarray(Image.open(films.root / "0.png"))).save(films.root / "41.png")
    (films.root / "5.png").write_bytes((films.root / "4.png").read_bytes())
    told = check(films, capsys, code=3)
    assert [(each["first"], each["second"], each["identical"], each["parted"]) for each in told["copies"]] == [
        ("4", "5", True, False),
        ("0", "41", False, True),
    ]
    (problem,) = told["problems"]
    assert problem["case"] == "0"
    assert problem["what"].startswith("0.png and 41.png: copies of one image (correlation -")
    assert problem["what"].endswith("in splits 'train' and 'test'")
    assert main(["prepare", "check", str(films.root), "-q"]) == 3
    assert "note: 1 pairs of copies inside of a split" in capsys.readouterr().out


def test_copies_with_different_labels_are_a_problem(films: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    (films.root / "2.png").write_bytes((films.root / "0.png").read_bytes())
    (problem,) = check(films, capsys, code=3)["problems"]
    assert problem["what"] == "0.png and 2.png: the same file, with different labels"


def test_patients_in_two_splits_are_a_problem(films: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    cases = (*films.cases[:-1], replace(films.cases[-1], patient="p0"))
    write_cohort(replace(films, cases=cases), films.root)
    (problem,) = check(films, capsys, "--no-pixels", code=3)["problems"]
    assert problem["what"] == "patient 'p0' is in several splits: 'train' (0.png) and 'test' (47.png)"


def test_a_store_keeps_what_was_read(films: Cohort, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = tmp_path / "kept.sqlite"
    once = check(films, capsys, "--store", str(store))
    assert store.is_file()
    assert check(films, capsys, "--store", str(store)) == once


def test_a_probe_tells_the_class_from_the_corner(films: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    probe = check(films, capsys, "--probe", "--erase", "box", "--margin", "0.05")["probe"]
    assert probe["images"] == 36, "of the split train"
    assert probe["settings"]["erase"] == "box"
    areas = {(each["view"], each["target"], each["shuffled"]): each["auroc"] for each in probe["scores"]}
    assert areas["background", "class", False]["low"] > 0.9
    assert areas["border", "class", False]["low"] > 0.9
    assert areas["background", "class", True]["low"] < 0.5 < areas["background", "class", True]["high"]
    assert check(films, capsys, "--probe", "--splits", "train", "test")["probe"]["images"] == 48
    assert main(["prepare", "check", str(films.root), "-q", "--probe", "--images", "30"]) == 0
    told = capsys.readouterr().out
    assert "linear probe, 32 px, 5 folds by patient: 30 images of " in told
    assert "patients; erased: its convex hull, grown by 3% of the side; border: 10% of the side" in told
    (line,) = (line for line in told.splitlines() if line.startswith("the image with the region erased, labels"))
    assert line.count("[") == 2, "of class and source one column each, since both are of two"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network"], "error: --network is for the probe; add --probe"),
        (["--margin", "0.1"], "error: --margin is for the probe; add --probe"),
        (["--no-pixels", "--probe"], "error: --no-pixels leaves nothing to look at"),
        (["--probe", "--margin", "0.7"], "error: margin must be a share of the side in [0, 0.5), got 0.7"),
        (["--probe", "--splits", "tran"], "error: no split 'tran' in the cohort; did you mean 'train'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, films: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "check", str(films.root), "-q", *words]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1


def test_a_split_keeps_copies_together_if_asked(films: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve people of one film each, and of each film a brighter copy that is said to be of somebody else."""
    cases = []
    for number in range(24):
        pixels = film(number % 12)
        file = films.root / f"copy{number}.png"
        Image.fromarray(pixels if number < 12 else (255 * (pixels / 255) ** 0.7).astype(np.uint8)).save(file)
        cases.append(Case(str(number), file, number % 2, f"p{number}"))
    write_cohort(replace(films, cases=tuple(cases)), films.root)
    words = ["prepare", "split", str(films.root), "--fractions", "a=0.5,b=0.5", "-q"]
    assert main([*words, "--out", str(films.root / "by_patient"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["copies"] == 0
    assert main([*words, "--out", str(films.root / "by_copy"), "--copies", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["copies"] == 12

    def parted(folder: str) -> int:
        split = {case.id: case.split for case in read_cohort(films.root / folder).cases}
        return sum(split[str(number)] != split[str(number + 12)] for number in range(12))

    assert parted("by_patient") > 0
    assert parted("by_copy") == 0
    assert main(["prepare", "check", str(films.root / "by_copy"), "-q"]) == 0
    assert main(["prepare", "check", str(films.root / "by_patient"), "-q"]) == 3
    assert main([*words, "--out", str(films.root / "c"), "--store", "s"]) == 2
