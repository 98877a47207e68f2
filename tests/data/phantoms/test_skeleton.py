import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, draw_anatomy
from sightline.data.phantoms.projection import Projection
from sightline.data.phantoms.skeleton import airway_cm, bone_cm

FILM = Projection(192)
U, V = FILM.coordinates()


def test_each_lung_is_crossed_by_six_to_ten_posterior_ribs() -> None:
    anatomy = draw_anatomy(np.random.default_rng(0))
    bone = bone_cm(anatomy, FILM)
    for side in (RIGHT, LEFT):
        column = np.argmin(np.abs(U[0] - side * 0.09))  # where the anterior ribs have turned into cartilage
        between = (V[:, column] > 0.2) & (V[:, column] < anatomy.dome[1])
        bright = bone[between, column] > 0.3
        assert 6 <= np.count_nonzero(np.diff(bright.astype(int)) == 1) <= 10


def test_spine_is_segmented_and_central() -> None:
    anatomy = draw_anatomy(np.random.default_rng(0))
    bone = bone_cm(anatomy, FILM)
    column = bone[:, 96]
    assert column.min() > 0.5
    spectrum = np.abs(np.fft.rfft(column - column.mean()))
    vertebrae = np.argmax(spectrum[5:]) + 5
    assert abs(vertebrae - 1 / anatomy.vertebra) < 2.5
    assert bone[:, 96].mean() > 2 * bone[:, 60].mean()


def test_bone_follows_the_patient_on_the_film() -> None:
    anatomy = draw_anatomy(np.random.default_rng(2))
    shifted = bone_cm(anatomy, Projection(192, shift=(8 / 192, 0.0)))
    still = bone_cm(anatomy, FILM)
    assert np.abs(shifted[40:150, 60:150] - still[40:150, 52:142]).mean() < 0.05


def test_trachea_forks_into_two_bronchi() -> None:
    air = airway_cm(U, V)
    above, below = air[int(0.25 * 192)], air[int(0.42 * 192)]
    assert U[0, np.argmax(above)] < 0.01
    assert above.max() > 2
    assert below[:92].max() > 0.5
    assert below[100:].max() > 0.5
    assert below[96] == 0
    assert not air[int(0.6 * 192) :].any()
