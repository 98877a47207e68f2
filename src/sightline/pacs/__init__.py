"""Images from a hospital's archive (PACS) and results back into it, over DICOMweb."""

from sightline.pacs.answering import Answered, Question, answer_source, sources_in
from sightline.pacs.finding import FoundStudy, find_studies
from sightline.pacs.reading import IMAGES, ReadSeries, read_study
from sightline.pacs.server import Server, check_uid
from sightline.pacs.storing import Stored, present, store_objects

__all__ = [
    "IMAGES",
    "Answered",
    "FoundStudy",
    "Question",
    "ReadSeries",
    "Server",
    "Stored",
    "answer_source",
    "check_uid",
    "find_studies",
    "present",
    "read_study",
    "sources_in",
    "store_objects",
]
