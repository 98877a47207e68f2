from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightline.data.gaze_files import read_gaze
from sightline.data.phantoms.anatomy import Bools
from sightline.data.phantoms.radiographs import FINDINGS, Gaze, Radiograph, simulate_gaze
from sightline.regions.gaze.scanpath import Fixations

Take = Callable[..., Radiograph]


def share_in(gaze: Gaze, mask: Bools) -> float:
    """Share of the time that is spent in a mask."""
    columns, rows = gaze.fixations[:, :2].astype(int).T
    durations = gaze.fixations[:, 3]
    return float(durations[mask[rows, columns]].sum() / durations.sum())


def test_it_dwells_on_what_is_there_and_not_on_the_same_place_without(take: Take) -> None:
    for finding in FINDINGS[:-1]:
        with_it, without = [], []
        for index in range(8):
            ill, well = take(index, {finding: 0.5}), take(index, {})
            mask = ill.lesions[finding].mask
            for film, shares in ((ill, with_it), (well, without)):
                gaze = simulate_gaze(film, np.random.default_rng(index), miss_rate=0)
                shares.append((share_in(gaze, mask), mask.mean()))
        dwelt, area = np.mean(with_it, axis=0)
        assert dwelt > 2.5 * area
        assert dwelt > np.mean(without, axis=0)[0] + 0.12


def test_what_is_missed_draws_no_gaze(take: Take) -> None:
    for index in range(6):
        film = take(index, {"nodule": 0.7})
        seen, missed = (simulate_gaze(film, np.random.default_rng(index), miss_rate=rate) for rate in (0, 1))
        assert (seen.missed, missed.missed) == ((), ("nodule",))
        mask = film.lesions["nodule"].mask
        assert share_in(missed, mask) < 0.1 < share_in(seen, mask)


def test_findings_are_missed_at_the_rate_that_is_asked(take: Take) -> None:
    film = take(1, dict.fromkeys(FINDINGS, 0.5), 64)
    missed = sum(len(simulate_gaze(film, np.random.default_rng(seed), miss_rate=0.3).missed) for seed in range(60))
    assert abs(missed / 300 - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 300)


def test_fixations_follow_each_other_on_the_film(take: Take) -> None:
    for index in range(6):
        x, y, start, duration = simulate_gaze(take(index, {"effusion": 0.4}), np.random.default_rng(index)).fixations.T
        assert start[0] == 0
        assert (start[1:] > start[:-1] + duration[:-1]).all()
        assert ((duration >= 0.08) & (duration <= 2.5)).all()
        assert ((x >= 0) & (x < 128) & (y >= 0) & (y < 128)).all()
        assert 4 < start[-1] + duration[-1] < 60


def test_the_same_generator_gives_the_same_gaze(take: Take) -> None:
    first, second = (simulate_gaze(take(2, {"nodule": 0.5}), np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.fixations, second.fixations)


def test_its_table_is_read_as_fixations(take: Take, tmp_path: Path) -> None:
    gaze = simulate_gaze(take(2, {"nodule": 0.5}), np.random.default_rng(4))
    (tmp_path / "gaze.csv").write_text(gaze.table())
    read = read_gaze(tmp_path / "gaze.csv", (128, 128))
    assert isinstance(read, Fixations)
    np.testing.assert_allclose(np.stack([read.x, read.y], axis=1), gaze.fixations[:, :2], atol=0.005)
    np.testing.assert_allclose(read.duration, gaze.fixations[:, 3], atol=0.0005)
