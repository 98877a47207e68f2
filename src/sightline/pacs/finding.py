"""Which studies a server has (QIDO-RS), told without saying whose they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightline.pacs.server import Server, check_uid

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient
    from pydicom import Dataset

_PAGES = 1000  # most pages of one answer


@dataclass(frozen=True)
class FoundStudy:
    """A study on a server.

    Attributes:
        uid: StudyInstanceUID.
        date: StudyDate, as YYYYMMDD; empty where not said.
        modalities: in it, in alphabetical order.
        instances: how many images and other objects; None where not said.
    """

    uid: str
    date: str
    modalities: tuple[str, ...]
    instances: int | None


def find_studies(
    server: Server,
    *,
    patient: str = "",
    accession: str = "",
    dates: str = "",
    modality: str = "",
    limit: int | None = 100,
) -> list[FoundStudy]:
    """Return studies that fit all that is given, latest first.

    Args:
        server: to ask.
        patient: PatientID.
        accession: AccessionNumber.
        dates: a day YYYYMMDD, or a range YYYYMMDD-YYYYMMDD, either end of which may be missing.
        modality: of one series at least.
        limit: most studies; None for all.

    Raises:
        ServerError: the server is away, refuses, or answers otherwise than DICOMweb does.
    """
    wanted = {"PatientID": patient, "AccessionNumber": accession, "StudyDate": dates, "ModalitiesInStudy": modality}
    filters = {key: value for key, value in wanted.items() if value}
    fields = ["StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"]
    client = server.connect()
    with server.asked("studies"):
        answers = client.search_for_studies(search_filters=filters, fields=fields, limit=limit)
        found = [_study(each) for each in datasets(answers)]
    return sorted(found, key=lambda study: study.date, reverse=True)


def datasets(answers: Sequence[Any]) -> list["Dataset"]:
    """Return what a server answered in DICOM's JSON (PS3.18 F) as data sets."""
    from pydicom import Dataset

    return [Dataset.from_json(answer) for answer in answers]


def all_of(search: Callable[..., Any], key: str, **keywords: Any) -> list["Dataset"]:  # noqa: ANN401 - of the client
    """Return all answers of a search, page by page, until one holds nothing new.

    Args:
        search: of the client.
        key: keyword of the UID that tells answers apart.
        keywords: of the search.
    """
    found: dict[str, Dataset] = {}
    for _ in range(_PAGES):
        page = {str(each[key].value): each for each in datasets(search(offset=len(found), **keywords))}
        if not page.keys() - found.keys():
            break
        found |= page
    return list(found.values())


def study_exists(server: Server, client: "DICOMwebClient", study: str) -> bool:
    """Tell whether a server has a study."""
    with server.asked(f"study {study}"):
        return bool(client.search_for_studies(search_filters={"StudyInstanceUID": study}, limit=1))


def _study(answer: "Dataset") -> FoundStudy:
    modalities = answer.get("ModalitiesInStudy") or ()
    modalities = (modalities,) if isinstance(modalities, str) else modalities
    count = answer.get("NumberOfStudyRelatedInstances")
    uid = check_uid(str(answer.StudyInstanceUID), "StudyInstanceUID of the server")
    return FoundStudy(
        uid,
        str(answer.get("StudyDate") or ""),
        tuple(sorted(str(each) for each in modalities)),
        None if count in (None, "") else int(count),
    )
