"""What the measures of maps answer where there is little to measure: the table of `docs/methods/statistics.md`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline import metrics
from sightline.metrics import (
    best_iou,
    border_share,
    complexity,
    dice,
    diff_grad_cam,
    effective_heat_ratio_area,
    iou,
    pointing_game,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_share_inside,
    sparseness,
)

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "statistics.md"
NAN = float("nan")
SHAPE = (1, 1, 4, 4)
MAP = np.ones(SHAPE)
MAP[0, 0, 0, 0] = 3  # in the left half
LEFT = np.zeros(SHAPE)
LEFT[..., :2] = 1
ZERO, EVEN, AGAINST, BROKEN = np.zeros(SHAPE), np.ones(SHAPE), -MAP, np.full(SHAPE, NAN)
EMPTY, FULL, UNKNOWN = np.zeros(SHAPE), np.ones(SHAPE), np.full(SHAPE, NAN)

# in order: map zero, even, all against the class, NaN; region empty, full, unknown
OF_REGIONS: dict[Callable[..., object], tuple[float, ...]] = {
    relevance_share_inside: (NAN, 0.5, 10 / 18, NAN, 0, 1, NAN),
    pointing_game: (NAN, 0.5, 7 / 15, NAN, 0, 1, NAN),
    relevance_mass_accuracy: (NAN, 0.5, NAN, NAN, 0, 1, NAN),
    relevance_rank_accuracy: (NAN, 0.5, 7 / 15, NAN, NAN, 1, NAN),
    iou: (NAN, 0.5, NAN, NAN, 0, 1 / 16, NAN),
    dice: (NAN, 2 / 3, NAN, NAN, 0, 2 / 17, NAN),
    diff_grad_cam: (NAN, NAN, 7 / 8 - 1, NAN, NAN, NAN, NAN),
    effective_heat_ratio_area: (NAN, NAN, (0.5 / 2 + 99.5 * 7 / 15) / 100, NAN, NAN, 1, NAN),
}
ALONE: dict[Callable[..., object], tuple[float, ...]] = {  # map zero, even, NaN
    border_share: (NAN, 12 / 16, NAN),
    sparseness: (NAN, 0, NAN),
    complexity: (NAN, np.log(16), NAN),
}


@pytest.mark.parametrize(("measure", "answers"), OF_REGIONS.items())
def test_maps_and_regions_that_say_little(measure: Callable[..., np.ndarray], answers: tuple[float, ...]) -> None:
    found = [measure(map_, LEFT).item() for map_ in (ZERO, EVEN, AGAINST, BROKEN)]
    found += [measure(MAP, region).item() for region in (EMPTY, FULL, UNKNOWN)]
    assert found == pytest.approx(list(answers), nan_ok=True)
    assert measure(ZERO[:0], EMPTY[:0]).shape == (0,)


def test_the_best_overlap_of_maps_and_regions_that_say_little() -> None:
    pairs = [(map_, LEFT) for map_ in (ZERO, EVEN, AGAINST, BROKEN)] + [(MAP, each) for each in (EMPTY, FULL, UNKNOWN)]
    found = [tuple(part.item() for part in best_iou(*pair)) for pair in pairs]
    nothing = (NAN, NAN)
    expected = [nothing, (0.5, 1), nothing, nothing, (0, 1), (1, 1 / 3), nothing]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("measure", "answers"), ALONE.items())
def test_maps_alone_that_say_little(measure: Callable[..., np.ndarray], answers: tuple[float, ...]) -> None:
    found = [measure(map_).item() for map_ in (ZERO, EVEN, BROKEN)]
    assert found == pytest.approx(list(answers), nan_ok=True, abs=1e-12)
    assert measure(AGAINST).item() == pytest.approx(measure(MAP).item())  # of sizes, not of signs
    assert measure(ZERO[:0]).shape == (0,)


def test_the_page_names_every_metric() -> None:
    page = PAGE.read_text(encoding="utf-8")
    functions = [name for name in metrics.__all__ if callable(getattr(metrics, name)) and name[0].islower()]
    assert [name for name in functions if f"`{name}`" not in page] == []
