import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.reporting.dicom import top_region

MAPS = arrays(np.float32, (6, 5), elements=st.integers(-20, 20).map(np.float32))


def test_by_hand() -> None:
    drawn = np.asarray([[4, 3, -9], [2, 1, 0]], np.float32)  # 10 in all, 4 + 3 hold more than a half
    assert top_region(drawn, smooth=0).tolist() == [[True, True, False], [False, False, False]]
    assert top_region(drawn, share=0.4, smooth=0).sum() == 1
    assert top_region(drawn, share=1.0, smooth=0).sum() == 4


def test_places_of_one_value_count_together() -> None:
    assert top_region(np.ones((3, 3), np.float32), smooth=0).all()


def test_nothing_speaks_for_the_class() -> None:
    assert not top_region(np.zeros((4, 4), np.float32)).any()
    assert not top_region(-np.ones((4, 4, 4), np.float32)).any()


@given(MAPS, st.sampled_from([0.1, 0.5, 0.9]))
def test_it_holds_the_share_and_no_level_too_many(drawn: np.ndarray, share: float) -> None:
    region, positive = top_region(drawn, share=share, smooth=0), np.maximum(drawn.astype(float), 0)
    if not positive.any():
        assert not region.any()
        return
    assert positive[region].sum() >= share * positive.sum() - 1e-9
    assert positive[region].min() > positive[~region].max(initial=0)
    assert positive[positive > positive[region].min()].sum() < share * positive.sum()


def test_signs_that_alternate_are_summed_first() -> None:
    drawn = np.zeros((50, 50), np.float32)
    drawn[10:20, 10:20] = 1
    drawn[10:20:2, 10:20] = -0.5
    drawn[40, 40] = 3
    region = top_region(drawn, smooth=0.04)
    assert region[12:18, 12:18].all()
    assert not region[30:].any()
