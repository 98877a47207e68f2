from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline.data.check import Problem, check_cohort, raise_on_problems, readable_cases
from sightline.data.cohort import Case, Cohort
from sightline.data.readers.checksums import sha256_of, with_checksums
from sightline.data.reading import read_cohort
from sightline.errors import DataError, MissingExtraError

Save = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def cohort(folder: Path) -> Cohort:
    return read_cohort(folder)


def with_first(cohort: Cohort, **changes: object) -> Cohort:
    first: Case = replace(cohort.cases[0], **changes)  # type: ignore[arg-type]
    return replace(cohort, cases=(first, *cohort.cases[1:]))


def whats(cohort: Cohort, *, pixels: bool = True) -> list[str]:
    problems = check_cohort(cohort, pixels=pixels)
    assert all("\n" not in p.what and str(cohort.root) not in p.what for p in problems)
    return [problem.what for problem in problems]


def test_a_good_cohort_has_no_problem(cohort: Cohort) -> None:
    assert whats(cohort) == []
    raise_on_problems([])


def test_a_missing_file_is_found_without_reading_pixels(cohort: Cohort, folder: Path) -> None:
    (folder / "ill" / "0.png").unlink()
    (folder / "masks" / "well" / "2.png").unlink()
    expected = ["ill/0.png: no such file", "masks/well/2.png: no such file"]
    assert whats(cohort, pixels=False) == whats(cohort) == expected


def test_every_broken_file_is_named(cohort: Cohort, folder: Path, save: Save) -> None:
    (folder / "ill" / "0.png").write_bytes(b"")
    save(folder / "masks" / "ill" / "1.png", np.zeros((16, 20), np.uint8))
    save(folder / "masks" / "ill" / "2.png", np.ones((16, 21), np.uint8))
    found = check_cohort(cohort, pixels=True)
    assert [problem.case for problem in found] == ["ill/0.png", "ill/1.png", "ill/2.png"]
    assert found[0].what.startswith("ill/0.png: unreadable or truncated image")
    assert found[1].what.startswith("masks/ill/1.png: empty mask")
    assert found[2].what.startswith("masks/ill/2.png: mask has 21 x 16 pixels, but its image ill/2.png has 20 x 16")
    assert whats(cohort, pixels=False) == []


def test_gaze_that_is_missing_or_broken_is_found(cohort: Cohort, folder: Path) -> None:
    table = folder / "gaze" / "0.csv"
    watched = with_first(cohort, gaze=table)
    assert whats(watched, pixels=False) == whats(watched) == ["gaze/0.csv: no such file"]
    table.parent.mkdir()
    table.write_text("x,y,t\n1,2,3\n")
    assert whats(watched, pixels=False) == []
    (what,) = whats(watched)
    assert what.startswith("gaze/0.csv: gaze needs columns x, y, start, duration")
    table.write_text("x,y,start,duration\n1,2,0,1\n")
    assert whats(watched) == []


def test_nan_pixels_are_found(cohort: Cohort, folder: Path, save: Save) -> None:
    file = save(folder / "nan.npy", np.full((16, 20), np.nan, np.float32))
    assert whats(with_first(cohort, image=file)) == ["nan.npy: 320 of 320 pixels are NaN or infinite"]


def test_a_class_mask_and_a_variant_are_checked_too(cohort: Cohort, folder: Path, save: Save) -> None:
    other = save(folder / "other.png", np.ones((16, 21), np.uint8))
    changed = with_first(cohort, class_masks={"ill": other}, variants={"off": other, "swapped": folder / "none.png"})
    found = whats(changed)
    assert found[0] == "none.png: no such file"
    assert found[1] == "other.png: not of the size of ill/0.png"
    assert found[2].startswith("other.png: mask has 21 x 16 pixels")


def test_a_class_without_a_sample_is_found_overall_and_in_training(cohort: Cohort) -> None:
    assert whats(replace(cohort, classes=("ill", "well", "zebra"))) == ["class 'zebra' has no sample in the cohort"]
    cases = tuple(replace(case, split="train" if case.label else "test") for case in cohort.cases)
    assert whats(replace(cohort, cases=cases)) == ["class 'ill' has no sample in split 'train'"]


