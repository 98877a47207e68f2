"""Images of a study answered by a run, each with the objects that go back to the server."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.answering import Answerer, Ready
from sightline.data import Case, ImageCache, chosen_batches
from sightline.data.readers.series import ordered_planes
from sightline.errors import DataError
from sightline.pacs.reading import ReadSeries
from sightline.plain import to_plain
from sightline.reporting.dicom import Maker, make_objects, open_source, placed_result
from sightline.training import TrainSettings

if TYPE_CHECKING:
    from pydicom import Dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is asked about each image.

    Attributes:
        method: name of the method of explanation.
        options: of the method.
        target: class to explain by its index or its name; None for the likeliest one.
        again: give the objects new identifiers, though there may be equal ones.
    """

    method: str = "lrp"
    options: Mapping[str, Any] = field(default_factory=dict)
    target: int | str | None = None
    again: bool = False


@dataclass(frozen=True, eq=False)
class Answered:
    """An answer about one image, or about one series that makes a volume.

    Attributes:
        name: of its file or folder.
        target: name of the class explained.
        probabilities: of all classes by name.
        warnings: what is odd about the image, in words.
        objects: the objects of the result by kind.
    """

    name: str
    target: str
    probabilities: Mapping[str, float]
    warnings: tuple[str, ...]
    objects: "Mapping[str, Dataset]"


def sources_in(answerer: Answerer, series: Sequence[ReadSeries]) -> list[Path]:
    """Return what a model is to be asked about: the images, or for a model of volumes the series that make one.

    A series that makes no volume, such as a scout view, is logged and left out.

    Raises:
        DataError: no series makes a volume.
    """
    if answerer.data.volume is None:
        return [file for one in series for file in sorted(one.folder.glob("*.dcm"))]
    found, refused = [], ""
    for one in series:
        try:
            ordered_planes(one.folder, name=one.folder.name)
        except DataError as error:
            refused = str(error)
            _log.warning("left out: %s", refused)
        else:
            found.append(one.folder)
    if not found:
        raise DataError(refused or "no series")
    return found


def answer_source(answerer: Answerer, settings: TrainSettings, path: Path, question: Question) -> Answered:
    """Ask a model about an image or a series, and make the objects of the result.

    Args:
        answerer: the run, opened.
        settings: of the run.
        path: a DICOM file, or the folder of a series for a model of volumes.
        question: what is asked.

    Raises:
        SettingsError: there is no such method, option or class.
        DataError: the image cannot be read, or its header cannot be used.
        MissingExtraError: highdicom or a codec is not installed.
        SightlineError: the method cannot explain this model.
    """
    source = open_source(path)
    ready = _ready_series(answerer, path) if path.is_dir() else answerer.read(path)
    told = answerer.explain(ready, question.method, question.target, question.options)
    target = answerer.classes[told.target]
    probabilities = dict(zip(answerer.classes, told.probabilities.tolist(), strict=True))
    seen = answerer.data.volume or answerer.data.preprocessing
    result = placed_result(told.attribution, source, seen, target=target, probabilities=probabilities)
    maker = Maker.of(
        settings,
        answerer.checksum,
        question.method,
        to_plain(told.options),
        value_range=answerer.cohort.value_range,
        again=uuid.uuid4().hex if question.again else "",
    )
    return Answered(path.name, target, probabilities, told.warnings, make_objects(result, source, maker))


def _ready_series(answerer: Answerer, folder: Path) -> Ready:
    unknown = (float("nan"),) * len(answerer.classes) if answerer.task == "multilabel" else -1
    case = Case(folder.name, folder, unknown, folder.name)
    images = replace(answerer.cohort, root=folder.parent, cases=(case,))
    data = replace(answerer.data, workers=0)
    (batch,) = chosen_batches(data, images, batch_size=1, cache=ImageCache(0))  # nothing of it stays on the disk
    return Ready(folder.name, batch.images[0])
