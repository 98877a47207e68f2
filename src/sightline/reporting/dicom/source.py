"""The DICOM images that were explained: their headers, in the order of their planes, for objects that refer to them.

Elsewhere who is on an image never comes into memory; here headers are read whole, since results belong to the patient
and the study of their source. What is read goes into the objects alone: never into messages, warnings or logs.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.data.readers.dicom_file import broken_is_data_error, frame_count
from sightline.data.readers.files import starts_as_dicom
from sightline.data.readers.series import ordered_planes
from sightline.errors import DataError, DataNotFoundError, MissingExtraError, SightlineError
from sightline.stores import fetched

if TYPE_CHECKING:
    from pydicom import Dataset

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Rows", "Columns")
_EMPTY_IF_ABSENT = (  # type 2 of the patient and study modules (PS3.3 C.7.1.1, C.7.2.1): there, perhaps empty
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"),
    *("StudyTime", "ReferringPhysicianName"),
)
_SEXES = ("M", "F", "O", "")
_TALKING = ("highdicom.base", "pydicom")  # loggers that quote values


@dataclass(frozen=True, eq=False)
class Source:
    """The images that one map is of.

    Attributes:
        name: what to call them in messages.
        path: the file of one image, or the folder of a series.
        files: one an image, in the order of `headers`.
        headers: without pixels, in order along the normal of their planes, as `read_series` sorts them.
    """

    name: str
    path: Path
    files: tuple[Path, ...]
    headers: tuple["Dataset", ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows and columns, as stored."""
        return len(self.headers), int(self.headers[0].Rows), int(self.headers[0].Columns)

    @property
    def first(self) -> "Dataset":
        """Header of the first image."""
        return self.headers[0]

    @property
    def is_placed(self) -> bool:
        """Whether the images say where they lie in the patient, which radiographs do not."""
        return "ImagePositionPatient" in self.first and "FrameOfReferenceUID" in self.first


def is_dicom(path: Path) -> bool:
    """Tell whether a path is a DICOM file, or a folder with one directly in it."""
    path = fetched(path)
    if path.is_dir():
        return any(starts_as_dicom(file) for file in sorted(path.iterdir()) if file.is_file())
    return starts_as_dicom(path)


def open_source(path: Path, *, name: str = "") -> Source:
    """Read the headers of an image, or of the slices of a series.

    Args:
        path: a DICOM file of one frame, or a folder with the slices of one series.
        name: what to call it in messages.

    Raises:
        DataNotFoundError: there is no such file or folder.
        DataError: it is no DICOM, has several frames in a file, lacks an identifier, or its slices make no volume.
        MissingExtraError: highdicom is not installed.
    """
    check_extra()
    name = name or path.name
    if not path.exists():
        raise DataNotFoundError(f"{name}: no such file or folder")
    if not is_dicom(path):
        raise DataError(f"{name}: not DICOM, so there is no study to write results into; leave out --dicom")
    files = tuple(plane.file for plane in ordered_planes(path, name=name)[0]) if path.is_dir() else (path,)
    headers = tuple(_header(file, f"{name}/{file.name}" if path.is_dir() else name) for file in files)
    return Source(name, path, files, headers)


def check_extra() -> None:
    """Check that highdicom is there.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("writing DICOM needs the extra 'dicom': pip install 'sightline[dicom]'") from error


@contextmanager
def unquoted(name: str) -> Iterator[None]:
    """Make objects from headers without their values coming out: neither in errors nor in warnings or logs.

    Raises:
        DataError: with the name of the source and the kind of whatever was raised.
    """
    loggers = [logging.getLogger(each) for each in _TALKING]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SightlineError:
        raise
    except Exception as error:
        raise DataError(
            f"{name}: no DICOM result can be made of it ({type(error).__name__}); is its header valid?"
        ) from None
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _header(file: Path, name: str) -> "Dataset":
    import pydicom

    with unquoted(name), broken_is_data_error(name):
        header = pydicom.dcmread(fetched(file), stop_before_pixels=True)
        for keyword in _NEEDED:
            if not header.get(keyword):
                raise DataError(f"{name}: no {keyword}, so that no result can refer to it")
        if frame_count(header) > 1:
            raise DataError(f"{name}: several frames in a file; results are written for files of one frame")
        for keyword in _EMPTY_IF_ABSENT:
            if header.get(keyword) is None:
                setattr(header, keyword, "")
        if header.PatientSex not in _SEXES:
            header.PatientSex = ""
    return header
