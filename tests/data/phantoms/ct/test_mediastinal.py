from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.ct import ORGANS, PARTITION, CTFinding, CTPhantom
from sightline.data.phantoms.ct.mediastinal import MEDIASTINAL
from sightline.data.phantoms.ct.thorax import draw_thorax, heart, on_heart

Scan = Callable[..., CTPhantom]


@pytest.mark.parametrize("severity", [0.1, 1.0])
@pytest.mark.parametrize("finding", MEDIASTINAL)
def test_they_lie_in_the_mediastinum_whole(scan: Scan, finding: CTFinding, severity: float) -> None:
    for index in range(3):
        ill = scan(index, {finding: severity})
        lesion = ill.lesions[finding]
        assert ill.allowed(finding) == (PARTITION["mediastinum"],)
        assert lesion.places
        assert {(place.side, place.lobe) for place in lesion.places} == {(0, "")}
        for place in lesion.places:
            down, back, left = (
                round((at - start) / step)
                for at, start, step in zip(place.middle, ill.grid.origin, ill.grid.spacing_mm, strict=True)
            )
            assert lesion.mask[down - 1 : down + 2, back - 1 : back + 2, left - 1 : left + 2].any()


def test_lime_is_bright_and_on_the_heart(scan: Scan) -> None:
    amounts = []
    for severity in (0.1, 0.9):
        ill = scan(0, {"coronary_calcification": severity}, 64)
        mask = ill.lesions["coronary_calcification"].mask
        assert (ill.labels[mask] == ORGANS["heart"]).all()
        inner = ndimage.binary_erosion(ill.labels == ORGANS["heart"], iterations=4)
        assert inner[mask].mean() < 0.2
        assert np.quantile(ill.values[mask], 0.9) > 300
        assert np.quantile(ill.values[(ill.labels == ORGANS["heart"]) & ~mask], 0.9) < 250
        amounts.append(int(mask.sum()))
    assert amounts[1] > 2 * amounts[0]


def test_a_hernia_is_gas_over_fluid_behind_the_heart(scan: Scan) -> None:
    for index in range(2):
        ill = scan(index, {"hiatal_hernia": 0.6}, 64)
        lesion = ill.lesions["hiatal_hernia"]
        rows = np.arange(64)[None, :, None]
        gas, fluid = (lesion.mask & (ill.values < -500), lesion.mask & (ill.values > -60))
        assert set(np.unique(ill.labels[lesion.mask])) == {0}  # organs stay
        assert gas.any()
        assert fluid.any()
        at = [(rows * part).sum() / part.sum() for part in (gas, fluid, ill.labels == ORGANS["heart"])]
        assert at[2] < at[0] < at[1]
        volume = lesion.mask.sum() * np.prod(ill.grid.spacing_mm)
        assert 2 * (volume * 0.75 / np.pi) ** (1 / 3) == pytest.approx(lesion.places[0].size_mm, rel=0.15)


def test_points_on_the_heart_lie_as_deep_as_asked() -> None:
    thorax = draw_thorax(np.random.default_rng(1), female=False)
    for along, turn in ((-0.9, 0.3), (0.0, 3.0), (0.8, 5.0)):
        for depth in (0.0, 4.0):
            z, y, x = (np.array([place], np.float32) for place in on_heart(thorax, along, turn, depth=depth))
            assert heart(thorax, z, y, x)[0] == pytest.approx(-depth, abs=1e-3)
