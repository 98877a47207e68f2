from dataclasses import replace

import numpy as np
import pytest

from sightline.errors import DataError
from sightline.evaluation.audit.maps.strategy_files import Strategy
from sightline.evaluation.maps import CaseMap
from sightline.metrics import Interval
from sightline.reporting.strategy_sheet import strategy_figure
from sightline.reporting.themes import DARK


def case_map(shape: tuple[int, ...] = (16, 16), *, bright: int = 0, channels: int = 1, known: bool = True) -> CaseMap:
    rng = np.random.default_rng(bright)
    attribution = np.zeros(shape, np.float32)
    attribution[bright] = -1.0
    region = np.full((1, *shape), 0.0 if known else np.nan, np.float32)
    region[..., 4:12] = 1.0 if known else np.nan
    return CaseMap(rng.random((channels, *shape), np.float32), attribution, region, 0)


def share(value: float) -> Interval:
    return Interval(value, value, value, 9, "percentile bootstrap of patients")


STRATEGY = Strategy(
    "strategy 1", 9, share(0.05), share(0.25), {"ill": 6, "well": 3}, {f"s{i}": 1 for i in range(9)}, ("a", "b", "c")
)
MAPS = {name: case_map(bright=index) for index, name in enumerate("abc")}


def texts(figure: object) -> list[str]:
    return [text.get_text() for text in figure.texts]  # type: ignore[attr-defined]


def test_each_case_is_shown_bare_and_with_its_map() -> None:
    figure = strategy_figure(STRATEGY, MAPS)
    assert len(figure.axes) == 6
    bare, over = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:2])
    assert (bare[..., 0] == bare[..., 1]).mean() > 0.5  # grey but for the outline
    blue = over[..., 2].astype(int) - over[..., 0]
    assert blue.max() > 150  # against the answer, in the first row
    assert "Strategy 1, 9 cases" in texts(figure)
    assert (
        "5\N{NO-BREAK SPACE}% of the relevance lies inside the region, which covers 25\N{NO-BREAK SPACE}% of the image"
        in texts(figure)
    )
    assert "answered ill 6, well 3" in texts(figure)
    assert "from s0 1, s1 1, s2 1, s3 1 and 5 more" in texts(figure)
    assert [text for text in texts(figure) if text in MAPS] == ["a", "b", "c"]


def test_of_a_volume_the_slice_with_most_relevance_is_shown() -> None:
    figure = strategy_figure(replace(STRATEGY, typical=("a",)), {"a": case_map((5, 12, 12), bright=3)})
    assert any("slice 4 of 5" in text for text in texts(figure))
    over = np.asarray(figure.axes[1].images[0].get_array()).astype(int)
    assert (over[..., 2] - over[..., 0] > 100).mean() > 0.5


def test_three_channels_and_unknown_regions_and_empty_maps_are_drawn() -> None:
    shown = {
        "a": case_map(channels=3, known=False),
        "b": replace(case_map(), attribution=np.zeros((16, 16), np.float32)),
    }
    unknown = replace(STRATEGY, typical=("a", "b"), inside=share(float("nan")), sources={})
    figure = strategy_figure(unknown, {"a": shown["a"], "b": shown["a"]}, theme=DARK)
    assert "red speaks for the answer, blue against it" in texts(figure)
    assert not any("inside" in text for text in texts(figure))
    strategy_figure(replace(STRATEGY, typical=("b",)), shown).canvas.draw()


@pytest.mark.parametrize("width", [350, 1016])
def test_words_and_tiles_stay_within_the_page(width: int) -> None:
    many = {f"a-name-of-a-case-that-is-long-{index}": case_map(bright=index) for index in range(8)}
    figure = strategy_figure(replace(STRATEGY, typical=tuple(many)), many, width=width)
    figure.canvas.draw()
    box, (across, down) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= -0.01
    assert box.x1 <= across + 0.01
    assert box.y0 >= -0.01
    assert box.y1 <= down + 0.01


def test_a_case_without_a_map_and_a_strategy_without_cases_are_refused() -> None:
    with pytest.raises(DataError, match="map of case c is not there"):
        strategy_figure(STRATEGY, {name: MAPS[name] for name in "ab"})
    with pytest.raises(DataError, match="no typical case"):
        strategy_figure(replace(STRATEGY, typical=()), MAPS)
