import json
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.data.phantoms import make_phantom_cohort
from sightline.data.phantoms.ct import make_ct_cohort


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_options_it_is_the_cohort_of_the_demo(tmp_path: Path) -> None:
    words = ["prepare", "phantoms", str(tmp_path / "cli"), "-q", "--size", "32", "--counts", "train=3,val=1"]
    assert main(words) == 0
    made = make_phantom_cohort(tmp_path / "made", size=32, counts={"train": 3, "val": 1})
    assert files(tmp_path / "cli") == files(made)


@pytest.mark.parametrize(("option", "classes"), [("--findings", 5), ("--ct", 6)])
def test_findings_and_ct_are_cohorts_of_several_labels(
    option: str, classes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", "phantoms", str(tmp_path / "c"), option, "-q", "--size", "32", "--counts", "train=1,ood=1"]
    assert main([*words, "--seed", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == {"train": 1, "ood": 1}
    cohort = read_cohort(tmp_path / "c")
    assert (cohort.task, cohort.num_classes, len(cohort.cases)) == ("multilabel", classes, 2)
    assert main(words) == 2  # it is there already
    assert "holds a cohort already" in capsys.readouterr().err


def test_what_was_broken_off_is_made_again_to_the_same_files(tmp_path: Path) -> None:
    words = ["prepare", "phantoms", str(tmp_path), "--findings", "-q", "--size", "32", "--counts", "train=2"]
    assert main(words) == 0
    whole = files(tmp_path)
    (tmp_path / "cohort.csv").unlink()  # it is written last
    next((tmp_path / "images").glob("*.png")).write_bytes(b"")
    assert main(words) == 0
    assert files(tmp_path) == whole


def test_only_one_kind_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "phantoms", str(tmp_path), "--findings", "--ct"]) == 2
    assert "ask for one of them" in capsys.readouterr().err


def test_ct_is_made_with_organs_as_regions_and_objects_that_give_findings_away(tmp_path: Path) -> None:
    words = ["prepare", "phantoms", str(tmp_path / "cli"), "--ct", "-q", "--size", "32", "--counts", "train=1,test=1"]
    choice = ["--slice-mm", "12", "--least-severity", "0.5", "--regions", "organs", "--bias", "0.9"]
    assert main([*words, *choice]) == 0
    made = make_ct_cohort(
        tmp_path / "made",
        size=32,
        counts={"train": 1, "test": 1},
        slice_mm=12,
        least_severity=0.5,
        regions="organs",
        bias=0.9,
    )
    assert files(tmp_path / "cli") == files(made)


def test_what_is_of_ct_is_refused_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "phantoms", str(tmp_path), "--slice-mm", "4", "--findings"]) == 2
    assert "--slice-mm is of CT; add --ct" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_radiographs_take_a_bias_and_those_with_findings_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", "phantoms", str(tmp_path / "cli"), "-q", "--size", "32", "--counts", "test=9", "--bias", "0"]
    assert main(words) == 0
    made = make_phantom_cohort(tmp_path / "made", size=32, counts={"test": 9}, bias=0.0)
    assert files(tmp_path / "cli") == files(made)
    assert main(["prepare", "phantoms", str(tmp_path / "no"), "--findings", "--bias", "0"]) == 2
    assert "--bias is not for --findings" in capsys.readouterr().err
