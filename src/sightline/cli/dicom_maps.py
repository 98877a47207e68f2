"""Maps as DICOM objects beside their pictures, for images that are DICOM."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.cli.stopping import UsageError
from sightline.data import Cohort
from sightline.evaluation.explain_cases import Aim, Piece
from sightline.reporting.dicom import Maker, is_dicom, make_objects, open_source, placed_result, write_objects
from sightline.reporting.dicom.source import check_extra
from sightline.training import TrainSettings


@dataclass(frozen=True)
class DicomMaps:
    """Writes maps of one class as DICOM objects.

    Attributes:
        settings: of the run.
        images: file or folder of each case by its name.
        classes: names of the classes.
        makers: of each method by its name.
    """

    settings: TrainSettings
    images: Mapping[str, Path]
    classes: tuple[str, ...]
    makers: Mapping[str, Maker]

    @classmethod
    def prepare(
        cls,
        settings: TrainSettings,
        weights_sha256: str,
        images: Cohort,
        bias: str | None,
        options: Mapping[str, Mapping[str, Any]],
        aim: Aim,
    ) -> "DicomMaps":
        """Check that what is asked for can be written.

        Args:
            settings: of the run.
            weights_sha256: checksum of its weights.
            images: the cases.
            bias: which variant of each is explained; None where images are given.
            options: of each method by its name.
            aim: what is explained.

        Raises:
            MissingExtraError: highdicom is not installed.
            UsageError: an image is no DICOM, or not as it was taken, or all classes are explained.
        """
        check_extra()
        if aim == "every":
            raise UsageError("--dicom: a result is about one class; name it by --target")
        if settings.data.bias is not None and bias in ("on", "swapped"):
            raise UsageError("--dicom: this run plants a mark on its images; ask for them without it by --bias off")
        files = {case.id: case.variants.get(bias or "", case.image) for case in images.cases}
        others = [case for case, file in files.items() if not is_dicom(file)]
        if others:
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            raise UsageError(f"--dicom: {others[0]}{more} is not DICOM, so there is no study that a result belongs to")
        makers = {
            method: Maker.of(settings, weights_sha256, method, chosen, value_range=images.value_range)
            for method, chosen in options.items()
        }
        return cls(settings, files, images.classes, makers)

    def __call__(self, folder: Path, piece: Piece) -> list[str]:
        """Write the objects of a map, and return the names of the files.

        Raises:
            DataError: the header of the image cannot be used.
        """
        source = open_source(self.images[piece.case], name=piece.case)
        data = self.settings.data
        result = placed_result(
            piece.maps[0],
            source,
            data.volume or data.preprocessing,
            target=self.classes[int(piece.classes[0])],
            probabilities=dict(zip(self.classes, piece.probabilities.tolist(), strict=True)),
            allowed=piece.regions[0],
            relevance_inside=float(piece.relevance_inside[0]),
        )
        return write_objects(make_objects(result, source, self.makers[piece.method]), folder, piece.method)
