"""The images of a study from a server into a folder (WADO-RS), only those that are wanted and not there yet."""

import hashlib
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.errors import DataNotFoundError, ServerError
from sightline.pacs.finding import all_of, study_exists
from sightline.pacs.server import Server, check_uid
from sightline.runs import atomic_path

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient
    from pydicom import Dataset

_log = logging.getLogger(__name__)
IMAGES = ("CR", "DX", "CT")
_CLASSES = {  # of images that were taken and are meant to be seen
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray, for presentation",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
}


@dataclass(frozen=True)
class ReadSeries:
    """A series in a folder.

    Attributes:
        uid: SeriesInstanceUID.
        modality: of its images.
        folder: where they are.
        images: how many.
        fetched: how many of them came now.
    """

    uid: str
    modality: str
    folder: Path
    images: int
    fetched: int


def read_study(
    server: Server,
    study: str,
    out: Path,
    *,
    modalities: Sequence[str] = IMAGES,
    progress: Callable[[int, int], None] | None = None,
) -> list[ReadSeries]:
    """Fetch the images of a study.

    A folder a series, a file an image, named by its SOPInstanceUID, in the transfer syntax that the server keeps it in.
    Each file is written atomically, so that what is there is whole, and is not asked for again. Objects that are no
    images as they were taken, such as reports, results and images for processing, are left out.

    Args:
        server: to ask.
        study: StudyInstanceUID.
        out: folder, made where it is missing.
        modalities: of the series to fetch.
        progress: called with the number of images there and their total.

    Raises:
        SettingsError: `study` is no UID.
        DataNotFoundError: the server has no such study, or it holds no such images.
        ServerError: the server is away, refuses, or answers otherwise than DICOMweb does.
    """
    check_uid(study, "the study")
    client = server.connect()
    series = _series(server, client, study)
    chosen = [one for one in series if str(one.get("Modality")) in modalities]
    listed = {str(one.SeriesInstanceUID): _instances(server, client, study, one) for one in chosen}
    total, there = sum(map(len, listed.values())), 0
    if not total:
        has = ", ".join(sorted({str(one.get("Modality")) for one in series})) or "nothing"
        raise DataNotFoundError(
            f"study {study} holds no images of {', '.join(modalities)} that are meant to be seen; it holds {has}"
        )
    found = []
    for one in chosen:
        uid, images = str(one.SeriesInstanceUID), listed[str(one.SeriesInstanceUID)]
        folder = out / _folder_name(one)
        missing = [image for image in images if not (folder / f"{image}.dcm").is_file()]
        there += len(images) - len(missing)
        for image in missing:
            _fetch(server, client, (study, uid, image), folder / f"{image}.dcm")
            there += 1
            if progress is not None:
                progress(there, total)
        if images:
            found.append(ReadSeries(uid, str(one.Modality), folder, len(images), len(missing)))
    return found


def _series(server: Server, client: "DICOMwebClient", study: str) -> list["Dataset"]:
    with server.asked(f"study {study}"):
        series = all_of(client.search_for_series, "SeriesInstanceUID", study_instance_uid=study)
    if not series and not study_exists(server, client, study):
        raise DataNotFoundError(f"{server.name} has no study {study}")
    for one in series:
        check_uid(str(one.SeriesInstanceUID), "SeriesInstanceUID of the server")
    return series


def _instances(server: Server, client: "DICOMwebClient", study: str, series: "Dataset") -> list[str]:
    uid = str(series.SeriesInstanceUID)
    with server.asked(f"series {uid}"):
        found = all_of(client.search_for_instances, "SOPInstanceUID", study_instance_uid=study, series_instance_uid=uid)
        wanted = [each for each in found if str(each.get("SOPClassUID")) in _CLASSES]
    if len(wanted) < len(found):
        _log.info("%d objects of a series are no images meant to be seen, and are left out", len(found) - len(wanted))
    return sorted(check_uid(str(each.SOPInstanceUID), "SOPInstanceUID of the server") for each in wanted)


def _folder_name(series: "Dataset") -> str:
    """Name a folder: no file system knows names as long as two UIDs in a row."""
    return f"{series.Modality}-{hashlib.sha256(str(series.SeriesInstanceUID).encode()).hexdigest()[:12]}"


def _fetch(server: Server, client: "DICOMwebClient", uids: tuple[str, str, str], path: Path) -> None:
    with server.asked(f"image {uids[2]}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote values
        image = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
        if str(image.get("SOPInstanceUID")) != uids[2]:
            raise ServerError(f"{server.name} sent another image than {uids[2]}")
        with atomic_path(path) as temporary:
            image.save_as(temporary, enforce_file_format=True)
