import json
from pathlib import Path

import numpy as np
import pytest

from sightline import __version__
from sightline.errors import RunError
from sightline.evaluation.audit import Folder, Section, store
from sightline.evaluation.audit.store import fingerprint

VALUES = {"a": np.array([[0.1, np.nan]]), "b": np.array([3], np.int64)}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "audit")
    made.begin({"model": "aa", "seed": 0})
    return made


def test_what_is_kept_reads_back(folder: Folder) -> None:
    assert folder.read_chunk("outside", 3) is None
    folder.write_chunk("outside", 3, VALUES)
    again = folder.read_chunk("outside", 3)
    assert again is not None
    assert again.keys() == VALUES.keys()
    for name, values in VALUES.items():
        np.testing.assert_array_equal(again[name], values)
        assert again[name].dtype == values.dtype
    assert folder.read_chunk("outside", 2) is None
    assert folder.read_chunk("inside", 3) is None


@pytest.mark.parametrize("harm", ["nothing left", "half of it", "words", "one byte of an array"])
def test_a_broken_file_counts_as_nothing(folder: Folder, harm: str) -> None:
    folder.write_chunk("outside", 0, {"a": np.arange(4000.0)})
    file = folder.path / "measured" / "outside" / "00000.npz"
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 0xFF
    broken = {"nothing left": b"", "half of it": held[: len(held) // 2], "words": b"not an archive"}
    file.write_bytes(broken.get(harm, held))
    assert folder.read_chunk("outside", 0) is None
    assert not file.exists(), "so that it is measured again"


def test_an_object_in_a_file_is_not_unpickled(folder: Folder) -> None:
    file = folder.path / "measured" / "outside" / "00000.npz"
    file.parent.mkdir(parents=True)
    np.savez(file, a=np.array([{"any": "thing"}], dtype=object))
    assert folder.read_chunk("outside", 0) is None


def test_sections_are_kept(folder: Folder) -> None:
    section = Section("outside", "Does it?", "good", "No.")
    assert folder.read_section("outside") is None
    folder.write_section(section)
    assert folder.read_section("outside") == section


def test_the_same_audit_goes_on_and_another_is_refused(folder: Folder) -> None:
    folder.write_chunk("outside", 0, VALUES)
    folder.begin({"seed": 0, "model": "aa"})
    assert folder.read_chunk("outside", 0) is not None
    with pytest.raises(RunError, match=r"an audit with another model, more; .*--out, or replace it with --again"):
        folder.begin({"model": "bb", "seed": 0, "more": 1})
    assert folder.read_chunk("outside", 0) is not None, "a refusal loses nothing"


def test_another_audit_may_replace_it(folder: Folder) -> None:
    folder.write_chunk("outside", 0, VALUES)
    folder.write_section(Section("outside", "Does it?", "good", "No."))
    folder.begin({"model": "bb", "seed": 0}, again=True)
    assert folder.read_chunk("outside", 0) is None
    assert folder.read_section("outside") is None
    assert json.loads((folder.path / "asked.json").read_text()) == {
        "model": "bb",
        "seed": 0,
        "sightline": __version__,
    }


def test_what_another_version_measured_is_kept_and_told(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_chunk("outside", 0, VALUES)
    folder.begin({"model": "aa", "seed": 0})
    assert not caplog.text
    monkeypatch.setattr(store, "__version__", "9.0")
    folder.begin({"model": "aa", "seed": 0})
    assert f"was begun by sightline {__version__}; --again measures all by 9.0" in caplog.text
    folder.write_chunk("outside", 1, VALUES)
    kept = [np.load(folder.path / "measured" / "outside" / f"{number:05d}.npz") for number in (0, 1)]
    assert [str(each["sightline"]) for each in kept] == [__version__, "9.0"]


def test_a_process_that_measures_must_see_the_same(folder: Folder, tmp_path: Path) -> None:
    folder.check({"model": "aa", "seed": 0, "resampling": "other"})
    with pytest.raises(RunError, match=r"^a process that measures sees another model than the command did; do all"):
        folder.check({"model": "bb", "seed": 0})
    with pytest.raises(RunError, match=r"^no audit in .* for a process that measures; do all machines see the same"):
        Folder(tmp_path / "elsewhere").check({"model": "aa", "seed": 0})
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="holds something else than an audit"):
        Folder(tmp_path).begin({"model": "aa"})
    with pytest.raises(RunError, match="holds something else than an audit"):
        Folder(tmp_path).begin({"model": "aa"}, again=True)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_fingerprint_tells_values_names_shapes_and_kinds_apart() -> None:
    one = np.arange(4.0)
    assert fingerprint({"a": one, "b": one + 1}) == fingerprint({"b": one + 1, "a": one})
    others = [{"a": one + 1e-12}, {"b": one}, {"a": one.reshape(2, 2)}, {"a": one.astype(np.float32)}, {}]
    assert len({fingerprint(named) for named in [{"a": one}, *others]}) == 6
