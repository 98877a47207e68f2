from typing import Any

import numpy as np
import pytest

from sightline.data.phantoms.cohort import HOSPITALS
from sightline.data.phantoms.hospitals import Marks
from sightline.data.phantoms.marks import draw_marks, stamp


def test_marker_is_white_at_its_place_and_nowhere_else() -> None:
    level, cover = draw_marks(Marks("L", (0.25, 0.25), height=0.2), np.random.default_rng(0), 64)
    rows, columns = np.nonzero(cover > 0.5)
    assert abs((rows.min() + rows.max()) / 2 - 16) < 2
    assert abs((columns.min() + columns.max()) / 2 - 16) < 2
    assert 10 < np.ptp(rows) < 18  # 0.2 of 64 is 12.8, plus the pen
    assert level[cover > 0.5].min() > 0.9


def test_l_has_its_foot_to_the_right() -> None:
    _, cover = draw_marks(Marks("L", (0.5, 0.5), height=0.5), np.random.default_rng(0), 64)
    assert cover[40:, 35:].sum() > 5 * cover[:30, 35:].sum()


@pytest.mark.parametrize(
    ("frame", "inside", "outside"),
    [
        ("sides", [(0, 32), (63, 32)], [(32, 0), (32, 63)]),
        ("ends", [(32, 0), (32, 63)], [(0, 32), (63, 32)]),
        ("corners", [(0, 32), (32, 0)], [(0, 0), (0, 63), (63, 0), (63, 63)]),
    ],
)
def test_frame_blackens_its_edges(frame: Any, inside: list[tuple[int, int]], outside: list[tuple[int, int]]) -> None:
    level, cover = draw_marks(Marks("L", (0.5, 0.5), height=0.05, frame=frame), np.random.default_rng(1), 64)
    for pixel in outside:
        assert cover[pixel] > 0.95
        assert level[pixel] == 0
    for pixel in inside:
        assert cover[pixel] == 0


def test_any_marks_take_the_same_draws() -> None:
    states = []
    for hospital in HOSPITALS:
        rng = np.random.default_rng(2)
        draw_marks(hospital.marks, rng, 32)
        states.append(rng.random())
    assert len(set(states)) == 1


def test_stamp_leaves_lungs_as_they_are() -> None:
    film = np.full((64, 64), 0.5)
    lungs = np.zeros((64, 64), bool)
    lungs[:, :30] = True
    marked = stamp(film, lungs, Marks("A", (0.5, 0.5), height=0.8), np.random.default_rng(0))
    assert (marked[lungs] == 0.5).all()
    assert (marked[~lungs] > 0.9).any()
