from pathlib import Path

import numpy as np
import pytest

from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.maps import CaseMap, read_maps, write_maps


def a_map(seed: int, size: tuple[int, ...], scale: float) -> CaseMap:
    rng = np.random.default_rng(seed)
    return CaseMap(
        rng.random((1, *size), np.float32),
        (scale * rng.normal(size=size)).astype(np.float32),
        rng.integers(0, 2, (1, *size)).astype(np.float32),
        seed,
    )


def test_maps_of_any_size_and_scale_read_back(tmp_path: Path) -> None:
    maps = {"b/2": a_map(1, (5, 6), 1e-9), "a": a_map(2, (3, 4, 2), 1e7)}
    write_maps(tmp_path / "maps" / "test", maps)
    read = read_maps(tmp_path / "maps" / "test")
    assert list(read) == ["b/2", "a"]
    for case, kept in maps.items():
        again = read[case]
        assert again.explained == kept.explained
        assert again.image == pytest.approx(kept.image, abs=0.5 / 255 + 1e-6)
        assert (again.region == kept.region).all()
        assert again.attribution == pytest.approx(kept.attribution, abs=1e-3 * float(np.abs(kept.attribution).max()))


def test_unknown_regions_stay_unknown_and_empty_maps_stay_empty(tmp_path: Path) -> None:
    empty = np.zeros((2, 2), np.float32)
    write_maps(tmp_path, {"a": CaseMap(empty[None] + 3, empty, empty[None] * np.nan)})
    (kept,) = read_maps(tmp_path).values()
    assert np.isnan(kept.region).all()
    assert not kept.attribution.any()
    assert (kept.image == 1).all()  # clipped


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="keep > 0"):
        read_maps(tmp_path)
    path = write_maps(tmp_path, {"a": a_map(0, (8, 8), 1.0)})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        read_maps(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["maps.npz"]
