from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.data.gaze_files import GazeRegion, read_gaze, region_from_gaze, write_gaze
from sightline.data.images import pad_to_square
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.gaze import DispersionThreshold, Fixations, GazeHeatmap, Samples, gaze_heatmap, region_by_mass

SIZE = (30, 20)


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "gaze.csv"
        path.write_text(text)
        return path

    return write


def test_our_own_fixations_are_read(table: Callable[[str], Path]) -> None:
    gaze = read_gaze(table("start,duration,x,y\n0.5,0.25,10.5,-3\n1,0.5,2,4\n"), SIZE)
    assert isinstance(gaze, Fixations)
    assert gaze.x.tolist() == [10.5, 2]
    assert gaze.y.tolist() == [-3, 4]
    assert gaze.start.tolist() == [0.5, 1]
    assert gaze.duration.tolist() == [0.25, 0.5]
    assert gaze.size == SIZE
    assert gaze.pixels_per_degree is None


def test_our_own_samples_are_valid_where_they_have_a_place_and_say_so(table: Callable[[str], Path]) -> None:
    gaze = read_gaze(table("time,x,y,valid\n0,1,2,1\n0.1,,,1\n0.2,3,4,0\n0.3,5,6,1\n"), SIZE)
    assert isinstance(gaze, Samples)
    assert gaze.valid.tolist() == [True, False, False, True]
    assert gaze.time.tolist() == [0, 0.1, 0.2, 0.3]


def test_fixations_of_reflacx_last_from_start_to_end(table: Callable[[str], Path]) -> None:
    names = "timestamp_start_fixation,timestamp_end_fixation,x_position,y_position,pupil_area_normalized,window_level,"
    names += "angular_resolution_x_pixels_per_degree,angular_resolution_y_pixels_per_degree\n"
    gaze = read_gaze(table(names + "7.08,7.293,15,12,1.131,0.49,94,90\n"), SIZE)
    assert isinstance(gaze, Fixations)
    assert (gaze.x[0], gaze.y[0], gaze.start[0]) == (15, 12, 7.08)
    assert gaze.duration[0] == pytest.approx(0.213)
    assert gaze.pixels_per_degree is not None
    assert gaze.pixels_per_degree.tolist() == [[94, 90]]


def test_samples_of_reflacx_are_not_valid_where_empty(table: Callable[[str], Path]) -> None:
    names = "timestamp_sample,x_position,y_position,angular_resolution_x_pixels_per_degree,"
    names += "angular_resolution_y_pixels_per_degree,window_width\n"
    gaze = read_gaze(table(names + "0.001,15,12,94,90,1\n0.002,,,,,1\n0.003,15,13,94,90,1\n"), SIZE)
    assert isinstance(gaze, Samples)
    assert gaze.valid.tolist() == [True, False, True]


@given(st.integers(0, 5), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_back_to_the_last_digit(tmp_path: Path, count: int, degrees: bool, seed: int) -> None:
    x, y, start, lasts = np.random.default_rng(seed).uniform(0, 30, (4, count))
    per_degree = np.stack((x + 1, y + 1), axis=1) if degrees and count else None
    path = tmp_path / "gaze.csv"
    gaze = Fixations(x, y, start, lasts, SIZE, per_degree)
    write_gaze(gaze, path)
    back = read_gaze(path, SIZE)
    assert isinstance(back, Fixations)
    for name in ("x", "y", "start", "duration", "pixels_per_degree"):
        np.testing.assert_array_equal(getattr(back, name), getattr(gaze, name))
    samples = Samples(np.sort(start), x, y, x > 15, SIZE, per_degree)
    write_gaze(samples, path)
    again = read_gaze(path, SIZE)
    assert isinstance(again, Samples)
    np.testing.assert_array_equal(again.valid, samples.valid)
    np.testing.assert_array_equal(again.x[again.valid], x[x > 15])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x,y,t\n1,2,3\n",
            r"^gaze.csv: gaze needs columns x, y, start, duration \(fixations\); or time, .*; it has x, y, t$",
        ),
        ("x,y,start,duration\n1,,3,4\n", "^gaze.csv: y of fixations must be finite"),
        ("x,y,start,duration\n1,2,3,-4\n", "^gaze.csv: a fixation lasts no less than 0 s, got -4"),
        ("time,x,y\n1,2,3\n0,2,3\n", "^gaze.csv: times of samples must be finite and never fall"),
        ("time,x,y\n1,2,b\n", "^gaze.csv line 2: y must be a number, got 'b'"),
    ],
)
def test_bad_gaze_is_one_clear_line(table: Callable[[str], Path], text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_gaze(table(text), SIZE)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"^gaze/1.csv: no such table"):
        region_from_gaze(tmp_path / "1.csv", SIZE, (8, 8), name="gaze/1.csv")


