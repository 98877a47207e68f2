import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from sightline.data import egd_gaze
from sightline.data.egd_gaze import read_egd_fixations, read_egd_samples, read_egd_screens
from sightline.data.number_columns import stream_columns
from sightline.errors import DataError
from sightline.regions.gaze import Fixations, Samples, Screen

COLUMNS = (
    *("SESSION_ID", "MEDIA_ID", "DICOM_ID", "CNT", "Time (in secs)", "TIMETICK(f=10000000)"),
    *("FPOGX", "FPOGY", "FPOGS", "FPOGD", "FPOGID", "FPOGV", "BPOGX", "BPOGY", "BPOGV"),
    *("LPCX", "LPCY", "LPD", "LPS", "LPV", "RPCX", "RPCY", "RPD", "RPS", "RPV", "BKID", "BKDUR", "BKPMIN"),
    *("LPMM", "LPMMV", "RPMM", "RPMMV", "SACCADE_MAG", "SACCADE_DIR", "VID_FRAME", "X_ORIGINAL", "Y_ORIGINAL"),
)
USUAL = dict.fromkeys(COLUMNS, 0) | {"FPOGV": 1, "BPOGV": 1, "LPV": 1, "RPV": 1, "FPOGD": 0.25}
WIDE, TALL = "1f00-wide", "2f00-tall"
SIZES = {WIDE: (2000, 3000), TALL: (2184, 2049)}
Row = Mapping[str, object]


def row(image: str, time: float, *, session: int = 1, **cells: object) -> Row:
    """A row of either table; `at` is the place on the screen of both points of gaze, in shares."""
    at = cells.pop("at", (0.5, 0.5))
    assert isinstance(at, tuple)
    places = dict(zip(("FPOGX", "FPOGY"), at, strict=True)) | dict(zip(("BPOGX", "BPOGY"), at, strict=True))
    start = {"FPOGS": max(time - 0.25, 0)}
    return USUAL | {"SESSION_ID": session, "DICOM_ID": image, "Time (in secs)": time} | places | start | cells


@pytest.fixture
def table(tmp_path: Path) -> Callable[[Iterable[Row]], Path]:
    def write(rows: Iterable[Row]) -> Path:
        path = tmp_path / "fixations.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def screens(tmp_path: Path) -> dict[str, Screen]:
    """As the master sheet has them: with line breaks in a cell, and borders of screen pixels."""
    path = tmp_path / "master_sheet.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [f"image_{side}_pad" for side in ("top", "bottom", "left", "right")]
        writer.writerow(["dicom_id", "path", *names, "cxr_exam_indication"])
        writer.writerow([WIDE, "files/a.dcm", 0, 0, 150, 150, "cough,\nfever\n\nsince a week"])
        writer.writerow([TALL, "files/b.dcm", 0, 0, 448, 448, ""])
    return read_egd_screens(path)


def test_the_sheet_gives_each_image_its_borders(screens: dict[str, Screen]) -> None:
    assert screens == {WIDE: Screen(left=150, right=150), TALL: Screen(left=448, right=448)}


