from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.data import Batches
from sightline.data.batches import batches
from sightline.data.cohort import Cohort
from sightline.data.gaze_files import GazeInput, gaze_as_input, write_gaze
from sightline.data.planted_bias import PlantedBias
from sightline.data.prepared import Preprocessing
from sightline.data.prepared_cache import ImageCache
from sightline.data.reading import read_cohort
from sightline.data.settings import DataSettings
from sightline.data.transforms import Augmentation
from sightline.errors import DataError, SettingsError
from sightline.regions.gaze import Fixations, GazeHeatmap, gaze_heatmap, grouped_heatmaps, log_times

SIZE = (16, 20)  # of the image files
SHARP = GazeHeatmap(0.5, "pixels", weight="count")
KINDS = (GazeInput(heatmap=SHARP), GazeInput("frames", 3, SHARP), GazeInput("times"))


@pytest.fixture
def cohort(folder: Path) -> Cohort:
    """Six images; the first has gaze at four places, the second gaze beside the image, the others none."""
    cohort = read_cohort(folder)
    places = np.asarray([(3, 3), (16, 4), (5, 12), (15, 13)], float).T
    seen = Fixations(*places, np.arange(4.0), np.asarray([0.5, 0.3, 0.8, 0.2]), SIZE)
    write_gaze(seen, folder / "seen.csv")
    write_gaze(replace(seen, x=seen.x - 50), folder / "beside.csv")
    first, second, *others = cohort.cases
    gazed = (replace(first, gaze=folder / "seen.csv"), replace(second, gaze=folder / "beside.csv"))
    return replace(cohort, cases=(*gazed, *others))


def steps(kind: GazeInput | None, **changes: Any) -> Preprocessing:
    settings: dict[str, Any] = {"size": 16, "channels": 1, "equalise": False, "pad_to_square": "never"}
    return Preprocessing(**settings | changes, gaze_input=kind)


def images(made: Batches) -> torch.Tensor:
    return torch.cat([batch.images for batch in made])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_gaze_comes_behind_the_channels_of_the_image(cohort: Cohort, kind: GazeInput, channels: int) -> None:
    made = images(batches(cohort, steps(kind, channels=channels), batch_size=4, seed=None))
    plain = images(batches(cohort, steps(None, channels=channels), batch_size=4, seed=None))
    assert made.shape[1] == DataSettings(Path(), steps(kind, channels=channels)).channels == channels + kind.channels
    assert torch.equal(made[:, :channels], plain)
    assert made[0, channels:].amax() == 1
    assert (made[1:, channels:] == 0).all()  # beside the image, and not known


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad", ["always", "never"])
def test_gaze_is_drawn_as_the_functions_draw_it(cohort: Cohort, kind: GazeInput, pad: Any) -> None:
    made = images(batches(cohort, steps(kind, pad_to_square=pad), batch_size=4, seed=None))[0, 1:]
    table = np.genfromtxt(cohort.cases[0].gaze, delimiter=",", names=True)
    gaze = Fixations(table["x"], table["y"], table["start"], table["duration"], SIZE)
    canvas = (20, 20) if pad == "always" else SIZE
    drawn = {
        "density": lambda: gaze_heatmap(gaze, (16, 16), SHARP, canvas=canvas),
        "frames": lambda: grouped_heatmaps(gaze, (16, 16), SHARP, frames=3, canvas=canvas),
        "times": lambda: log_times(gaze, (16, 16), canvas=canvas),
    }[kind.kind]()
    torch.testing.assert_close(made, drawn, atol=1 / 65535, rtol=0)


def test_gaze_moves_with_the_image(cohort: Cohort, save: Callable[[Path, np.ndarray], Path]) -> None:
    """An image of its own gaze map stays one, however it is moved."""
    kind, gaze = GazeInput(heatmap=GazeHeatmap(2, "pixels")), cohort.root / "square.csv"
    places = np.asarray([(3, 3), (12, 4), (5, 12)], float).T
    write_gaze(Fixations(*places, np.arange(3.0), np.ones(3), (16, 16)), gaze)
    drawn = np.rint(gaze_as_input(gaze, (16, 16), (16, 16), kind)[0].numpy() * 65535).astype(np.uint16)
    image = save(cohort.root / "square.png", drawn)
    one = replace(cohort, cases=(replace(cohort.cases[0], image=image, mask=None, gaze=gaze),))
    motion = Augmentation(translate=0.3, rotate_degrees=90)
    still = images(batches(one, steps(kind), batch_size=1, seed=None))
    for epoch in range(4):
        moved = images(batches(one, steps(kind), batch_size=1, seed=5, epoch=epoch, augmentation=motion))
        torch.testing.assert_close(moved[:, 0], moved[:, 1], atol=1e-4, rtol=0)
        assert (moved - still).abs().max() > 0.2


def test_a_planted_bias_and_an_erased_background_leave_the_gaze_alone(cohort: Cohort) -> None:
    first = replace(cohort, cases=cohort.cases[:1])
    kind = KINDS[0]
    plain = images(batches(first, steps(kind), batch_size=1, seed=None))
    planted = images(batches(first, steps(kind), batch_size=1, seed=None, planted=PlantedBias(side=0.4)))
    erased = images(batches(first, steps(kind), batch_size=1, seed=None, erase_background=True))
    for changed in (planted, erased):
        assert not torch.equal(changed[:, 0], plain[:, 0])
        assert torch.equal(changed[:, 1:], plain[:, 1:])


def test_kinds_do_not_share_what_a_cache_keeps(cohort: Cohort, tmp_path: Path) -> None:
    first = replace(cohort, cases=cohort.cases[:1])
    cache = ImageCache(folder=tmp_path / "cache")
    for _ in range(2):
        for kind in KINDS:
            kept = images(batches(first, steps(kind), batch_size=1, seed=None, cache=cache))
            assert torch.equal(kept, images(batches(first, steps(kind), batch_size=1, seed=None)))
    again = ImageCache(folder=tmp_path / "cache")
    kept = images(batches(first, steps(KINDS[1]), batch_size=1, seed=None, cache=again))
    assert torch.equal(kept, images(batches(first, steps(KINDS[1]), batch_size=1, seed=None)))


def test_what_cannot_be_drawn_is_refused(cohort: Cohort) -> None:
    with pytest.raises(SettingsError, match="frames must be at least 1, got 0"):
        GazeInput(frames=0)
    degrees = GazeInput(heatmap=GazeHeatmap(1, "degrees"))
    with pytest.raises(DataError, match=r"seen\.csv: sigma in degrees needs gaze with pixels_per_degree"):
        images(batches(cohort, steps(degrees), batch_size=1, seed=None))
