import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from sightline.data.readers.checksums import sha256_of, with_checksums
from sightline.data.reading import read_cohort
from sightline.errors import DataNotFoundError


def test_a_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert sha256_of(tmp_path / "x.npz") == sha256_of(tmp_path / "x.npz#ct") == known
    with pytest.raises(DataNotFoundError, match=r"^a/y: no such file$"):
        sha256_of(tmp_path / "y", name="a/y")


def test_a_cohort_learns_the_checksums_it_does_not_know(folder: Path) -> None:
    cohort = read_cohort(folder)
    first = replace(cohort.cases[0], sha256="f" * 64)
    done: list[tuple[int, int]] = []
    known = with_checksums(replace(cohort, cases=(first, *cohort.cases[1:])), progress=lambda *n: done.append(n))
    assert known.cases[0] == first
    assert all(c.sha256 == hashlib.sha256(c.image.read_bytes()).hexdigest() for c in known.cases[1:])
    assert [case.id for case in known.cases] == [case.id for case in cohort.cases]
    assert done == [(number, 6) for number in range(1, 7)]


def test_a_missing_file_is_named(folder: Path) -> None:
    cohort = read_cohort(folder)
    (folder / "well" / "1.png").unlink()
    with pytest.raises(DataNotFoundError, match=r"^well/1.png: no such file$"):
        with_checksums(cohort)
