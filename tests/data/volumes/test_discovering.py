from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.data.volumes.discovering import Place, find_places, plain_names, sources_at
from sightline.data.volumes.store import write_store
from sightline.errors import DataError, DataNotFoundError

Write = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, write_nifti: Write, write_series: Write, hounsfield: Callable[..., np.ndarray]) -> Path:
    root = tmp_path / "scans"
    write_nifti(root / "p1.nii.gz", hounsfield())
    write_nifti(root / "more/p 1.nii", hounsfield())
    write_series(root / "p2/st1", hounsfield())
    write_series(root / "p3", hounsfield(), SeriesInstanceUID="1.2.4", prefix="b")
    write_series(root / "p3", hounsfield(), SeriesInstanceUID="1.2.5", prefix="a")
    write_store(root / "p4.zarr", hounsfield(), spacing_mm=(1, 1, 1), affine=np.eye(4))
    write_nifti(root / ".trash/p9.nii", hounsfield())
    (root / "notes.txt").write_text("hello")
    (root / "p2/st1/film.png").write_bytes(b"")
    return root


def test_series_files_and_stores_are_found_and_told_apart(tree: Path) -> None:
    places = find_places(tree)
    assert [place.name for place in places] == ["more/p 1.nii", "p1.nii.gz", "p2/st1", "p3", "p4.zarr"]
    sources = [source for place in places for source in sources_at(place)]
    assert [(source.id, source.name, len(source.files)) for source in sources] == [
        ("more_p_1", "more/p 1.nii", 0),
        ("p1", "p1.nii.gz", 0),
        ("p2_st1", "p2/st1", 8),
        ("p3~1", "p3 (series 1)", 8),
        ("p3~2", "p3 (series 2)", 8),
        ("p4", "p4.zarr", 0),
    ]
    assert {file.name[0] for file in sources[3].files} == {"a"}
    assert {file.name[0] for file in sources[4].files} == {"b"}


def test_a_single_file_or_store_is_a_place(tree: Path) -> None:
    for name, own in (("p1.nii.gz", "p1"), ("p4.zarr", "p4"), ("p2/st1", "st1")):
        (place,) = find_places(tree / name)
        assert place == Place(own, Path(name).name, tree / name)


def test_what_was_made_is_not_found_again(tree: Path) -> None:
    (tree / "out/volumes/p1.zarr").mkdir(parents=True)
    assert "out/volumes/p1.zarr" in [place.name for place in find_places(tree)]
    assert len(find_places(tree, but=tree / "out")) == 5


def test_links_are_followed_but_not_in_circles(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a").symlink_to(tree / "p2")
    (tree / "p2/back").symlink_to(tmp_path / "links")
    assert [place.name for place in find_places(tmp_path / "links")] == ["a/st1"]


def test_reports_are_left_out_and_an_unreadable_file_counts_to_its_neighbours(tree: Path) -> None:
    report = pydicom.data.get_testdata_file("test-SR.dcm", download=False)
    (tree / "p2/st1/report.dcm").write_bytes(Path(str(report)).read_bytes())
    (place,) = find_places(tree / "p2/st1")
    assert len(sources_at(place)[0].files) == 8
    (tree / "p3/c.dcm").write_bytes(b"no DICOM at all")
    (place,) = find_places(tree / "p3")
    assert [[file.name for file in source.files].count("c.dcm") for source in sources_at(place)] == [1, 1]
    (tree / "p5").mkdir()
    (tree / "p5/x.dcm").write_bytes(b"no DICOM at all")
    (place,) = find_places(tree / "p5")
    assert [source.files for source in sources_at(place)] == [(tree / "p5/x.dcm",)]


def test_where_there_is_no_volume_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^no folder nowhere; give a folder of DICOM series or NIfTI files"):
        find_places(tmp_path / "nowhere")
    (tmp_path / "film.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no DICOM series, NIfTI files or .zarr volumes in it$"):
        find_places(tmp_path)


def test_names_that_would_be_alike_get_a_checksum() -> None:
    names = plain_names(["a/b", "a_b", "A b", "c", "x" * 150, "...", "ü/~1"])
    assert len({name.casefold() for name in names}) == 7
    assert names[3] == "c"
    assert names[6] == "ü__1"
    assert names[0].startswith("a_b-")
    assert all(0 < len(name) <= 109 and not set(name) & set("/ ~") and name[0] != "." for name in names)
