from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT
from sightline.data.phantoms.ct import ATRIUM, CT_FINDINGS, ORGANS, PARTITION, CTFinding, CTPhantom, make_ct
from sightline.data.phantoms.ct.grid import Canvas, Grid
from sightline.data.phantoms.ct.lesions import Lungs, draw_lung_finding
from sightline.data.phantoms.ct.thorax import draw_thorax, lobe, lung
from sightline.data.phantoms.ct.volume import REACH_PIXELS

Scan = Callable[..., CTPhantom]
OF_THE_LUNGS: tuple[CTFinding, ...] = CT_FINDINGS[:4]


@pytest.mark.parametrize("severity", [0.05, 0.9])
@pytest.mark.parametrize("finding", CT_FINDINGS)
def test_a_finding_changes_the_scan_in_its_mask_and_at_its_edge_only(
    scan: Scan, finding: CTFinding, severity: float
) -> None:
    for index in range(4):
        well, ill = scan(index, {}), scan(index, {finding: severity})
        mask, change = ill.lesions[finding].mask, np.abs(ill.values - well.values)
        assert mask.any()
        square = np.ones((1, 2 * REACH_PIXELS + 1, 2 * REACH_PIXELS + 1), bool)
        assert not change[~ndimage.binary_dilation(mask, square)].any()  # to the last bit
        assert change[mask].mean() > 10 * change[~mask].mean()
        np.testing.assert_array_equal(well.labels, ill.labels)


@pytest.mark.parametrize("finding", OF_THE_LUNGS)
def test_findings_lie_in_the_lungs_on_the_side_that_is_told(scan: Scan, finding: CTFinding) -> None:
    for index in range(4):
        ill = scan(index, {finding: 0.5})
        lesion = ill.lesions[finding]
        assert not (lesion.mask & ~ill.lungs).any()
        for side, name in ((-1, "lung_right"), (1, "lung_left")):
            there = (lesion.mask & (ill.labels == ORGANS[name])).any()
            assert there == any(place.side == side for place in lesion.places)
            assert there == (PARTITION[name] in ill.allowed(finding))


@pytest.mark.parametrize("finding", ["consolidation", "ground_glass", "nodule"])
def test_the_lobe_that_is_told_lies_on_the_same_side_of_the_fissures(finding: CTFinding) -> None:
    lobes = set()
    for index in range(6):
        for place in make_ct((8, index), ATRIUM, 32, {finding: 0.3}).lesions[finding].places:
            lobes.add(place.lobe)
            assert place.lobe.startswith("right " if place.side == RIGHT else "left ")
    assert lobes <= {"right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe"}
    assert len(lobes) >= 3


def test_upper_lobes_lie_above_and_in_front_of_lower_ones() -> None:
    thorax = draw_thorax(np.random.default_rng(0), female=False)
    assert lobe(thorax, LEFT, (30.0, 0.0, 60.0)) == "left upper lobe"
    assert lobe(thorax, LEFT, (150.0, 60.0, 60.0)) == "left lower lobe"
    assert lobe(thorax, LEFT, (150.0, -60.0, 60.0)) == "left upper lobe"
    assert lobe(thorax, RIGHT, (150.0, -60.0, -60.0)) == "right middle lobe"
    assert lobe(thorax, RIGHT, (60.0, -60.0, -60.0)) == "right upper lobe"


def test_their_densities_are_those_of_the_tissues(scan: Scan) -> None:
    wanted = {"nodule": (-60, 90), "consolidation": (-120, 90), "effusion": (-40, 40), "ground_glass": (-680, -420)}
    for finding, (low, high) in wanted.items():
        ill = scan(0, {finding: 1.0}, 64)
        core = ndimage.binary_erosion(ill.lesions[finding].mask)
        assert core.sum() > 20
        assert low < np.median(ill.values[core]) < high
        lung = ill.values[ndimage.binary_erosion(ill.lungs & ~ill.lesions[finding].mask)]
        assert -900 < np.median(lung) < -780


def test_fluid_lies_at_the_back_with_a_level(scan: Scan) -> None:
    for index in range(4):
        ill = scan(index, {"effusion": 0.7}, 64)
        place = ill.lesions["effusion"].places[0]
        lung = ill.labels == ORGANS["lung_right" if place.side == RIGHT else "lung_left"]
        fluid = ill.lesions["effusion"].mask & lung
        rows = np.arange(64)[None, :, None]
        assert (rows * fluid).sum() / fluid.sum() > (rows * lung).sum() / lung.sum() + 6
        k = int(fluid.sum(axis=(1, 2)).argmax())
        tops = fluid[k].argmax(axis=0)[fluid[k].any(axis=0)]
        assert np.ptp(np.sort(tops)[: len(tops) // 2]) <= 2


def test_a_nodule_has_the_size_that_is_told(scan: Scan) -> None:
    for index in range(4):
        ill = scan(index, {"nodule": 0.9}, 64)
        lesion = ill.lesions["nodule"]
        if len(lesion.places) > 1:
            continue
        volume = lesion.mask.sum() * np.prod(ill.grid.spacing_mm)
        assert 2 * (volume * 0.75 / np.pi) ** (1 / 3) == pytest.approx(lesion.places[0].size_mm, rel=0.35)


def test_vessels_show_through_ground_glass(scan: Scan) -> None:
    well, glass = scan(1, {}, 64), scan(1, {"ground_glass": 1.0}, 64)
    vessels = glass.lesions["ground_glass"].mask & (well.values > -300)
    assert vessels.any()
    assert np.abs(glass.values - well.values)[vessels].mean() < 60


@pytest.mark.parametrize("finding", ["consolidation", "ground_glass"])
def test_bronchi_keep_their_air(finding: CTFinding) -> None:
    thorax, grid = draw_thorax(np.random.default_rng(0), female=False), Grid(48, 380.0, 5.0)
    fields = {side: lung(thorax, side, *grid.axes) < 0 for side in (-1, 1)}
    airways = np.zeros(grid.shape, np.float32)
    airways[..., ::4] = 1
    canvas = Canvas(grid, np.full(grid.shape, -850, np.float32), np.zeros(grid.shape, np.uint8))
    change = draw_lung_finding(
        finding, canvas, Lungs(thorax, airways, fields), np.random.default_rng(1), severity=0.8, back=np.inf
    )
    assert (change.share > 0.5).any()
    assert not change.share[..., ::4].any()


def test_nothing_else_is_drawn_in_fluid(scan: Scan) -> None:
    for index in range(4):
        ill = scan(index, dict.fromkeys(CT_FINDINGS, 0.7))
        for finding in CT_FINDINGS:
            if finding != "effusion":
                assert ill.lesions[finding].mask.any()
                assert not (ill.lesions[finding].mask & ill.lesions["effusion"].mask).any()