def test_the_sheet_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "master_sheet.csv"
    head = "dicom_id,image_top_pad,image_bottom_pad,image_left_pad,image_right_pad\n"
    for text, message in (
        (
            "dicom_id,image_top_pad,path\n",
            "needs columns image_left_pad, image_right_pad, image_bottom_pad; it has dicom_id",
        ),
        (head + "a,0,0,0,0\nb,0,0,960,960\n", "master_sheet.csv line 3: borders must leave room"),
        (head + "a,0,0,,0\n", "master_sheet.csv line 2: could not convert"),
        (head + "a,0\n", "master_sheet.csv line 2: "),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_egd_screens(path)


def test_fixations_come_in_pixels_of_the_image(table: Callable[..., Path], screens: dict[str, Screen]) -> None:
    path = table([row(TALL, 0.7, at=(0.5, 0.25), FPOGS=0.02, FPOGD=0.68), row(TALL, 1.1, at=(448 / 1920, 0))])
    (reading,) = read_egd_fixations(path, screens, SIZES)
    assert (reading.image, reading.session) == (TALL, "1")
    gaze = reading.gaze
    assert isinstance(gaze, Fixations)
    np.testing.assert_allclose(gaze.x, [1024.5, 0], atol=1e-9)  # by hand
    np.testing.assert_allclose(gaze.y, [546, 0], atol=1e-9)
    np.testing.assert_allclose(gaze.start, [0.02, 0.85])
    np.testing.assert_allclose(gaze.duration, [0.68, 0.25])
    assert gaze.size == (2184, 2049)
    assert reading.dropped == {"lost": 0, "blink": 0, "outside": 0}


def test_the_last_image_of_each_session_is_there(table: Callable[..., Path], screens: dict[str, Screen]) -> None:
    """EGD-CXR's code writes an image when the next one begins, and so never writes the last."""
    rows = [row(image, time, session=session) for session in (1, 2) for image in (WIDE, TALL) for time in (0.5, 1)]
    readings = list(read_egd_fixations(table(rows), screens, SIZES))
    assert [(r.session, r.image) for r in readings] == [("1", WIDE), ("1", TALL), ("2", WIDE), ("2", TALL)]
    assert [len(r.gaze) for r in readings] == [2, 2, 2, 2]


def test_calibration_images_and_those_not_wanted_are_left_out(
    table: Callable[..., Path], screens: dict[str, Screen]
) -> None:
    """EGD-CXR's code looks each image up in the sheet and fails where it is not there."""
    rows = [row(WIDE, 0.5), row("calibration", 0.5), row("calibration", 1), row(TALL, 0.5)]
    assert [r.image for r in read_egd_fixations(table(rows), screens, SIZES)] == [WIDE, TALL]
    assert [r.image for r in read_egd_fixations(table(rows), screens, {TALL: SIZES[TALL]})] == [TALL]


def test_an_image_shown_again_is_a_reading_of_its_own(table: Callable[..., Path], screens: dict[str, Screen]) -> None:
    rows = [row(TALL, 0.5), row(TALL, 0.9), row(TALL, 0.4), row(TALL, 0.8)]
    assert [len(r.gaze) for r in read_egd_fixations(table(rows), screens, SIZES)] == [2, 2]


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_pieces_do_not_part_a_reading(
    table: Callable[..., Path], screens: dict[str, Screen], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    path = table([row(WIDE, t / 4) for t in range(5)] + [row(TALL, t / 4) for t in range(4)] + [row(WIDE, 0)])
    monkeypatch.setattr(egd_gaze, "stream_columns", lambda *arguments: stream_columns(*arguments, rows=rows))
    readings = list(read_egd_samples(path, screens, SIZES))
    assert [(r.image, len(r.gaze)) for r in readings] == [(WIDE, 5), (TALL, 4), (WIDE, 1)]


def test_fixations_lost_in_a_blink_or_beside_the_image_are_dropped_and_counted(
    table: Callable[..., Path], screens: dict[str, Screen]
) -> None:
    rows = [
        row(TALL, 0.2),
        row(TALL, 0.4, FPOGV=0),
        row(TALL, 0.6, FPOGX=""),
        row(TALL, 0.8, BKID=3),
        row(TALL, 1.0, at=(0.2, 0.5)),  # left of the image
        row(TALL, 1.2, at=(0.5, 1.01)),  # below the screen
        row(TALL, 1.4),
    ]
    (reading,) = read_egd_fixations(table(rows), screens, SIZES)
    assert reading.dropped == {"lost": 2, "blink": 1, "outside": 2}
    np.testing.assert_allclose(reading.gaze.start, [0, 1.15])
    (kept,) = read_egd_fixations(table(rows), screens, SIZES, outside="keep")
    assert kept.dropped == {"lost": 2, "blink": 1, "outside": 0}
    assert kept.gaze.inside.tolist() == [True, False, False, True]


def test_samples_stay_in_time_and_are_valid_where_the_eyes_are_on_the_image(
    table: Callable[..., Path], screens: dict[str, Screen]
) -> None:
    rows = [
        row(TALL, 0.00),
        row(TALL, 0.02, BPOGV=0),
        row(TALL, 0.04, BPOGY=""),
        row(TALL, 0.06, BKID=3),
        row(TALL, 0.08, at=(0.2, 0.5)),
        row(TALL, 0.10, FPOGV=0),
    ]
    (reading,) = read_egd_samples(table(rows), screens, SIZES)
    gaze = reading.gaze
    assert isinstance(gaze, Samples)
    np.testing.assert_allclose(gaze.time, np.arange(6) / 50)
    assert gaze.valid.tolist() == [True, False, False, False, False, True]
    assert reading.dropped == {"lost": 2, "blink": 1, "outside": 1}


def test_a_blink_reaches_back_over_the_time_it_is_told_to_have_lasted(
    table: Callable[..., Path], screens: dict[str, Screen]
) -> None:
    times = np.arange(12) / 10
    lasted = {6: 0.3, 7: 0.3, 8: 0.3}  # told from the end of the blink on
    rows = [row(TALL, time, BKDUR=lasted.get(n, 0)) for n, time in enumerate(times.tolist())]
    (reading,) = read_egd_samples(table(rows), screens, SIZES)
    assert np.flatnonzero(~reading.gaze.valid).tolist() == [3, 4, 5]
    assert reading.dropped["blink"] == 3


def test_samples_are_of_either_point_of_gaze(table: Callable[..., Path], screens: dict[str, Screen]) -> None:
    path = table([row(TALL, 0.1, FPOGX=0.4, BPOGX=0.6, BPOGV=0)])
    (best,) = read_egd_samples(path, screens, SIZES)
    (fixation,) = read_egd_samples(path, screens, SIZES, point="fixation")
    assert best.gaze.valid.tolist() == [False]
    assert fixation.gaze.valid.tolist() == [True]
    assert fixation.gaze.x[0] == pytest.approx((0.4 * 1920 - 448) * 2049 / 1024)
    assert fixation.gaze.y[0] == pytest.approx(1092)


@pytest.mark.parametrize(
    ("sizes", "rows", "message"),
    [
        ({"other": (9, 9)}, [row(TALL, 0.1)], "1 wanted images are not in the master sheet, first other"),
        (SIZES, [row(TALL, 0.1, FPOGX="left")], r"^fixations.csv line 2: FPOGX must be a number, got 'left'"),
        (SIZES, [row(TALL, 0.1, **{"Time (in secs)": ""})], f"a row of image {TALL} in session 1 has no time"),
    ],
)
def test_what_cannot_be_read_is_told(
    table: Callable[..., Path],
    screens: dict[str, Screen],
    sizes: dict[str, tuple[int, int]],
    rows: list[Row],
    message: str,
) -> None:
    with pytest.raises(DataError, match=message):
        list(read_egd_fixations(table(rows), screens, sizes))


def test_a_table_of_other_columns_is_refused_with_both_lists(tmp_path: Path, screens: dict[str, Screen]) -> None:
    path = tmp_path / "eye_gaze.csv"
    path.write_text("SESSION_ID,DICOM_ID,FPOGX,FPOGY\n")
    with pytest.raises(
        DataError, match=r"^eye_gaze.csv: needs columns Time \(in secs\), BPOGX, .*; it has SESSION_ID, "
    ):
        list(read_egd_samples(path, screens, SIZES))
