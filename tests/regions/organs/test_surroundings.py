import numpy as np

from sightline.regions.organs.surroundings import sides_with_body


def ring() -> np.ndarray:
    """A body of 8 pixels' wall, 40 x 40, in 60 x 60 pixels, a thin sheet below."""
    tissue = np.zeros((60, 60), bool)
    tissue[5:45, 10:50] = True
    tissue[13:37, 18:42] = False
    tissue[52:54] = True
    return tissue


def test_inside_the_body_all_four_sides_have_it_and_beside_it_one_has() -> None:
    sides = sides_with_body(ring(), (2.0, 2.0))
    assert (sides[13:37, 18:42] == 4).all()
    assert (sides[20, :8] == 1).all()
    assert (sides[46:52, 20] == 1).all()  # between body and sheet: the sheet is too thin to be a body
    assert sides[2, 2] == 0


def test_a_wall_that_is_open_on_one_side_leaves_three() -> None:
    tissue = ring()
    tissue[13:37, 42:] = False
    assert (sides_with_body(tissue, (2.0, 2.0))[15:35, 18:42] == 3).all()


def test_millimetres_decide_not_pixels() -> None:
    fine = ring().repeat(3, axis=0).repeat(3, axis=1)
    coarse = sides_with_body(ring(), (3.0, 3.0)).repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(sides_with_body(fine, (1.0, 1.0)), coarse)


def test_without_tissue_there_are_no_sides() -> None:
    assert not sides_with_body(np.zeros((20, 20), bool), (1.0, 1.0)).any()
