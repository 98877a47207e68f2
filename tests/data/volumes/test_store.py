import json
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import read_volume
from sightline.data.volumes import store
from sightline.data.volumes.store import open_array, read_about, read_array, read_store, write_store
from sightline.errors import DataError, DataNotFoundError, MissingExtraError, RunError

CT = np.random.default_rng(0).integers(-1000, 1000, (7, 5, 6)).astype(np.int16)
CT[0, 0, 0] = 0  # water
ORGANS = np.random.default_rng(1).integers(0, 4, (7, 5, 6)).astype(np.uint8)
AFFINE = np.diag([0.8, 0.8, 0.8, 1.0])[[2, 1, 0, 3]] * -1


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "volumes" / "p1.zarr"
    write_store(path, CT, spacing_mm=(0.8, 0.8, 0.8), affine=AFFINE, organs=ORGANS, about={"source": "a/p1"})
    return path


def test_zarr_reads_it_as_a_group_of_version_3(stored: Path) -> None:
    group = zarr.open_group(stored, mode="r")
    np.testing.assert_array_equal(group["ct"][...], CT)
    np.testing.assert_array_equal(group["organs"][...], ORGANS)
    assert json.loads((stored / "zarr.json").read_text())["zarr_format"] == 3
    assert group.attrs["spacing_mm"] == [0.8, 0.8, 0.8]
    np.testing.assert_array_equal(group.attrs["affine"], AFFINE)
    assert sorted(path.name for path in stored.parent.iterdir()) == ["p1.zarr"]


def test_what_was_written_is_read(stored: Path) -> None:
    volume = read_volume(stored)
    np.testing.assert_array_equal(volume.values, CT)
    assert volume.values.dtype == np.float32
    assert volume.spacing_mm == (0.8, 0.8, 0.8)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert read_array(stored, "ct").dtype == np.int16
    assert {key: read_about(stored)[key] for key in ("source", "shape")} == {"source": "a/p1", "shape": [7, 5, 6]}
    np.testing.assert_array_equal(open_array(stored)[2:4], CT[2:4])


def test_its_organs_are_a_mask_by_their_labels(stored: Path) -> None:
    both = read_mask(stored.with_name("p1.zarr#1+3"), image=stored)
    np.testing.assert_array_equal(both, (ORGANS == 1) | (ORGANS == 3))
    np.testing.assert_array_equal(read_mask(stored), ORGANS > 0)
    with pytest.raises(DataNotFoundError, match="p2"):
        read_mask(stored.with_name("p2.zarr#1"))


def test_slabs_of_a_large_volume_are_pieces_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SLAB", 60)
    write_store(tmp_path / "p1.zarr", CT, spacing_mm=(1, 1, 1), affine=AFFINE)
    array = open_array(tmp_path / "p1.zarr")
    assert array.chunks == (2, 5, 6)
    assert array.shards == (8, 5, 6)
    assert len([path for path in (tmp_path / "p1.zarr/ct/c").rglob("*") if path.is_file()]) == 1
    np.testing.assert_array_equal(read_array(tmp_path / "p1.zarr", "ct"), CT)


def test_a_writer_that_fails_leaves_nothing_behind_and_what_was_there(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write_array", full)
    for path in (stored, stored.with_name("p2.zarr")):
        with pytest.raises(RunError, match=r"zarr cannot be written \(No space left on device\)$"):
            write_store(path, CT, spacing_mm=(1, 1, 1), affine=AFFINE)
    assert [path.name for path in stored.parent.iterdir()] == ["p1.zarr"]
    np.testing.assert_array_equal(read_volume(stored).values, CT)


def test_a_store_replaces_another_and_what_a_killed_writer_left(stored: Path) -> None:
    for name in (".p1.zarr.a1b2.part", ".p1.zarr.x.zarr.a1b2.part", ".p2.zarr.a1b2.part"):
        (stored.parent / name / "ct").mkdir(parents=True)
    write_store(stored, CT + 1, spacing_mm=(1, 1, 1), affine=AFFINE)
    np.testing.assert_array_equal(read_volume(stored).values, CT + 1)
    left = [".p1.zarr.x.zarr.a1b2.part", ".p2.zarr.a1b2.part", "p1.zarr"]  # of others
    assert sorted(path.name for path in stored.parent.iterdir()) == left


def test_a_part_that_got_lost_does_not_pass_as_water(stored: Path) -> None:
    (piece,) = (path for path in (stored / "ct/c").rglob("*") if path.is_file())
    whole = piece.read_bytes()
    piece.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"^p1.zarr: array 'ct' is damaged \(\w+\); prepare it anew$"):
        read_store(stored)
    piece.unlink()
    with pytest.raises(DataError, match=r"^p1.zarr: array 'ct' has lost a part; prepare it anew$"):
        read_store(stored)


def test_what_is_no_prepared_volume_is_told(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^p2.zarr: no such volume$"):
        read_store(tmp_path / "p2.zarr")
    (tmp_path / "p2.zarr").mkdir()
    with pytest.raises(DataError, match=r"^x/p2: no array 'ct' in it \(\w+\)$"):
        read_volume(tmp_path / "p2.zarr", name="x/p2")
    group = zarr.create_group(tmp_path / "p3.zarr")
    group.create_array("ct", data=CT)
    with pytest.raises(DataError, match=r"^p3.zarr: a store without spacing_mm and affine, so no prepared volume$"):
        read_store(tmp_path / "p3.zarr")
    group.create_array("organs", data=ORGANS.astype(float))
    with pytest.raises(DataError, match=r"^p3.zarr: array 'organs' must be \(slices, rows, columns\) uint8$"):
        read_array(tmp_path / "p3.zarr", "organs")
    write_store(stored, CT, spacing_mm=(1, 1, 1), affine=AFFINE)
    with pytest.raises(DataError, match=r"no array 'organs' in it \(KeyError\); prepare it with --organs$"):
        read_mask(stored.with_name("p1.zarr#1+3"))


def test_without_zarr_the_extra_is_named(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"p1.zarr: a .zarr volume needs the extra 'ct': pip install"):
        read_volume(stored)
