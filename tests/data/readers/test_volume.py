from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.data.readers.volume import read_volume, reorient
from sightline.errors import DataError, DataNotFoundError


@given(st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3), st.integers(0, 2**31))
def test_every_orientation_becomes_the_one_of_nibabel(order: list[int], signs: tuple[int, ...], seed: int) -> None:
    generator = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * signs * generator.uniform(0.5, 3, 3) + generator.uniform(-0.1, 0.1, (3, 3))
    affine[:3, 3] = generator.uniform(-100, 100, 3)
    values = generator.normal(size=(2, 3, 4))
    ours, our_affine = reorient(values, affine)
    theirs = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, affine))
    np.testing.assert_array_equal(ours, theirs.get_fdata().transpose(2, 1, 0)[::-1, ::-1, ::-1])
    assert nibabel.aff2axcodes(our_affine) == ("I", "P", "L")
    here = np.asarray([1, 0, 1, 1])  # a voxel lies where it lay
    where = np.argwhere(values == ours[1, 0, 1])[0]
    np.testing.assert_allclose(our_affine @ here, affine @ [*where, 1])


@pytest.mark.parametrize("affine", [np.diag([1.0, 0, 1, 1]), np.diag([np.nan, 1, 1, 1]), np.ones((4, 4))])
def test_an_affine_without_three_directions_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(DataError, match="the affine does not say where the axes lead"):
        reorient(np.zeros((2, 2, 2)), affine)


def test_an_array_is_taken_as_it_is(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    np.savez(tmp_path / "x.npz", ct=values)
    np.savez(tmp_path / "y.npz", ct=values, other=values)
    for file in ("x.npz", "y.npz#ct"):
        volume = read_volume(tmp_path / file)
        assert volume.values.dtype == np.float32
        np.testing.assert_array_equal(volume.values, values)
        assert volume.spacing_mm is None
        assert volume.affine is None


def test_what_is_no_volume_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"^x.npy: a volume must be \(slices, rows, columns\), got \(2, 3\)$"):
        read_volume(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.asarray([[[1, np.nan]]]))
    with pytest.raises(DataError, match=r"^x.npy: 1 of 2 values are NaN or infinite$"):
        read_volume(tmp_path / "x.npy")
    with pytest.raises(DataNotFoundError, match=r"^a/y.npy: no such volume$"):
        read_volume(tmp_path / "y.npy", name="a/y.npy")