def test_a_region_is_the_heatmap_of_the_file(table: Callable[[str], Path]) -> None:
    path = table("x,y,start,duration\n10,12,0,1\n3,25,1,2\n")
    gaze = read_gaze(path, SIZE)
    assert isinstance(gaze, Fixations)
    region = region_from_gaze(path, SIZE, (8, 8))
    assert (region.shape, region.dtype) == ((1, 8, 8), torch.float32)
    assert torch.equal(region, gaze_heatmap(gaze, (8, 8)))
    options = GazeRegion(GazeHeatmap(3, "pixels", "count"), mass=0.9)
    expected = region_by_mass(gaze_heatmap(gaze, (8, 8), options.heatmap), 0.9)
    assert torch.equal(region_from_gaze(path, SIZE, (8, 8), options), expected)
    assert set(expected.unique().tolist()) == {0, 1}


def test_padding_lies_where_pad_to_square_puts_it(table: Callable[[str], Path]) -> None:
    path = table("x,y,start,duration\n1,2,0,1\n3,18,1,2\n")
    alone = region_from_gaze(path, (20, 9), (20, 9))
    padded = region_from_gaze(path, (20, 9), (20, 20), pad=True)
    np.testing.assert_allclose(padded[0].numpy(), pad_to_square(alone[0].numpy()), atol=1e-6)


def test_samples_count_each_or_become_fixations(table: Callable[[str], Path]) -> None:
    rows = [(5, 5)] * 12 + [(9, 14), (12, 20)] + [(15, 25)] * 12
    path = table("time,x,y\n" + "".join(f"{i / 60},{x},{y}\n" for i, (x, y) in enumerate(rows)))
    options = GazeHeatmap(1, "pixels")
    every = region_from_gaze(path, SIZE, SIZE, GazeRegion(options))
    found = region_from_gaze(path, SIZE, SIZE, GazeRegion(options, DispersionThreshold(3, unit="pixels")))
    assert every[0, 14, 9] > 0.05
    assert found[0, 14, 9] < 1e-6
    assert found[0, 24, 14] == pytest.approx(1)


def test_gaze_beside_the_image_leaves_the_region_unknown(table: Callable[[str], Path]) -> None:
    for text in ("x,y,start,duration\n-5,3,0,1\n", "x,y,start,duration\n", "time,x,y\n0,,\n"):
        assert region_from_gaze(table(text), SIZE, (8, 8), GazeRegion(mass=0.5)).isnan().all()


def test_options_in_degrees_need_a_table_that_knows_them(table: Callable[[str], Path]) -> None:
    path = table("x,y,start,duration\n1,2,0,1\n")
    with pytest.raises(DataError, match=r"^gaze.csv: sigma in degrees needs gaze with pixels_per_degree"):
        region_from_gaze(path, SIZE, (8, 8), GazeRegion(GazeHeatmap(1, "degrees")))


def test_a_mass_out_of_range_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"mass must be a share of the gaze over 0 to 1, .* got 1.5"):
        GazeRegion(mass=1.5)
