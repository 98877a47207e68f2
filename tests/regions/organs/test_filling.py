import numpy as np

from sightline.regions.organs.filling import fill_lungs


def test_vessels_nodules_and_notches_become_lung_and_large_holes_stay() -> None:
    codes = np.zeros((1, 60, 100), np.uint8)
    codes[0, 5:55, 5:45], codes[0, 5:55, 55:95] = 1, 3
    full = codes.copy()
    codes[0, 10:16, 10:16] = 0  # a nodule
    codes[0, 30:34, 5:13] = 0  # a notch at the wall
    codes[0, 15:45, 60:90] = 0  # the liver in the dome of the diaphragm: 900 mm^2
    fill_lungs(codes, (1.0, 1.0), fill_mm2=400, closing_mm=3)
    left_open = codes[0, :, :50] != full[0, :, :50]
    assert set(np.argwhere(left_open)[:, 1]) <= {5, 6}  # the notch's mouth
    assert (codes[0, 15:45, 60:90] == 0).sum() > 800
    assert set(np.unique(codes)) == {0, 1, 3}


def test_one_lung_does_not_take_from_the_other() -> None:
    codes = np.ones((1, 20, 20), np.uint8)
    codes[0, 8:12, 8:12] = 3
    before = codes.copy()
    fill_lungs(codes, (1.0, 1.0), fill_mm2=1000, closing_mm=5)
    np.testing.assert_array_equal(codes, before)


def test_sizes_are_in_millimetres() -> None:
    for pixel, filled in ((1.0, True), (4.0, False)):  # a hole of 25 pixels
        codes = np.ones((1, 30, 30), np.uint8)
        codes[0, 10:15, 10:15] = 0
        fill_lungs(codes, (pixel, pixel), fill_mm2=100, closing_mm=0)
        assert codes.all() == filled
