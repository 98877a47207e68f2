from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from sightline.data import Case, Cohort, DataSettings, VolumeAugmentation, VolumeInput, chosen_batches, volume_batches
from sightline.data.prepared_cache import ImageCache
from sightline.data.volume_input import VolumeLoader, fit
from sightline.data.volume_motion import VolumeMotion, draw_motion
from sightline.errors import DataError, SettingsError, ShapeError
from sightline.types import Batch

SHAPE = (6, 8, 8)
AS_THEY_LIE = VolumeInput(shape=SHAPE, window=(0.0, 100.0), augmentation=None)
HU = 25  # of the volumes below


def nifti(path: Path, values: np.ndarray, spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> Path:
    """Write `(D, H, W)` in the orientation of the package: slices lead down, rows back, columns left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0] = (-length for length in reversed(spacing_mm))
    affine[3, 3] = 1
    nibabel.save(nibabel.Nifti1Image(values, affine), path)  # type: ignore[attr-defined]
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Two volumes; the first has a nodule allowed in the first half of the rows, the second nobody has read."""
    organs = np.ones(SHAPE, np.uint8)
    organs[:, 4:] = 3
    cases = []
    for number, label in enumerate([(1.0, 0.0), (1.0, float("nan"))]):
        image = nifti(tmp_path / f"{number}.nii", np.full(SHAPE, HU, np.int16))
        off = nifti(tmp_path / f"{number}_off.nii", np.full(SHAPE, 2 * HU, np.int16))
        regions = nifti(tmp_path / f"organs_{number}.nii", organs)
        masks = {"nodule": regions.with_name(regions.name + "#1")} if number == 0 else {}
        cases.append(Case(str(number), image, label, str(number), class_masks=masks, variants={"off": off}))
    return Cohort(tmp_path, "multilabel", ("nodule", "effusion"), tuple(cases), None, "HU")


def first(cohort: Cohort, settings: VolumeInput = AS_THEY_LIE, **options: Any) -> Batch:
    return next(iter(volume_batches(cohort, settings, **{"batch_size": 2, "seed": None} | options)))


def test_a_batch_holds_volumes_and_the_region_of_each_class(cohort: Cohort) -> None:
    batch = first(cohort)
    assert batch.images.shape == (2, 1, *SHAPE)
    assert torch.allclose(batch.images, torch.full_like(batch.images, 0.25), atol=1 / 65535)
    assert batch.regions.shape == (2, 2, *SHAPE)
    assert (batch.regions[0, 0, :, :4] == 1).all()
    assert (batch.regions[0, 0, :, 4:] == 0).all()
    assert (batch.regions[0, 1] == 0).all()  # absent: forbidden everywhere
    assert batch.regions[1].isnan().all()  # present without a mask; unknown label


def test_of_a_class_that_is_absent_nobody_may_know(cohort: Cohort) -> None:
    assert first(cohort, replace(AS_THEY_LIE, absent="unknown")).regions[0, 1].isnan().all()


def test_regions_lie_on_a_grid_of_their_own(cohort: Cohort) -> None:
    regions = first(cohort, replace(AS_THEY_LIE, grid=(2, 4, 2))).regions
    assert regions.shape == (2, 2, 2, 4, 2)
    assert torch.equal(regions[0, 0], torch.tensor([1.0, 1, 0, 0])[None, :, None].expand(2, 4, 2))


def test_the_bias_chooses_the_file(cohort: Cohort) -> None:
    assert first(cohort, bias="off").images.mean() == pytest.approx(0.5, abs=1e-4)
    with pytest.raises(DataError, match=r"no variant with its bias swapped"):
        first(cohort, bias="swapped")


def test_the_window_is_that_of_the_cohort_if_none_is_set(cohort: Cohort) -> None:
    settings = replace(AS_THEY_LIE, window=None)
    assert first(replace(cohort, value_range=(0.0, 50.0)), settings).images.mean() == pytest.approx(0.5, abs=1e-4)
    with pytest.raises(DataError, match=r"0\.nii: nobody says which values become 0 and 1"):
        first(cohort, settings)


@pytest.mark.parametrize(("length", "expected"), [(4, [1, 2, 3, 3]), (5, [1, 2, 3, 3, 1]), (2, [2, 3]), (1, [2])])
def test_volumes_are_padded_and_cut_on_both_sides(length: int, expected: list[int]) -> None:
    line = torch.tensor([1.0, 2, 3, 3])[:, None, None]
    assert fit(line, (length, 1, 1))[:, 0, 0].tolist() == expected


def test_padding_takes_the_least_value_and_is_forbidden(cohort: Cohort) -> None:
    batch = first(cohort, replace(AS_THEY_LIE, shape=(8, 8, 8)))
    assert torch.equal(batch.images[:, :, 0], batch.images[:, :, 3])  # a constant volume: its least is itself
    assert (batch.regions[0, 0, [0, -1]] == 0).all()
    assert (batch.regions[0, 0, 1:-1, :4] == 1).all()


def test_volumes_and_masks_are_resampled_alike(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(8, dtype=np.int16) * 10, (4, 4, 8)).copy()
    mask = np.zeros((4, 4, 8), np.uint8)
    mask[..., 4:] = 1
    case = Case(
        "a", nifti(tmp_path / "a.nii", ramp, (2, 2, 1)), (1.0,), "a", mask=nifti(tmp_path / "m.nii", mask, (2, 2, 1))
    )
    cohort = Cohort(tmp_path, "multilabel", ("nodule",), (case,))
    batch = first(cohort, VolumeInput(shape=(8, 8, 4), window=(0, 80), spacing_mm=(1, 1, 2)), batch_size=1)
    columns = batch.images[0, 0, 4, 4] * 80
    assert columns.tolist() == pytest.approx([5, 25, 45, 65], abs=0.01)  # means of two columns
    assert batch.regions[0, 0, 4, 4].tolist() == [0, 0, 1, 1]


def test_spacing_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(SHAPE, np.float32))
    cohort = Cohort(tmp_path, "multilabel", ("nodule",), (Case("a", tmp_path / "a.npy", (1.0,), "a"),))
    with pytest.raises(DataError, match=r"a\.npy: nobody says how far its voxels are apart"):
        first(cohort, replace(AS_THEY_LIE, spacing_mm=(1, 1, 1)))


