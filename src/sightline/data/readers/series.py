"""A volume from DICOM slices: a folder with one series, or one file of many frames.

Slices are put in order by where they lie along the normal of their plane (PS3.3 C.7.6.2.1.1), never by name, number or
time. What does not make one volume is refused, because a guess would put anatomy in the wrong place.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.dicom_file import broken_is_data_error, frame_count, of_frame, open_dicom, stored_pixels
from sightline.data.readers.dicom_values import rendered
from sightline.data.readers.files import is_image_file, starts_as_dicom
from sightline.data.readers.rendering import Rendering
from sightline.data.readers.volume import Volume, canonical
from sightline.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

_SAME_DIRECTION = 1e-3  # largest difference of cosines
_SAME_PLACE = 0.01  # mm
_EVEN = 0.1  # largest deviation of a gap between slices, share of the usual one
_LISTED = 4  # files named in a message


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one slice lies, in the patient's coordinates of DICOM: x, y, z lead to the left, the back and the head.

    Attributes:
        name: what to call it in messages.
        file: where its pixels are.
        frame: which frame of the file.
        series: to tell series apart; never shown.
        shape: rows and columns.
        row: unit vector along a row, towards growing columns, `(3,)`.
        column: unit vector along a column, towards growing rows, `(3,)`.
        corner: centre of the first pixel, mm, `(3,)`.
        spacing_mm: between rows and between columns.
        thickness_mm: of the slice, or its distance to the next; 0 if not said.
    """

    name: str
    file: Path
    frame: int
    series: str
    shape: tuple[int, int]
    row: Array
    column: Array
    corner: Array
    spacing_mm: tuple[float, float]
    thickness_mm: float

    @property
    def normal(self) -> Array:
        """Unit vector from slice to slice, `(3,)`."""
        return np.cross(self.row, self.column)


def read_series(path: Path, *, name: str, files: Sequence[Path] = ()) -> Volume:
    """Read the slices of one series as they were measured, such as in HU.

    Args:
        path: a folder whose DICOM images are all of one series, or a file of many frames.
        name: what to call it in messages.
        files: those of the folder to read, where it holds several series; none for all.

    Raises:
        DataError: there are no slices, or several series, slices of several orientations or sizes, two of one place,
            or one is missing; the message lists the files.
        MissingExtraError: a codec is not installed.
    """
    planes, affine = ordered_planes(path, name=name, files=files)
    values = np.stack([_values(plane) for plane in planes])
    try:
        return canonical(values, affine)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def ordered_planes(path: Path, *, name: str, files: Sequence[Path] = ()) -> tuple[list[Plane], Array]:
    """Return the planes of a volume in order along their normal, and the affine of slices, rows and columns to RAS+ mm.

    Arguments and errors as `read_series`, but for the pixels.
    """
    planes = planes_of(path, name=name, files=files)
    _check_alike(planes, name)
    planes = sorted(planes, key=lambda plane: float(plane.corner @ planes[0].normal))
    first, to_lps = planes[0], np.eye(4)
    to_lps[:3, 0], to_lps[:3, 3] = _step(planes, name), first.corner
    to_lps[:3, 1], to_lps[:3, 2] = first.column * first.spacing_mm[0], first.row * first.spacing_mm[1]
    return planes, np.diag([-1.0, -1.0, 1.0, 1.0]) @ to_lps


def planes_of(path: Path, *, name: str, files: Sequence[Path] = ()) -> list[Plane]:
    """Return the planes of all images in a folder, or of all frames in a file; reports and the like are left out.

    Arguments as `read_series`.

    Raises:
        DataError: there are none, or one does not say where it lies.
    """
    if not files:
        files = sorted(file for file in path.iterdir() if is_image_file(file)) if path.is_dir() else [path]
    planes = []
    for file in files:
        label = f"{name}/{file.name}" if path.is_dir() else name
        if path.is_dir() and not starts_as_dicom(file):
            raise DataError(f"{label}: not a DICOM file, in a folder of slices")
        with broken_is_data_error(label):
            header = open_dicom(file, pixels=False, name=label)
            if holds_image(header, label):
                frames = range(frame_count(header))
                planes += [plane_of(of_frame(header, f), file, f, _frame_name(label, f, frames)) for f in frames]
    if not planes:
        raise DataError(f"{name}: no DICOM images")
    return planes


def holds_image(header: "Dataset", name: str) -> bool:
    """Tell an image from a report and the like.

    Raises:
        DataError: it should hold an image and does not, as a file that is cut off.
    """
    if "Rows" in header:
        return True
    kind = header.file_meta.get("MediaStorageSOPClassUID")
    if kind is None or kind.name == str(kind) or "Image" in kind.name:
        raise DataError(f"{name}: DICOM file without an image, or cut off before it")
    return False


