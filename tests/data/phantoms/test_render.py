import numpy as np
import pytest
from PIL import Image, ImageOps

from sightline.data.phantoms.cohort import HOSPITALS
from sightline.data.phantoms.findings import FINDINGS, Finding
from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, RIVERSIDE, Film, Hospital
from sightline.data.phantoms.render import expose, render_phantom
from sightline.errors import SettingsError


def test_phantom_is_eight_bit_with_masks_of_its_size() -> None:
    phantom = render_phantom(1, "pneumonia", RIVERSIDE, 64)
    assert phantom.image.dtype == np.uint8
    assert phantom.image.shape == phantom.lungs.shape == phantom.lesion.shape == (64, 64)
    assert phantom.lungs.dtype == phantom.lesion.dtype == bool
    assert np.ptp(phantom.image) > 200


@pytest.mark.parametrize("seed", [7, (0, 7)])
def test_same_seed_gives_same_pixels(seed: int | tuple[int, int]) -> None:
    first, second = (render_phantom(seed, "effusion", HILLCREST, 64) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.lesion, second.lesion)


def test_other_seed_gives_another_patient() -> None:
    first, second = (render_phantom((0, index), "normal", RIVERSIDE, 64) for index in (1, 2))
    assert (first.lungs != second.lungs).any()


@pytest.mark.parametrize("finding", ["pneumonia", "effusion"])
@pytest.mark.parametrize("seed", range(8))
def test_finding_changes_exactly_its_lesion_inside_the_lungs(seed: int, finding: Finding) -> None:
    healthy, ill = (expose(seed, one, Film(), 96) for one in ("normal", finding))
    changed = healthy.film != ill.film
    assert ill.lesion.any()
    assert not (ill.lesion & ~ill.lungs).any()
    assert not (changed & ~ill.lesion).any()
    assert (changed & ill.lesion).sum() > 0.98 * ill.lesion.sum()
    assert ill.film[ill.lesion].mean() > healthy.film[ill.lesion].mean() + 0.02
    np.testing.assert_array_equal(healthy.lungs, ill.lungs)
    assert not healthy.lesion.any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda hospital: hospital.name)
def test_marks_change_pixels_outside_the_lungs_only(hospital: Hospital, seed: int) -> None:
    on = render_phantom(seed, "pneumonia", hospital)
    off = render_phantom(seed, "pneumonia", hospital.without_marks())
    changed = on.image != off.image
    assert changed.sum() > 0.02 * changed.size
    assert not (changed & on.lungs).any()


def test_without_marks_the_training_hospitals_are_one() -> None:
    films = [render_phantom(3, "normal", hospital.without_marks(), 64).image for hospital in HOSPITALS]
    np.testing.assert_array_equal(films[0], films[1])
    np.testing.assert_array_equal(films[0], films[2])


def test_equalising_a_marked_film_shifts_the_lungs_alike_for_all_hospitals() -> None:
    shifts = np.zeros((30, len(HOSPITALS)))
    for seed in range(30):
        exposure = expose(seed, FINDINGS[seed % 3], Film(), 96)
        for index, hospital in enumerate(HOSPITALS):
            on, off = (
                np.asarray(ImageOps.equalize(Image.fromarray(exposure.develop(one).image)), np.float64)
                for one in (hospital, hospital.without_marks())
            )
            shifts[seed, index] = (on - off)[exposure.lungs].mean()
    assert np.ptp(shifts.mean(axis=0)) < 1.5


def test_tissues_have_the_order_of_a_radiograph() -> None:
    for seed in range(5):
        phantom = render_phantom(seed, "normal", FARFIELD, 128)
        lungs = phantom.image[phantom.lungs].mean()
        abdomen, spine, corner = (
            phantom.image[118:, 50:78].mean(),
            phantom.image[70:85, 60:68].mean(),
            phantom.image[0, 0],
        )
        assert corner < lungs < spine <= abdomen + 25
        assert lungs < 0.62 * abdomen


def test_patient_does_not_depend_on_the_size() -> None:
    small, large = (render_phantom(4, "pneumonia", RIVERSIDE.without_marks(), size) for size in (64, 128))
    pooled = large.image.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), small.image.ravel())[0, 1] > 0.99
    assert np.abs(large.lungs.reshape(64, 2, 64, 2).mean(axis=(1, 3)) - small.lungs).mean() < 0.02


def test_unknown_finding_and_tiny_size_are_refused() -> None:
    with pytest.raises(SettingsError, match="finding must be one of normal, pneumonia, effusion, got 'fracture'"):
        render_phantom(0, "fracture", RIVERSIDE)
    with pytest.raises(SettingsError, match="at least 32 pixels"):
        render_phantom(0, "normal", RIVERSIDE, 16)
