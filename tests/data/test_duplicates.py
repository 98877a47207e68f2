import io
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from sightline.data import Case, Cohort, split_by_patient
from sightline.data.duplicates import ALIKE, Copy, correlation, details, find_copies
from sightline.errors import SettingsError

Save = Callable[[Path, np.ndarray], Path]


@cache
def film(seed: int, side: int = 160) -> np.ndarray:
    """What all films have in common, and what one has of its own; uint8."""
    generator = np.random.default_rng(seed)
    common = gaussian_filter(np.random.default_rng(99).standard_normal((side, side)), 16)
    own = gaussian_filter(generator.standard_normal((side, side)), 3)
    pixels = 3 * common / common.std() + own / own.std()
    return (255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8)


def cohort_of(*files: Path, splits: str = "") -> Cohort:
    cases = tuple(Case(file.name, file, 0, f"p{n}") for n, file in enumerate(files))
    return Cohort(files[0].parent, "multiclass", ("a",), cases)


def pairs(copies: list[Copy]) -> list[tuple[str, str]]:
    return [(copy.first, copy.second) for copy in copies]


def jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "compressed": jpeg,
    "half as large": lambda pixels: np.asarray(Image.fromarray(pixels).resize((80, 80))),
    "squashed": lambda pixels: np.asarray(Image.fromarray(pixels).resize((160, 120))),
    "brighter": lambda pixels: (255 * (pixels / 255) ** 0.5).astype(np.uint8),
    "inverted": lambda pixels: 255 - pixels,
    "12 bits in 16": lambda pixels: pixels.astype(np.uint16) * 16,
    "equalised": lambda pixels: np.asarray(ImageOps.equalize(Image.fromarray(pixels))),
    "another window": lambda pixels: np.clip((pixels.astype(float) - 40) * 1.4, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_however_it_was_saved(change: str, tmp_path: Path, save: Save) -> None:
    files = [save(tmp_path / f"{seed}.png", film(seed)) for seed in range(6)]
    files.append(save(tmp_path / "copy.png", CHANGES[change](film(3))))
    (copy,) = find_copies(cohort_of(*files))
    assert (copy.first, copy.second, copy.identical) == ("3.png", "copy.png", False)
    assert abs(copy.correlation) >= ALIKE
    assert (copy.correlation < 0) == (change == "inverted")


def test_a_dicom_copy_is_found(tmp_path: Path, save: Save) -> None:
    pydicom = pytest.importorskip("pydicom")
    pixels = film(1, 96)
    stored = (4095 - pixels.astype(np.uint16) * 16).astype("<u2")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    about = {"SamplesPerPixel": 1, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
    about |= {"PhotometricInterpretation": "MONOCHROME1", "Rows": 96, "Columns": 96, "PixelData": stored.tobytes()}
    for keyword, value in about.items():
        setattr(dataset, keyword, value)
    dicom = tmp_path / "a.dcm"
    dataset.save_as(dicom, enforce_file_format=True)
    files = [save(tmp_path / f"{seed}.png", film(seed, 96)) for seed in range(3)]
    assert pairs(find_copies(cohort_of(dicom, *files))) == [("a.dcm", "1.png")]


def test_films_that_only_look_alike_are_no_copies(tmp_path: Path, save: Save) -> None:
    films = [film(seed) for seed in range(40)]
    whole = np.corrcoef(np.stack([each.ravel() for each in films]))
    assert np.median(whole[np.triu_indices(40, 1)]) > 0.85, "as wholes they are very alike"
    files = [save(tmp_path / f"{seed}.png", each) for seed, each in enumerate(films)]
    assert find_copies(cohort_of(*files)) == []


def test_identical_files_are_chained_and_compared_once_with_others(tmp_path: Path, save: Save) -> None:
    files = [save(tmp_path / name, film(0)) for name in ("a.png", "b.png", "c.png")]
    files.append(save(tmp_path / "d.jpg", film(0)))
    assert find_copies(cohort_of(*files)) == [
        Copy("a.png", "b.png", True, 1.0),
        Copy("a.png", "c.png", True, 1.0),
        Copy("a.png", "d.jpg", False, pytest.approx(1.0, abs=0.1)),
    ]


def test_one_file_of_two_cases_is_found_and_parts_of_one_file_are_different_images(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "a.png", film(0))
    twice = cohort_of(file)
    twice = replace(twice, cases=(*twice.cases, replace(twice.cases[0], id="again")))
    assert pairs(find_copies(twice)) == [("a.png", "again")]
    np.savez(tmp_path / "films.npz", one=film(0), two=film(1), three=film(0))
    parts = cohort_of(*(tmp_path / f"films.npz#{name}" for name in ("one", "two", "three")))
    (copy,) = find_copies(parts)
    assert (copy.first, copy.second) == ("films.npz#one", "films.npz#three")
    assert not copy.identical


def test_unreadable_files_are_compared_by_checksum_and_missing_ones_not_at_all(tmp_path: Path, save: Save) -> None:
    good = save(tmp_path / "good.png", film(0))
    for name in ("broken.png", "other.png"):
        (tmp_path / name).write_bytes(good.read_bytes()[:500])
    files = [tmp_path / name for name in ("good.png", "broken.png", "other.png", "missing.png")]
    assert pairs(find_copies(cohort_of(*files))) == [("broken.png", "other.png")]


def test_images_of_one_value_are_no_copies_of_each_other(tmp_path: Path, save: Save) -> None:
    files = [save(tmp_path / f"{value}.png", np.full((32, 32), value, np.uint8)) for value in (0, 100)]
    assert find_copies(cohort_of(*files)) == []
    assert correlation(details(np.zeros((9, 9)))[None], details(film(0))[None]) == [0.0]


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_do_not_change_what_is_found(
    block: int, tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightline.data.duplicates._BLOCK", block)
    monkeypatch.setattr("sightline.data.duplicates._PART", block)
    seeds = (0, 1, 0, 2, 1, 3, 0)
    files = [
        save(tmp_path / f"{n}.png", CHANGES["brighter"](film(s)) if n > 1 else film(s)) for n, s in enumerate(seeds)
    ]
    found = set(pairs(find_copies(cohort_of(*files))))
    assert found == {("2.png", "6.png"), ("0.png", "2.png"), ("1.png", "4.png")}


def test_what_was_read_is_kept_and_read_again_only_when_it_changed(
    tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [save(tmp_path / f"{seed}.png", film(seed)) for seed in range(5)]
    read: list[str] = []
    whole = find_copies.__globals__["_fingerprint"]

    def counted(file: Path) -> tuple[str, bytes | None] | None:
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(file.name)
        found: tuple[str, bytes | None] | None = whole(file)
        return found

    monkeypatch.setattr("sightline.data.duplicates._fingerprint", counted)
    monkeypatch.setattr("sightline.data.duplicates._PART", 1)
    store = tmp_path / "kept" / "store.sqlite"
    with pytest.raises(KeyboardInterrupt):
        find_copies(cohort_of(*files), store=store)
    assert read == ["0.png", "1.png", "2.png"]
    read.clear()
    assert find_copies(cohort_of(*files), store=store) == []
    assert read == ["3.png", "4.png"], "it goes on where it was"
    read.clear()
    save(files[2], CHANGES["inverted"](film(4)))
    assert pairs(find_copies(cohort_of(*files), store=store)) == [("2.png", "4.png")]
    assert read == ["2.png"]


def test_a_store_that_is_another_file_is_an_error(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "a.png", film(0))
    other = tmp_path / "notes.txt"
    other.write_text("not a database, but a text of some length" * 20)
    with pytest.raises(SettingsError, match=r"notes.txt keeps no fingerprints of images .*; give another file"):
        find_copies(cohort_of(file), store=other)
    assert "not a database" in other.read_text()


def test_progress_counts_the_files(tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.data.duplicates._PART", 2)
    files = [save(tmp_path / f"{seed}.png", film(seed, 32)) for seed in range(5)]
    told: list[tuple[int, int]] = []
    find_copies(cohort_of(*files), progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_the_store_holds_checksums_and_details_alone(tmp_path: Path, save: Save) -> None:
    file = save(tmp_path / "a.png", film(0))
    find_copies(cohort_of(file), store=tmp_path / "s.sqlite")
    with sqlite3.connect(tmp_path / "s.sqlite") as database:
        ((*_, fine),) = database.execute("select * from local_ranks_1").fetchall()
    database.close()
    assert len(fine) == 64 * 64


def test_details_are_ranks_without_their_local_mean() -> None:
    pixels = film(5, 64)
    by_rank = details(pixels).astype(float)
    monotone = details(np.exp(pixels / 40)).astype(float)
    np.testing.assert_allclose(by_rank, monotone, atol=1)
    np.testing.assert_allclose(by_rank, -details(255 - pixels).astype(float), atol=1)
    rough = pixels.astype(float) - gaussian_filter(pixels.astype(float), 3)
    assert spearmanr(by_rank.ravel(), rough.ravel())[0] > 0.9
    assert by_rank.std() == pytest.approx(32, rel=0.02)


def test_correlation_is_that_of_numpy() -> None:
    one, other = (np.stack([details(film(seed)) for seed in seeds]) for seeds in ((0, 1, 2), (0, 2, 1)))
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(correlation(one, other), expected, atol=1e-6)
    assert expected[1] < ALIKE < expected[0]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=2, max_size=12), st.integers(0, 3))
def test_no_copy_and_no_patient_is_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("films")
    cases = []
    for n, (look, patient) in enumerate(rows):
        Image.fromarray(CHANGES["brighter"](film(look, 64)) if n % 2 else film(look, 64)).save(folder / f"{n}.png")
        cases.append(Case(str(n), folder / f"{n}.png", look % 2, f"p{patient}"))
    cohort = Cohort(folder, "multiclass", ("a", "b"), tuple(cases))
    copies = find_copies(cohort)
    split = split_by_patient(
        cohort, fractions={"a": 0.5, "b": 0.5}, seed=seed, same=[(copy.first, copy.second) for copy in copies]
    )
    where = {case.id: case.split for case in split.cases}
    for n, (look, patient) in enumerate(rows):
        for m, (other, someone) in enumerate(rows):
            assert where[str(n)] == where[str(m)] or (look != other and patient != someone)