def plane_of(header: "Dataset", file: Path, frame: int, name: str) -> Plane:
    """Return where one frame lies, from the elements that hold for it.

    Raises:
        DataError: it does not say.
    """
    cosines, corner = header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")
    spacing = header.get("PixelSpacing")
    for value, length, what in (
        (cosines, 6, "ImageOrientationPatient"),
        (corner, 3, "ImagePositionPatient"),
        (spacing, 2, "PixelSpacing"),
    ):
        if value is None or len(value) != length:
            raise DataError(f"{name}: no {what}, so its place in a volume is not known")
    row, column = np.asarray(cosines[:3], float), np.asarray(cosines[3:], float)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose([*lengths, row @ column], [1, 1, 0], atol=_SAME_DIRECTION * 10):
        raise DataError(f"{name}: ImageOrientationPatient is not two unit vectors at right angles")
    between = header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 0
    return Plane(
        name=name,
        file=file,
        frame=frame,
        series=str(header.get("SeriesInstanceUID") or ""),
        shape=(int(header.Rows), int(header.Columns)),
        row=row / lengths[0],
        column=column / lengths[1],
        corner=np.asarray(corner, float),
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        thickness_mm=abs(float(between)),
    )


def _frame_name(label: str, frame: int, frames: Sequence[int]) -> str:
    return f"{label} frame {frame}" if len(frames) > 1 else label


def _values(plane: Plane) -> Array:
    with broken_is_data_error(plane.name):
        header = open_dicom(plane.file, pixels=True, name=plane.name)
        stored, interpretation = stored_pixels(header, frame=plane.frame, name=plane.name)
        if stored.ndim != 2:
            raise DataError(f"{plane.name}: a slice must be grey, got {interpretation}")
        return rendered(stored, of_frame(header, plane.frame), Rendering(window=None))


def _check_alike(planes: Sequence[Plane], name: str) -> None:
    """Refuse slices of several series, sizes, spacings or orientations, with an example of each."""
    first = planes[0]
    groups: dict[str, dict[object, list[Plane]]] = {"series": defaultdict(list), "sizes": defaultdict(list)}
    for plane in planes:
        groups["series"][plane.series].append(plane)
        groups["sizes"][plane.shape, plane.spacing_mm].append(plane)
    for what, found in groups.items():
        if len(found) > 1:
            each = "; ".join(f"{len(some)} such as {_short(some[0], name)}" for some in found.values())
            raise DataError(f"{name}: slices of {len(found)} {what}, not one: {each}; put each in a folder of its own")
    other = [
        plane
        for plane in planes
        if max(np.abs(plane.row - first.row).max(), np.abs(plane.column - first.column).max()) > _SAME_DIRECTION
    ]
    if other:
        raise DataError(
            f"{name}: slices of several orientations: {len(other)} of {len(planes)} are not as {_short(first, name)}: "
            f"{_list(other, name)}; put each in a folder of its own"
        )


def _step(planes: Sequence[Plane], name: str) -> Array:
    """Return the vector from slice to slice, mm, of slices in order; refuse those that are twice there or missing."""
    if len(planes) == 1:
        if not planes[0].thickness_mm:
            raise DataError(f"{name}: a single slice that does not say its thickness")
        step: Array = planes[0].normal * planes[0].thickness_mm
        return step
    corners = np.stack([plane.corner for plane in planes])
    gaps = np.diff(corners @ planes[0].normal)
    twice = [plane for plane, gap in zip(planes[1:], gaps, strict=True) if gap < _SAME_PLACE]
    if twice:
        raise DataError(f"{name}: {len(twice)} slices lie where another does: {_list(twice, name)}; keep one of each")
    usual = float(np.median(gaps))
    wide = [index for index, gap in enumerate(gaps) if abs(gap - usual) > _EVEN * usual]
    if wide:
        where = "; ".join(
            f"{gaps[index]:.2f} mm from {_short(planes[index], name)} to {_short(planes[index + 1], name)}"
            for index in wide[:_LISTED]
        )
        more = f" and {len(wide) - _LISTED} more" if len(wide) > _LISTED else ""
        raise DataError(f"{name}: slices are missing or uneven: {usual:.2f} mm apart, but {where}{more}")
    step = (corners[-1] - corners[0]) / (len(planes) - 1)
    aside = np.abs(corners - corners[0] - np.arange(len(planes))[:, None] * step).max(axis=1)
    if aside.max() > _EVEN * usual + _SAME_PLACE:
        off = _short(planes[int(aside.argmax())], name)
        raise DataError(f"{name}: slices do not lie in one line: {off} is {aside.max():.2f} mm aside")
    return step


def _list(planes: Sequence[Plane], name: str) -> str:
    more = f" and {len(planes) - _LISTED} more" if len(planes) > _LISTED else ""
    return ", ".join(_short(plane, name) for plane in planes[:_LISTED]) + more


def _short(plane: Plane, name: str) -> str:
    return plane.name.removeprefix(f"{name}/").removeprefix(f"{name} ")
