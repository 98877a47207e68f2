from pathlib import Path

import pytest

from sightline.cli.opening import open_runs, runs_in
from sightline.errors import RunError


def make_run(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"name: {name}\ndata:\n  cohort: somewhere\n")
    return folder


def test_runs_and_folders_of_runs_are_opened_by_name(tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "many" / "a", "plain"), make_run(tmp_path / "many" / "b", "isnet")
    other = make_run(tmp_path / "other", "gain")
    assert runs_in(tmp_path / "many") == [first, second]
    assert runs_in(first) == []
    found = open_runs([other, tmp_path / "many"])
    assert {name: run.path for name, (_, run) in found.items()} == {"gain": other, "plain": first, "isnet": second}


def test_runs_of_one_name_are_refused_or_named_by_their_folders(tmp_path: Path) -> None:
    plain, again = make_run(tmp_path / "a" / "plain", "plain"), make_run(tmp_path / "b" / "again", "plain")
    isnet = make_run(tmp_path / "isnet", "isnet")
    with pytest.raises(RunError, match="two runs are called plain"):
        open_runs([plain, again, isnet])
    found = open_runs([plain, again, isnet], rename=True)
    assert {name: run.path for name, (_, run) in found.items()} == {"plain": plain, "again": again, "isnet": isnet}


def test_as_much_of_the_path_is_told_as_tells_them_apart(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / side / "run", "plain") for side in ("a", "b")]
    assert list(open_runs(folders, rename=True)) == ["a/run", "b/run"]


def test_no_run_gets_the_name_of_another(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / "a" / "isnet", "plain"), make_run(tmp_path / "b" / "again", "plain")]
    isnet = make_run(tmp_path / "c", "isnet")
    assert list(open_runs([*folders, isnet], rename=True)) == ["a/isnet", "b/again", "isnet"]


def test_a_run_that_is_named_twice_is_taken_once_or_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "plain")
    assert list(open_runs([run, tmp_path / "." / "run"], rename=True)) == ["plain"]
    with pytest.raises(RunError, match="two runs are called plain"):
        open_runs([run, run])
