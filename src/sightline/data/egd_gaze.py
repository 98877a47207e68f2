"""Gaze of EGD-CXR: two large tables for all images, in shares of the screen, and a sheet that says how each was shown.

`master_sheet.csv` has the borders around each image, `fixations.csv` the last sample of each fixation, `eye_gaze.csv`
every sample; both tables have the same 37 columns, of which the borders are not part. They are read in pieces, an image
after the other in the order of the table, and none is lost at the end of a session.

Reference:
    Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5, table 2.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Generic, Literal

import numpy as np

from sightline.data.images import Array
from sightline.data.number_columns import find_columns, read_header, stream_columns
from sightline.errors import DataError, SettingsError
from sightline.regions.gaze.scanpath import Fixations, Gaze, Samples, drop_outside
from sightline.regions.gaze.screen import Screen

_TEXTS = ("SESSION_ID", "DICOM_ID")
_TIME = "Time (in secs)"
_FIXATION = (_TIME, "FPOGX", "FPOGY", "FPOGS", "FPOGD", "FPOGV", "BKID")
_SHEET = ("dicom_id", "image_left_pad", "image_right_pad", "image_top_pad", "image_bottom_pad")


@dataclass(frozen=True)
class EGDReading(Generic[Gaze]):
    """What one reading of one image left.

    Attributes:
        image: the image's `DICOM_ID`.
        session: the session it was read in.
        gaze: fixations or samples, in pixels of the image file.
        dropped: how many were taken out, or are not valid, because the eyes were `lost`, in a `blink`, or `outside` the
            image.
    """

    image: str
    session: str
    gaze: Gaze
    dropped: Mapping[str, int]


def read_egd_screens(path: Path) -> dict[str, Screen]:
    """Read from `master_sheet.csv` how each image was shown.

    Returns:
        By `dicom_id`: a screen of 1920 x 1080 pixels with the borders of that image.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a column is missing, or the borders leave no room for an image.
    """
    places = find_columns(read_header(path), _SHEET, name=path.name)
    screens = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file)  # cells of this one have line breaks
        try:
            next(table)
            for row in table:
                if row:
                    left, right, top, bottom = (float(row[place]) for place in places[1:])
                    screens[row[places[0]]] = Screen(left, right, top, bottom)
        except (IndexError, ValueError, SettingsError, csv.Error) as error:
            raise DataError(f"{path.name} line {table.line_num}: {error}") from None
    return screens


def read_egd_fixations(
    path: Path,
    screens: Mapping[str, Screen],
    sizes: Mapping[str, tuple[int, int]],
    *,
    outside: Literal["drop", "keep"] = "drop",
) -> Iterator[EGDReading[Fixations]]:
    """Read `fixations.csv`, a reading at a time.

    Args:
        path: the file.
        screens: how each image was shown, from `read_egd_screens`. What is not among them is a calibration image, and
            left out.
        sizes: height and width, in pixels of their files, of the images wanted; others are left out.
        outside: whether fixations outside the image are dropped and counted, or kept.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a column is missing, a cell is not a number, or a wanted image is not among the screens.
    """
    for session, image, table in _readings(path, _FIXATION, screens, sizes):
        x, y, start, lasts, valid, blink = (table[column] for column in _FIXATION[1:])
        lost = ~(np.isfinite(x) & np.isfinite(y) & np.isfinite(start) & (lasts >= 0) & (valid == 1))
        blinks = ~lost & (blink > 0)
        kept = ~lost & ~blinks
        screen = screens[image]
        gaze = Fixations(
            x=x[kept] * screen.width,
            y=y[kept] * screen.height,
            start=start[kept],
            duration=lasts[kept],
            size=(screen.height, screen.width),
        )
        yield _reading(session, image, screen.to_image(gaze, sizes[image]), lost, blinks, outside)


def read_egd_samples(
    path: Path,
    screens: Mapping[str, Screen],
    sizes: Mapping[str, tuple[int, int]],
    *,
    point: Literal["best", "fixation"] = "best",
    outside: Literal["drop", "keep"] = "drop",
) -> Iterator[EGDReading[Samples]]:
    """Read `eye_gaze.csv`, a reading at a time.

    A blink lasts while `BKID` is not 0, and over the time `BKDUR` before each sample where that begins to be told.

    Args:
        path: the file.
        screens: as of `read_egd_fixations`.
        sizes: as of `read_egd_fixations`.
        point: the `best` place of both eyes at that moment (`BPOGX`), or that of the `fixation` so far (`FPOGX`), from
            which the table's own `X_ORIGINAL` comes and so the maps of MT-UNet.
        outside: whether samples outside the image are not valid and counted, or kept.

    Raises:
        DataNotFoundError, DataError: as of `read_egd_fixations`.
    """
    letter = "B" if point == "best" else "F"
    columns = (_TIME, f"{letter}POGX", f"{letter}POGY", f"{letter}POGV", "BKID", "BKDUR")
    for session, image, table in _readings(path, columns, screens, sizes):
        time, x, y, valid, blink, lasted = (table[column] for column in columns)
        lost = ~(np.isfinite(x) & np.isfinite(y) & (valid == 1))
        blinks = ~lost & ((blink > 0) | _before(time, lasted))
        screen = screens[image]
        gaze = Samples(time, x * screen.width, y * screen.height, ~lost & ~blinks, size=(screen.height, screen.width))
        yield _reading(session, image, screen.to_image(gaze, sizes[image]), lost, blinks, outside)


def _reading(
    session: str, image: str, gaze: Gaze, lost: Array, blinks: Array, outside: Literal["drop", "keep"]
) -> EGDReading[Gaze]:
    gaze, count = drop_outside(gaze) if outside == "drop" else (gaze, 0)
    dropped = {"lost": int(lost.sum()), "blink": int(blinks.sum()), "outside": count}
    return EGDReading(image, session, gaze, dropped)


def _before(time: Array, lasted: Array) -> Array:
    """Whether each sample lies in the time that a blink is told to have lasted by the sample after it."""
    told = (lasted > 0) & (lasted != np.concatenate([[0.0], lasted[:-1]]))
    blinks = np.zeros(len(time), bool)
    for end in np.flatnonzero(told):
        blinks[:end] |= time[:end] >= time[end] - lasted[end]
    return blinks


def _readings(
    path: Path, columns: tuple[str, ...], screens: Mapping[str, Screen], sizes: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[str, str, dict[str, Array]]]:
    """Yield session, image and columns of each reading of a wanted image."""
    unknown = [image for image in sizes if image not in screens]
    if unknown:
        raise DataError(f"{path.name}: {len(unknown)} wanted images are not in the master sheet, first {unknown[0]}")
    for table in _joined(stream_columns(path, columns, _TEXTS)):
        session, image = (str(table[column][0]) for column in _TEXTS)
        if image in sizes:
            if not np.isfinite(table[_TIME]).all():
                raise DataError(f"{path.name}: a row of image {image} in session {session} has no time")
            yield session, image, table


def _joined(pieces: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    """Part and join pieces of a table so that each holds one reading: time goes on, session and image stay."""
    begun: list[dict[str, Array]] = []
    for piece in pieces:
        bounds = [0, *(np.flatnonzero(_changes(piece)) + 1).tolist(), len(piece[_TIME])]
        for begin, end in pairwise(bounds):
            part = {column: values[begin:end] for column, values in piece.items()}
            if begun and end > begin and not _goes_on(begun[-1], part):
                yield _concatenated(begun)
                begun = []
            begun += [part] if end > begin else []
    if begun:
        yield _concatenated(begun)


def _changes(table: Mapping[str, Array]) -> Array:
    """Whether another reading begins after each row but the last."""
    changes: Array = np.diff(table[_TIME]) < 0
    for column in _TEXTS:
        changes |= table[column][1:] != table[column][:-1]
    return changes


def _goes_on(before: Mapping[str, Array], after: Mapping[str, Array]) -> bool:
    """Whether the first row of a part is of the same reading as the last row of the part before it."""
    return not _changes({column: np.asarray((before[column][-1], after[column][0])) for column in before}).any()


def _concatenated(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
