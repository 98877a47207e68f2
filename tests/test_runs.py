import json
from pathlib import Path

import pytest

from sightline.errors import RunError
from sightline.runs import RunFolder, atomic_path, is_empty, write_json, write_text


def test_a_write_replaces_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "text.txt"
    write_text(path, "before")
    with atomic_path(path) as temporary:
        temporary.write_text("äfter", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "before"
        assert temporary.parent == path.parent
    assert path.read_text(encoding="utf-8") == "äfter"
    assert [file.name for file in path.parent.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "text.txt"
    write_text(path, "before")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text(encoding="utf-8") == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["text.txt"]


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_text(tmp_path / "text.txt", "")
    assert (tmp_path / "text.txt").stat().st_mode & 0o777 == 0o644


def test_what_json_cannot_hold_becomes_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [float("nan"), 1.5, {"b": float("-inf")}], "c": (1, "ü", None, True)})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, 1.5, {"b": None}], "c": [1, "ü", None, True]}
    assert "ü" in text


def test_a_run_is_a_new_or_an_empty_folder(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path / "runs" / "a").path.is_dir()
    RunFolder.create(tmp_path / "runs" / "a")
    (tmp_path / "runs" / "a" / "file").touch()
    for taken in (tmp_path / "runs" / "a", tmp_path / "runs" / "a" / "file"):
        with pytest.raises(RunError, match="exists already; choose another name, or continue it with --resume"):
            RunFolder.create(taken)


def test_a_folder_without_settings_is_no_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match=r"is not a run folder: it has no config\.yaml"):
            RunFolder.open(path)
    write_text(tmp_path / "config.yaml", "seed: 3\n")
    assert RunFolder.open(tmp_path).config == {"seed": 3}


def test_what_happened_is_read_back(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    assert run.status == {}
    assert run.metrics == []
    write_json(tmp_path / "status.json", {"state": "done"})
    write_text(tmp_path / "metrics.jsonl", '{"step": 1}\n{"step": 2}\n{"st')  # killed while writing
    assert run.status == {"state": "done"}
    assert run.metrics == [{"step": 1}, {"step": 2}]


def test_every_file_has_its_place(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    files = (run.weights, run.checkpoint, run.best_weights, run.evaluation("test"), run.evaluation("val", "off"))
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        "model.safetensors",
        "checkpoints/last.pt",
        "checkpoints/best.safetensors",
        "evaluation/test",
        "evaluation/val-off",
    ]


def test_a_folder_in_which_the_first_write_was_killed_is_still_free(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.abc.part").write_text("na")
    assert is_empty(tmp_path)
    RunFolder.create(tmp_path)
    (tmp_path / "notes.part").write_text("somebody's own")
    with pytest.raises(RunError, match="exists already"):
        RunFolder.create(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"), [("config.yaml", "a: ["), ("status.json", '{"state"'), ("metrics.jsonl", '{"a": 1}\n{"a"\n')]
)
@pytest.mark.parametrize("broken", [False, True])
def test_a_damaged_file_of_a_run_is_named(tmp_path: Path, name: str, text: str, broken: bool) -> None:
    (tmp_path / name).write_bytes(b"\xff\n" if broken else text.encode())
    with pytest.raises(RunError, match=rf"{name} is damaged"):
        getattr(RunFolder(tmp_path), name.split(".")[0])
