"""DICOM segmentations (SEG): frames of segments, laid on the image or the volume that they were drawn on.

A frame belongs to a slice if it names it as its source (PS3.3 C.8.20.2, Derivation Image macro), or lies in its plane
with the same pixels; a file without places, as of radiographs, belongs to the one image it names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.dicom_file import frame_count, of_frame, open_dicom, stored_pixels
from sightline.data.readers.series import Plane, ordered_planes, plane_of
from sightline.data.readers.volume import reorient
from sightline.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # SEG, label map SEG
_SAME_DIRECTION = 1e-3  # largest difference of cosines
_SAME_PIXEL = 0.1  # largest distance of first pixels, share of a pixel; for the slice in mm


@dataclass(frozen=True, eq=False)
class _Frame:
    """One frame: its segments, the images it names and where it lies, if it says so."""

    index: int
    segments: frozenset[int]
    sources: frozenset[tuple[str, int]]
    plane: Plane | None


def is_segmentation(header: "Dataset") -> bool:
    """Tell whether a DICOM file is a segmentation."""
    return str(header.get("SOPClassUID")) in SEGMENTATIONS


def read_segmentation(path: Path, *, segments: Sequence[str], image: Path, name: str) -> Array:
    """Read the union of segments, on the pixels of an image as its file stores them, or of a volume.

    Args:
        path: the segmentation.
        segments: their numbers or labels; none takes all.
        image: the DICOM image, or a folder or multi-frame file of slices.
        name: what to call the segmentation in messages.

    Returns:
        True inside, `(H, W)` as stored, or `(D, H, W)` in the orientation of `read_volume`. A fractional segment counts
        from a half on.

    Raises:
        DataError: there is no such segment, or no frame lies on the image or it has other pixels.
    """
    header = open_dicom(path, pixels=True, name=name)
    wanted = _numbers(header, segments, name)
    frames = [frame for frame in _frames(header, path) if not frame.segments or frame.segments & wanted]
    several = image.is_dir() or frame_count(open_dicom(image, pixels=False, name=image.name)) > 1
    if several:
        planes, affine = ordered_planes(image, name=image.name)
        sources = [_source(plane.file, plane.frame) for plane in planes]
        slices = [_on(header, frames, p, s, wanted, name) for p, s in zip(planes, sources, strict=True)]
        if not any(found for _, found in slices):
            raise DataError(f"{name}: no frame of the segmentation lies on {image.name}; is it of another scan?")
        return reorient(np.stack([mask for mask, _ in slices]), affine)[0]
    source = open_dicom(image, pixels=False, name=image.name)
    try:
        plane = plane_of(of_frame(source, 0), image, 0, image.name)
    except DataError:
        plane = None
    shape = (int(source.Rows), int(source.Columns))
    mask, found = _on(header, frames, plane, (str(source.SOPInstanceUID), 1), wanted, name, shape)
    if not found:
        raise DataError(f"{name}: no frame of the segmentation lies on {image.name}; is it of another image?")
    return mask


def _source(file: Path, frame: int) -> tuple[str, int]:
    return str(open_dicom(file, pixels=False, name=file.name).SOPInstanceUID), frame + 1


def _numbers(header: "Dataset", segments: Sequence[str], name: str) -> set[int]:
    """Return the numbers of the segments asked for."""
    labels = {int(item.SegmentNumber): str(item.get("SegmentLabel") or "") for item in header.SegmentSequence}
    wanted: set[int] = set()
    for segment in segments:
        found = {number for number, label in labels.items() if segment in (str(number), label)}
        if not found:  # labels are of the header, which messages do not quote
            raise DataError(f"{name}: no segment {segment!r}; there are {', '.join(map(str, labels))}, or their labels")
        wanted |= found
    return wanted or set(labels)


def _frames(header: "Dataset", path: Path) -> list[_Frame]:
    """Return what each frame says of itself."""
    alone = {
        (str(item.ReferencedSOPInstanceUID), 1)
        for series in header.get("ReferencedSeriesSequence") or []
        for item in series.get("ReferencedInstanceSequence") or []
    }
    frames = []
    for index in range(frame_count(header)):
        own = of_frame(header, index)
        sources = {
            (str(source.ReferencedSOPInstanceUID), number)
            for derivation in _derivations(header, index)
            for source in derivation.get("SourceImageSequence") or []
            for number in _frame_numbers(source)
        }
        try:
            plane = plane_of(own, path, index, "")
        except DataError:
            plane = None
        if not sources and plane is None and len(alone) == 1:
            sources = alone
        number = own.get("ReferencedSegmentNumber")
        segments = frozenset() if number is None else frozenset({int(number)})
        frames.append(_Frame(index, segments, frozenset(sources), plane))
    return frames


def _derivations(header: "Dataset", index: int) -> list["Dataset"]:
    groups = [
        *(header.get("SharedFunctionalGroupsSequence") or [])[:1],
        *(header.get("PerFrameFunctionalGroupsSequence") or [])[index : index + 1],
    ]
    return [item for group in groups for item in group.get("DerivationImageSequence") or []]


def _frame_numbers(source: "Dataset") -> list[int]:
    numbers = source.get("ReferencedFrameNumber")
    if numbers is None:
        return [1]
    return [int(number) for number in (numbers if hasattr(numbers, "__iter__") else [numbers])]


def _on(
    header: "Dataset",
    frames: Sequence[_Frame],
    plane: Plane | None,
    source: tuple[str, int],
    wanted: set[int],
    name: str,
    shape: tuple[int, int] | None = None,
) -> tuple[Array, bool]:
    """Return the union of the frames that belong to one image, and whether there are any."""
    shape = shape or (plane.shape if plane else (0, 0))
    mask = np.zeros(shape, bool)
    found = False
    for frame in frames:
        if source not in frame.sources and not (plane and frame.plane and _same(plane, frame.plane)):
            continue
        found = True
        stored, _ = stored_pixels(header, frame=frame.index, name=name)
        if stored.shape != shape:
            raise DataError(
                f"{name}: segmentation has {stored.shape[1]} x {stored.shape[0]} pixels, but its image "
                f"{shape[1]} x {shape[0]}; make them one size"
            )
        mask |= _inside(stored, header, frame, wanted)
    return mask, found


def _inside(stored: Array, header: "Dataset", frame: _Frame, wanted: set[int]) -> Array:
    if not frame.segments:  # a label map: the stored values are the numbers of segments
        return np.isin(stored, sorted(wanted))
    if str(header.get("SegmentationType")) == "FRACTIONAL":
        half: Array = stored >= int(header.get("MaximumFractionalValue") or 1) / 2
        return half
    return stored > 0


def _same(a: Plane, b: Plane) -> bool:
    """Tell whether two planes have the same pixels in the same place."""
    if a.shape != b.shape or not np.allclose(a.spacing_mm, b.spacing_mm, rtol=1e-3):
        return False
    turned = max(np.abs(a.row - b.row).max(), np.abs(a.column - b.column).max())
    return bool(turned <= _SAME_DIRECTION and np.abs(a.corner - b.corner).max() <= _SAME_PIXEL * min(1, *a.spacing_mm))
