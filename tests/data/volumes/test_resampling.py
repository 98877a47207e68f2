import sys

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.volumes.resampling import (
    Method,
    Spacing,
    resample,
    resample_labels,
    resampled_affine,
    resampled_shape,
)
from sightline.errors import DataError, MissingExtraError

SPACINGS = st.tuples(*[st.floats(0.4, 3.0)] * 3)
SHAPES = st.tuples(*[st.integers(4, 90)] * 3)


def by_simpleitk(values: np.ndarray, spacing_mm: Spacing, target_mm: Spacing, way: int) -> np.ndarray:
    """The whole volume at once on the grid that has the same middle."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_mm[::-1])
    shape = [
        max(int(np.floor(n * s / t + 0.5)), 1) for n, s, t in zip(values.shape, spacing_mm, target_mm, strict=True)
    ]
    first = [
        ((n - 1) * s - (m - 1) * t) / 2 for n, s, m, t in zip(values.shape, spacing_mm, shape, target_mm, strict=True)
    ]
    grid = (shape[::-1], sitk.Transform(), way, first[::-1], target_mm[::-1], image.GetDirection())
    return sitk.GetArrayFromImage(sitk.Resample(image, *grid, 0.0, image.GetPixelID()))


@settings(max_examples=25)
@given(SHAPES, SPACINGS, SPACINGS, st.sampled_from(["bspline", "linear"]), st.integers(0, 2**31))
def test_it_is_what_simpleitk_makes_of_the_whole_volume(
    shape: tuple[int, int, int], spacing_mm: Spacing, target_mm: Spacing, method: Method, seed: int
) -> None:
    if np.prod(resampled_shape(shape, spacing_mm, target_mm)) > 3e5:
        return  # SimpleITK takes seconds
    values = np.random.default_rng(seed).normal(0, 500, shape).astype(np.float32)
    theirs = by_simpleitk(values, spacing_mm, target_mm, sitk.sitkBSpline if method == "bspline" else sitk.sitkLinear)
    ours = resample(values, spacing_mm, target_mm, method=method)
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # HU, of values up to 3000


@settings(max_examples=25)
@given(SHAPES, SPACINGS, SPACINGS)
def test_labels_are_those_of_simpleitk_but_for_ties(
    shape: tuple[int, int, int], spacing_mm: Spacing, target_mm: Spacing
) -> None:
    if np.prod(resampled_shape(shape, spacing_mm, target_mm)) > 1e6:
        return
    labels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    theirs = by_simpleitk(labels, spacing_mm, target_mm, sitk.sitkNearestNeighbor)
    ours = resample_labels(labels, spacing_mm, target_mm)
    assert ours.dtype == np.uint8
    for axis, (s, t) in enumerate(zip(spacing_mm, target_mm, strict=True)):
        where = (((shape[axis] - 1) * s - (ours.shape[axis] - 1) * t) / 2 + np.arange(ours.shape[axis]) * t) / s
        clear = np.abs(where - np.floor(where) - 0.5) > 1e-4
        ours, theirs = ours.compress(clear, axis), theirs.compress(clear, axis)
    np.testing.assert_array_equal(ours, theirs)


def test_a_place_in_the_patient_keeps_its_value() -> None:
    generator = np.random.default_rng(1)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0] * (2.5, 0.7, 1.1)
    affine[:3, 3] = generator.uniform(-100, 100, 3)
    spacing, target, direction = (2.5, 0.7, 1.1), (0.8, 0.8, 0.8), generator.normal(size=3)

    def ramp(shape: tuple[int, ...], where: np.ndarray) -> np.ndarray:
        index = np.stack([*np.indices(shape), np.ones(shape)])
        return np.tensordot(direction, np.tensordot(where, index, 1)[:3], 1)

    values = ramp((20, 60, 50), affine)
    new = resample(values, spacing, target, method="linear")
    expected = ramp(new.shape, resampled_affine(affine, values.shape, spacing, target))
    inside = tuple(slice(4, -4) for _ in range(3))  # beyond the last voxel a ramp does not go on
    np.testing.assert_allclose(new[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize(
    ("count", "spacing", "target", "expected"),
    [(300, 1.0, 0.8, 375), (512, 0.7, 0.8, 448), (5, 0.5, 5.0, 1), (3, 1.5, 1.8, 3)],
)
def test_the_size_is_that_of_the_paper(count: int, spacing: float, target: float, expected: int) -> None:
    assert resampled_shape((count,) * 3, (spacing,) * 3, (target,) * 3) == (expected,) * 3


def test_the_field_of_view_stays_centre_on_centre() -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    changed = resampled_affine(affine, (10, 10, 10), (2, 2, 2), (1, 4, 3))
    middles = changed @ [(20 - 1) / 2, (5 - 1) / 2, (7 - 1) / 2, 1]
    np.testing.assert_allclose(middles, affine @ [4.5, 4.5, 4.5, 1])
    np.testing.assert_allclose(np.diag(changed)[:3], [1, 4, 3])


def test_the_same_spacing_changes_nothing_and_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    values = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)
    np.testing.assert_array_equal(resample(values, (0.8, 1, 2), (0.8, 1, 2)), values)
    np.testing.assert_array_equal(resample_labels(values, (0.8, 1, 2), (0.8, 1, 2)), values)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'ct': pip install 'sightline\[ct\]'"):
        resample(np.zeros((5, 5, 5)), (1, 1, 1), (2, 2, 2))


def test_too_few_voxels_are_told() -> None:
    with pytest.raises(DataError, match=r"^3 voxels along an axis, where a bspline needs 4$"):
        resample(np.zeros((3, 5, 5)), (1, 1, 1), (0.8, 1, 1))