def test_an_empty_mask_is_refused(cohort: Cohort) -> None:
    nifti(cohort.root / "organs_0.nii", np.zeros(SHAPE, np.uint8))
    with pytest.raises(DataError, match=r"organs_0\.nii#1: empty mask"):
        first(cohort)


def test_motions_turn_volume_and_region_alike(cohort: Cohort) -> None:
    settings = replace(AS_THEY_LIE, augmentation=VolumeAugmentation(flip=1, rotate=1), grid=(3, 4, 4))
    made = volume_batches(cohort, settings, batch_size=2, seed=5, augment=True)
    for epoch in range(4):
        batch = next(iter(made.at(epoch)))
        row = batch.cases.index("0")
        motion = draw_motion(VolumeAugmentation(flip=1, rotate=1), made.at(epoch).generator(5, 0))
        plain = first(cohort, replace(settings, augmentation=None))
        assert torch.equal(batch.regions[row], motion.apply(plain.regions[0]))
        again = next(iter(made.at(epoch)))
        assert torch.equal(again.images, batch.images)


@pytest.mark.parametrize(("axis", "turned"), [(0, [4, 5, 6, 7, 0, 1, 2, 3]), (1, [2, 3, 0, 1, 6, 7, 4, 5])])
def test_a_flip_turns_one_axis_around(axis: int, turned: list[int]) -> None:
    assert VolumeMotion(flip=axis).apply(torch.arange(8).view(2, 2, 2)).flatten().tolist() == turned


def test_four_quarter_turns_lead_back_and_one_needs_square_slices() -> None:
    maps = torch.arange(18.0).view(2, 3, 3)
    turned = maps
    for _ in range(4):
        turned = VolumeMotion(quarters=1).apply(turned)
    assert torch.equal(turned, maps)
    assert not torch.equal(VolumeMotion(quarters=1).apply(maps), maps)
    with pytest.raises(ShapeError, match=r"a quarter turn needs square slices, got \(2, 3, 4\); set rotate to 0"):
        VolumeMotion(quarters=1).apply(torch.zeros(2, 3, 4))


def test_motions_are_drawn_as_often_as_the_settings_say() -> None:
    generator = np.random.default_rng(0)
    drawn = [draw_motion(VolumeAugmentation(flip=0.5, rotate=0.25), generator) for _ in range(2000)]
    flipped = [motion.flip for motion in drawn if motion.flip is not None]
    assert len(flipped) / 2000 == pytest.approx(0.5, abs=0.05)
    assert [flipped.count(axis) / len(flipped) for axis in range(3)] == pytest.approx([1 / 3] * 3, abs=0.06)
    quarters = [motion.quarters for motion in drawn if motion.quarters]
    assert len(quarters) / 2000 == pytest.approx(0.25, abs=0.05)
    assert set(quarters) == {1, 2, 3}


def test_a_volume_is_read_once(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = VolumeLoader(cohort, AS_THEY_LIE, ImageCache())
    loader.volume(cohort.cases[0])
    monkeypatch.setattr("sightline.data.volume_input.read_volume", None)
    loader.volume(cohort.cases[0])


def test_settings_choose_images_or_volumes(cohort: Cohort, folder: Path) -> None:
    volumes = DataSettings(cohort.root, volume=AS_THEY_LIE, batch_size=1)
    assert volumes.channels == 1
    made = chosen_batches(volumes, cohort)
    assert len(made) == 2
    assert next(iter(made)).images.ndim == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VolumeInput(shape=(0, 8, 8)), r"shape must be three lengths of at least 1, got \[0, 8, 8\]"),
        (lambda: VolumeInput(grid=(1, 1, 0)), r"grid must be three lengths of at least 1"),
        (lambda: VolumeInput(window=(1, 1)), r"window must be two growing numbers"),
        (lambda: VolumeInput(spacing_mm=(1, 0, 1)), r"spacing_mm must be three lengths over 0"),
        (lambda: VolumeAugmentation(flip=2), r"flip must be a chance in \[0, 1\], got 2"),
        (lambda: VolumeAugmentation(rotate=-1), r"rotate must be a chance"),
        (lambda: DataSettings(Path("x"), volume=VolumeInput(), erase_background=True), r"are for images"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()


def test_arguments_out_of_range_are_refused(cohort: Cohort) -> None:
    with pytest.raises(SettingsError, match=r"batch_size must be at least 1"):
        first(cohort, batch_size=0)
    with pytest.raises(SettingsError, match=r"augmentation needs a seed"):
        first(cohort, augment=True)
    with pytest.raises(DataError, match=r"the cohort is empty"):
        first(replace(cohort, cases=()))
