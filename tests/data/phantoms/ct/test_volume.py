from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from sightline.data.phantoms.ct import (
    ATRIUM,
    BEACON,
    CEDAR,
    CT_FINDINGS,
    DELTA,
    ORGANS,
    PARTITION,
    SCANNERS,
    CTPhantom,
    make_ct,
)
from sightline.data.phantoms.ct.volume import draw_ct_findings
from sightline.errors import SettingsError

Scan = Callable[..., CTPhantom]


def middle(phantom: CTPhantom, organ: str) -> np.ndarray:
    """Mean (z, y, x) of an organ in mm."""
    places = np.argwhere(phantom.labels == ORGANS[organ]).mean(axis=0)
    return places * phantom.grid.spacing_mm + phantom.grid.origin


def test_the_same_seed_gives_the_same_scan_whatever_was_made_before() -> None:
    first = make_ct((3, 5), BEACON, 40)
    make_ct((3, 6), ATRIUM, 32)
    again = make_ct((3, 5), BEACON, 40)
    np.testing.assert_array_equal(first.develop(BEACON), again.develop(BEACON))
    np.testing.assert_array_equal(first.labels, again.labels)
    for finding, lesion in first.lesions.items():
        np.testing.assert_array_equal(lesion.mask, again.lesions[finding].mask)
    assert (make_ct((3, 6), BEACON, 40).labels != first.labels).any()


def test_organs_lie_where_they_belong(scan: Scan) -> None:
    for index in range(4):
        one = scan(index, {})
        assert set(np.unique(one.labels)) == {0, *ORGANS.values()}
        at = {organ: middle(one, organ) for organ in ORGANS}
        assert at["lung_right"][2] < -40 < 40 < at["lung_left"][2]
        assert at["heart"][2] > 5  # to the left
        assert at["heart"][1] < at["aorta"][1] < at["spine"][1]  # from front to back
        assert at["airways"][0] < at["heart"][0] < at["liver"][0]  # from head to feet
        assert at["liver"][2] < 0 < at["stomach"][2] < at["spleen"][2]
        assert abs(at["spine"][2]) < 4


def test_organs_have_the_volumes_of_an_adult(scan: Scan) -> None:
    litres = {"lung_right": (1.3, 3.5), "lung_left": (1.1, 3.2), "heart": (0.25, 0.9), "aorta": (0.06, 0.3)}
    for index in range(4):
        one = scan(index, {})
        for organ, (low, high) in litres.items():
            volume = (one.labels == ORGANS[organ]).sum() * np.prod(one.grid.spacing_mm) / 1e6
            assert low < volume < high, organ


def test_tissues_have_their_densities(scan: Scan) -> None:
    one = scan(0, {}, 64)
    wanted = {"lung_right": (-900, -780), "heart": (25, 70), "liver": (40, 75), "airways": (-1010, -850)}
    for organ, (low, high) in wanted.items():
        inside = ndimage.binary_erosion(one.labels == ORGANS[organ], iterations=1)
        assert low < np.median(one.values[inside]) < high, organ
    assert np.quantile(one.values[one.labels == ORGANS["spine"]], 0.9) > 250
    assert np.median(one.values[one.body > 15]) == pytest.approx(-1000, abs=15)


def test_contrast_medium_brightens_blood_only_where_it_is_given(scan: Scan) -> None:
    plain, enhanced = (scan(index, {}) for index in (0, 1))
    aortas = [np.median(one.values[one.labels == ORGANS["aorta"]]) for one in (plain, enhanced)]
    assert aortas[0] < 70
    assert aortas[1] > 90


def test_each_lung_is_one_piece_with_vessels_that_thin_out(scan: Scan) -> None:
    one = scan(1, {}, 64)  # with contrast medium
    for side in ("lung_right", "lung_left"):
        lung = one.labels == ORGANS[side]
        pieces, _ = ndimage.label(lung)
        assert np.bincount(pieces.ravel())[1:].max() > 0.97 * lung.sum()
        depth = ndimage.distance_transform_edt(lung, one.grid.spacing_mm)
        blood = one.values > -500
        assert blood[lung & (depth > 24)].mean() > 2 * blood[lung & (depth > 10) & (depth < 16)].mean()


def test_marks_lie_outside_the_body_and_differ_from_scanner_to_scanner(scan: Scan) -> None:
    one = scan(0, {})
    bare = one.develop(ATRIUM.without_marks())
    developed = [one.develop(scanner) for scanner in SCANNERS]
    for marked in developed:
        changed = marked != bare
        assert changed.mean() > 0.003
        assert not changed[one.body <= 0].any()
    assert all((a != b).any() for a, b in pairwise(developed))
    np.testing.assert_array_equal(one.develop(DELTA), bare)
    assert bare.dtype == np.int16


def test_scanners_differ_in_slices_noise_and_kernel() -> None:
    flat = {}
    for scanner in (ATRIUM, BEACON, CEDAR, DELTA):
        one = make_ct(2, scanner, 48, {})
        liver = ndimage.binary_erosion(one.labels == ORGANS["liver"], iterations=2)
        flat[scanner.name] = one.values[liver].std()
        assert one.grid.slice_mm == scanner.slice_mm
    assert flat["cedar"] < flat["atrium"] < flat["beacon"] < flat["delta"]


def test_findings_drawn_from_the_population_have_its_shares() -> None:
    drawn = [draw_ct_findings(np.random.default_rng(seed), CEDAR.population) for seed in range(400)]
    for finding in CT_FINDINGS:
        wanted = getattr(CEDAR.population, finding)
        share = np.mean([finding in one for one in drawn])
        assert abs(share - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 400)


def test_no_drawn_finding_is_slighter_than_asked_for() -> None:
    for seed in range(50):
        plain, severe = (
            draw_ct_findings(np.random.default_rng(seed), CEDAR.population, least=least) for least in (0.0, 0.4)
        )
        assert plain.keys() == severe.keys()
        assert all(severe[finding] == pytest.approx(0.4 + 0.6 * plain[finding]) for finding in plain)


def test_the_parts_of_the_chest_are_the_lungs_and_what_lies_between_them(scan: Scan) -> None:
    for index in range(4):
        one = scan(index, {})
        for name in ("lung_right", "lung_left"):
            np.testing.assert_array_equal(one.parts == PARTITION[name], one.labels == ORGANS[name])
        mediastinum = one.parts == PARTITION["mediastinum"]
        litres = mediastinum.sum() * np.prod(one.grid.spacing_mm) / 1e6
        assert 0.5 < litres < 2.5
        for name, share in {"heart": 0.95, "aorta": 0.4, "great_vessels": 0.4}.items():  # they go on up and down
            assert mediastinum[one.labels == ORGANS[name]].mean() > share
        for name in ("spine", "ribs", "liver", "spleen", "stomach"):
            assert not mediastinum[one.labels == ORGANS[name]].any()
        middle = np.argwhere(mediastinum).mean(axis=0) * one.grid.spacing_mm + one.grid.origin
        assert -10 < middle[2] < 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"findings": {"fracture": 0.5}}, "findings must be of consolidation, .*, got 'fracture'"),
        ({"findings": {"nodule": 1.5}}, "severity of nodule must be between 0 and 1, got 1.5"),
        ({"size": 16}, "at least 32 pixels"),
    ],
)
def test_unusable_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_ct(0, ATRIUM, **arguments)  # type: ignore[arg-type]
