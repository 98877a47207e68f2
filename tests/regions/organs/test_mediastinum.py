import numpy as np

from sightline.regions.organs.mediastinum import mark_mediastinum
from sightline.regions.organs.morphology import bounding_box


def test_a_quarter_is_cut_on_the_right_and_an_eighth_on_the_left() -> None:
    codes = np.zeros((3, 5, 24), np.uint8)
    codes[1, 1:4, 2:5], codes[1, 1:4, 19:21] = 1, 3
    box = bounding_box(codes > 0)
    assert box == (slice(1, 2), slice(1, 4), slice(2, 21))
    mark_mediastinum(codes, box)
    # 19 columns: q = 4, so columns 2 + 4 to 21 - 2, where the last one is lung
    assert codes[1, 2].tolist() == [0] * 2 + [1] * 3 + [0] + [2] * 13 + [3] * 2 + [0] * 3
    assert not codes[0].any()
    assert not codes[2].any()
    assert not codes[1, 0].any()
    assert not codes[1, 4].any()
