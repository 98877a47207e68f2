import numpy as np
import pytest
import torch

from sightline.errors import SettingsError, ShapeError
from sightline.metrics import localisation_accuracy, localisation_overlap

NAN = float("nan")
# two images of two classes
MAPS = torch.tensor(
    [[[[1.0, 1.0], [0.998, 0.0]], [[0.5, 0.5], [0.5, 0.5]]], [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]]
)
REGIONS = torch.tensor(
    [[[[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]], [[[NAN] * 2] * 2, [[1.0, 0.6], [0.4, 0.0]]]]
)


def test_overlaps_by_hand() -> None:
    of_union, of_map = localisation_overlap(MAPS, REGIONS)
    torch.testing.assert_close(of_union, torch.tensor([[1 / 4, 0.0], [NAN, 2 / 4]]), equal_nan=True)
    torch.testing.assert_close(of_map, torch.tensor([[1 / 2, 0.0], [NAN, 2 / 4]]), equal_nan=True)
    of_union, of_map = localisation_overlap(MAPS, REGIONS, level=0.5)
    torch.testing.assert_close(of_union, torch.tensor([[2 / 4, 1 / 4], [NAN, 2 / 4]]), equal_nan=True)
    torch.testing.assert_close(of_map, torch.tensor([[2 / 3, 1 / 4], [NAN, 2 / 4]]), equal_nan=True)


def test_a_map_that_is_its_region_is_found_at_every_threshold_and_an_empty_region_is_not_asked() -> None:
    of_union, of_map = localisation_overlap(REGIONS.nan_to_num(), REGIONS, level=0.5001)
    assert of_union[0].tolist() == of_map[0].tolist() == [1, 1]
    assert (localisation_accuracy(of_union, (0.1, 1.0))[:, 0] == 1).all()
    assert localisation_overlap(MAPS, 0 * MAPS)[0].isnan().all()


def test_accuracy_is_the_share_of_the_pairs_that_reach_a_threshold() -> None:
    overlaps = torch.tensor([[0.25, NAN, 0.1], [0.5, NAN, NAN], [0.0, NAN, 0.7], [0.3, NAN, NAN]])
    accuracy = localisation_accuracy(overlaps, (0.1, 0.3, 0.7))
    expected = torch.tensor([[3 / 4, NAN, 1.0], [2 / 4, NAN, 0.5], [0.0, NAN, 0.5]])
    torch.testing.assert_close(accuracy, expected, equal_nan=True)
    assert localisation_accuracy(overlaps).shape == (7, 3)


def test_arrays_are_answered_by_arrays() -> None:
    of_union, _ = localisation_overlap(MAPS.numpy(), REGIONS.numpy())
    assert isinstance(localisation_accuracy(of_union), np.ndarray)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"must both be \(N, K, \*S\), got \(2, 2, 2, 2\) and \(2, 1, 2, 2\)"):
        localisation_overlap(MAPS, REGIONS[:, :1])
    with pytest.raises(ShapeError, match=r"overlaps must be \(N, K\)"):
        localisation_accuracy(MAPS)
    for thresholds in ((), (0.0,), (0.5, 1.1)):
        with pytest.raises(SettingsError, match="thresholds must be shares over 0 to 1"):
            localisation_accuracy(torch.zeros(1, 1), thresholds)
