from collections.abc import Callable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter

from sightline.errors import DataError
from sightline.regions.gaze import EGD, MT_UNET, PRESETS, REFLACX, Fixations, gaze_heatmap, through_viridis

Make = Callable[..., Fixations]
PLACES = [(700, 620), (450, 400), (420, 130), (460, 390)]


def impulses(size: tuple[int, int]) -> np.ndarray:
    counts = np.zeros(size)
    for x, y in PLACES:
        counts[y, x] += 1
    return counts


def middles(fixations: Make, size: tuple[int, int]) -> Fixations:
    return fixations([(x + 0.5, y + 0.5) for x, y in PLACES], size, duration=[0.1, 2, 0.5, 1])


def test_egd_is_the_filter_of_its_code(fixations: Make) -> None:
    size = (801, 900)
    expected = gaussian_filter(impulses(size), 150)
    drawn = gaze_heatmap(middles(fixations, size), size, EGD)[0].numpy()
    np.testing.assert_allclose(drawn, expected / expected.max(), atol=1e-5)


def test_mt_unet_is_the_filter_of_its_code(fixations: Make) -> None:
    """OpenCV's Gaussian of 501 pixels, here by SciPy; it mirrors about the middle of the last pixel, not its edge."""
    size = (801, 900)
    taps = np.exp(-((np.arange(501) - 250) ** 2) / (2 * 75.5**2))
    taps /= taps.sum()
    expected = correlate1d(correlate1d(impulses(size), taps, axis=0, mode="mirror"), taps, axis=1, mode="mirror")
    drawn = gaze_heatmap(middles(fixations, size), size, MT_UNET)[0].numpy()
    inner = (slice(260, 540), slice(260, 640))  # out of reach of the edges
    np.testing.assert_allclose(drawn[inner], (expected / expected.max())[inner], atol=1e-5)
    np.testing.assert_allclose(drawn, expected / expected.max(), atol=4e-3)


def test_reflacx_is_the_density_of_its_code(fixations: Make) -> None:
    size, degree = (200, 240), (20.0, 16.0)
    gaze = fixations([(60.5, 50.5), (200.5, 150.5)], size, duration=[1, 3], pixels_per_degree=degree)
    y, x = np.mgrid[:200, :240]
    expected = sum(
        t * np.exp(-((x - cx) ** 2) / (2 * degree[0] ** 2) - (y - cy) ** 2 / (2 * degree[1] ** 2))
        for cx, cy, t in ((60, 50, 1), (200, 150, 3))
    )
    drawn = gaze_heatmap(gaze, size, REFLACX)[0].double().numpy()
    assert drawn.sum() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=1e-3 * expected.max() / expected.sum())


def test_presets_ignore_or_use_durations_as_their_papers_do(fixations: Make) -> None:
    gaze = replace(middles(fixations, (801, 900)), pixels_per_degree=np.full((4, 2), 40.0))
    even = replace(gaze, duration=np.ones(4))
    for name, options in PRESETS.items():
        same = torch.equal(gaze_heatmap(gaze, (40, 45), options), gaze_heatmap(even, (40, 45), options))
        assert same == (name != "reflacx")


def test_through_viridis_is_what_matplotlib_stores_and_pil_reads(tmp_path: object, fixations: Make) -> None:
    heatmap = gaze_heatmap(middles(fixations, (801, 900)), (60, 70), EGD)
    path = f"{tmp_path}/heatmap.png"
    plt.imsave(path, heatmap[0].numpy())
    stored = np.asarray(Image.open(path).convert("RGB").convert("L")) / 255
    grey = through_viridis(heatmap)
    assert grey.shape == heatmap.shape
    np.testing.assert_allclose(grey[0].numpy(), stored, atol=1.01 / 255)
    assert (grey.min().item(), grey.max().item()) == (pytest.approx(0.12, abs=0.01), pytest.approx(0.85, abs=0.01))


def test_a_map_of_ours_is_0_where_nobody_looked(fixations: Make) -> None:
    """The colours of EGD-CXR's pictures make 0.12 of it."""
    drawn = gaze_heatmap(fixations([(100, 100)], (3000, 2500)), (30, 25), EGD)
    assert drawn.max() == 1
    assert drawn[0, -1, -1] == 0
    assert through_viridis(drawn)[0, -1, -1] > 0.1


def test_through_viridis_keeps_the_unknown_and_refuses_an_even_map() -> None:
    assert through_viridis(torch.full((1, 2, 2), torch.nan)).isnan().all()
    with pytest.raises(DataError, match="a map of 0 throughout has no range to colour"):
        through_viridis(torch.zeros(1, 2, 2))
