from pathlib import Path

import pytest

from sightline.errors import ExportError
from sightline.exporting.place import new_folder, sizes


def write(target: Path, text: str, *, again: bool = False) -> None:
    with new_folder(target, again=again) as folder:
        (folder / "model.json").write_text(text)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "onnx"

    def half() -> None:
        with new_folder(target) as folder:
            (folder / "half").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert list((tmp_path / "a").iterdir()) == []
    write(target, "whole")
    assert sizes(target) == {"model.json": 5}
    assert list((tmp_path / "a").iterdir()) == [target]


def test_an_export_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "onnx"
    write(target, "one")
    with pytest.raises(ExportError, match="exists already; replace it with --again"):
        write(target, "two")
    assert (target / "model.json").read_text() == "one"
    write(target, "three", again=True)
    assert (target / "model.json").read_text() == "three"
    assert list(tmp_path.iterdir()) == [target]


def test_what_an_export_did_not_write_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "onnx"
    target.mkdir()
    (target / "thesis.txt").write_text("years")
    with pytest.raises(ExportError, match="was not written by an export, so it is not replaced"):
        write(target, "x", again=True)
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(ExportError, match="not written by an export"):
        write(link, "x", again=True)
    assert (target / "thesis.txt").read_text() == "years"