def test_a_patient_in_two_splits_is_named_with_both(cohort: Cohort) -> None:
    cases = tuple(
        replace(case, patient="p7", split=split)
        for case, split in zip(cohort.cases, ["train", "train", "val", "train", "train", "train"], strict=True)
    )
    (what,) = whats(replace(cohort, cases=cases))
    assert what == "patient 'p7' is in several splits: 'train' (ill/0.png) and 'val' (ill/2.png)"
    elsewhere = tuple(replace(case, source="there") if case.split == "val" else case for case in cases)
    assert whats(replace(cohort, cases=elsewhere)) == []  # the same id in two sources is two people


def test_labels_outside_the_classes_are_found(cohort: Cohort) -> None:
    assert whats(with_first(cohort, label=2)) == ["ill/0.png: label 2 is not one of the 2 classes"]
    assert whats(with_first(cohort, label=(1.0,)))[0].startswith(
        "ill/0.png: label (1.0,) does not fit a multiclass task"
    )
    several = replace(cohort, task="multilabel", cases=tuple(replace(c, label=(1.0, 1.0)) for c in cohort.cases))
    assert whats(several) == []
    assert whats(with_first(several, label=(float("nan"), 2.0))) == ["ill/0.png: label 2 is not in [0, 1]"]
    assert whats(with_first(several, label=1))[0].startswith("ill/0.png: label 1 does not fit a multilabel task")


def test_raising_tells_the_first_and_counts_the_others() -> None:
    with pytest.raises(DataError, match=r"^a: bad$"):
        raise_on_problems([Problem("a", "a: bad")])
    with pytest.raises(DataError, match=r"^a: bad \(and 2 more: `sightline prepare check` lists them\)$"):
        raise_on_problems([Problem("a", "a: bad")] * 3)


def test_a_file_that_is_not_the_one_it_was_is_found_by_its_checksum(cohort: Cohort, folder: Path, save: Save) -> None:
    known = with_checksums(cohort)
    assert whats(known) == []
    was = known.cases[0].sha256
    save(folder / "ill" / "0.png", np.zeros((16, 20), np.uint8))
    now = sha256_of(folder / "ill" / "0.png")
    assert whats(known) == [f"ill/0.png: its sha256 is {now}, not {was} as the cohort says"]
    assert whats(known, pixels=False) == []


def test_a_part_of_a_file_is_there_if_the_file_is(cohort: Cohort, folder: Path) -> None:
    np.savez(folder / "films.npz", a=np.ones((16, 20), np.uint8))
    assert whats(with_first(cohort, image=folder / "films.npz#a")) == []
    (what,) = whats(with_first(cohort, image=folder / "films.npz#b"))
    assert what.startswith("films.npz#b: no array 'b'")


def test_cases_with_broken_files_are_left_out_and_listed(cohort: Cohort, folder: Path, save: Save) -> None:
    (folder / "ill" / "0.png").write_bytes(b"")
    (folder / "ill" / "2.png").unlink()
    save(folder / "masks" / "well" / "1.png", np.zeros((16, 20), np.uint8))
    done: list[tuple[int, int]] = []
    left, problems = readable_cases(cohort, progress=lambda *n: done.append(n))
    assert [case.id for case in left.cases] == ["ill/1.png", "well/0.png", "well/2.png"]
    assert [problem.case for problem in problems] == ["ill/0.png", "ill/2.png", "well/1.png"]
    assert problems[1].what == "ill/2.png: no such file"
    assert done == [(number, 6) for number in range(1, 7)]
    with pytest.raises(
        DataError, match=r"^ill/0.png: unreadable .*\(and 2 more: `sightline prepare check` lists them\)$"
    ):
        readable_cases(cohort, strict=True)


def test_a_cohort_without_broken_files_stays_as_it_is(cohort: Cohort) -> None:
    assert readable_cases(cohort, strict=True) == (cohort, [])


def test_a_missing_codec_is_no_fault_of_a_file(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingExtraError("x: reading JPEG-LS needs the extra 'dicom': pip install 'sightline[dicom]'")

    monkeypatch.setattr("sightline.data.prepared.read_unit", missing)
    for check in (lambda: readable_cases(cohort), lambda: check_cohort(cohort, pixels=True)):
        with pytest.raises(MissingExtraError, match="needs the extra 'dicom'"):
            check()
