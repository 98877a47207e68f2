"""REFLACX: chest radiographs of MIMIC-CXR with where radiologists looked, what they said and what they outlined."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

import numpy as np

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import check_classes
from sightline.data.adapters.layout import find, found_in, keep_present, number, read_rows
from sightline.data.adapters.mask_files import write_mask
from sightline.data.adapters.mimic_files import MimicFilms, film_size
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.data.gaze_files import write_gaze
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.boxes import mask_from_boxes
from sightline.regions.gaze.scanpath import Fixations
from sightline.regions.polygons import ellipse, mask_from_polygons

_FIRST = (
    *("Airway wall thickening", "Atelectasis", "Consolidation", "Emphysema", "Enlarged cardiac silhouette"),
    *("Fibrosis", "Fracture", "Groundglass opacity", "Mass", "Nodule", "Pleural effusion", "Pleural thickening"),
    *("Pneumothorax", "Pulmonary edema", "Wide mediastinum"),
)
_LATER = (
    *("Abnormal mediastinal contour", "Acute fracture", "Atelectasis", "Consolidation"),
    *("Enlarged cardiac silhouette", "Enlarged hilum", "Groundglass opacity", "Hiatal hernia"),
    *("High lung volume / emphysema", "Interstitial lung disease", "Lung nodule or mass", "Pleural abnormality"),
    *("Pneumothorax", "Pulmonary edema"),
)
LABELS: Mapping[int, tuple[str, ...]] = {1: _FIRST, 2: _LATER, 3: _LATER}
_SPLITS = {"train": "train", "validate": "val", "test": "test"}
_COLUMNS = ("id", "split", "eye_tracking_data_discarded", "image", "dicom_id", "subject_id")
_SIZE = ("image_size_x", "image_size_y")
_BOX = ("xmin", "ymin", "xmax", "ymax")
_GAZE = ("x_position", "y_position", "timestamp_start_fixation", "timestamp_end_fixation")


@dataclass(frozen=True)
class Reflacx(Adapter):
    """REFLACX 1.0.0; a multi-label cohort with a case for each reading of a film.

    The films are those of MIMIC-CXR, DICOM or JPG, at their full size, and not part of the download. In phases 1 and 2
    several radiologists read the same films, each of which then comes several times; phase 3 has one reading a film.
    The phases label other findings; the classes are those that all chosen phases have.

    A radiologist said how certain each finding was: 1 below 10 %, 2 about 25 %, 3 about 50 %, 4 about 75 %, 5 above
    90 %, and 0 if it was not named. The region of a class are the ellipses drawn for it at `certainty` or more, the
    region of all classes is the box around lungs and heart. Gaze is in pixels of the film; times are those of the sound
    recording.

    Args:
        images: folder of MIMIC-CXR or MIMIC-CXR-JPG, with `files/p10/...`; by default the download folder.
        phases: of these only.
        certainty: a finding is positive from this on; where to cut is our choice.
        classes: the findings to keep; none for all.
        gaze: fixations, or every sample of the tracker, 1,000 a second, of the folder `gaze_data`.
        columns: of `fixations.csv`: x, y, start and end, for data sets laid out alike with other names. With other
            names than these the gaze is written anew to `gaze/<id>.csv`.

    Reference:
        Bigolin Lanfredi et al. 2022, doi:10.1038/s41597-022-01441-z.
    """

    name: ClassVar[str] = "reflacx"
    title: ClassVar[str] = "REFLACX"
    home: ClassVar[str] = (
        "physionet.org/content/reflacx-xray-localization, with credentials; films: mimic-cxr or mimic-cxr-jpg there"
    )
    layout: ClassVar[str] = (
        "main_data/metadata_phase_{1,2,3}.csv\n"
        "main_data/P102R009922/{fixations,anomaly_location_ellipses,chest_bounding_box}.csv, transcription.txt\n"
        "gaze_data/P102R009922/gaze.csv, for samples\n"
        "and in the folder of images: files/p10/p10000032/s50414267/<dicom_id>.{dcm,jpg}"
    )

    images: Path | None = None
    phases: tuple[int, ...] = (3,)
    certainty: int = 3
    classes: tuple[str, ...] = ()
    gaze: Literal["fixations", "samples"] = "fixations"
    columns: tuple[str, str, str, str] = _GAZE

    def __post_init__(self) -> None:
        if not self.phases or not set(self.phases) <= LABELS.keys():
            raise SettingsError(f"phases must be some of 1, 2 and 3, got {self.phases}")
        if not 1 <= self.certainty <= 5:
            raise SettingsError(f"certainty must be from 1 to 5, got {self.certainty}")
        if self.classes:
            check_classes(self.classes, self._common, title=self.title)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        tables = {phase: find(root, f"main_data/metadata_phase_{phase}.csv", title=self.title) for phase in self.phases}
        base = tables[self.phases[0]].parent
        films = MimicFilms(self.images or base.parent)
        sizes: dict[str, tuple[int, int]] = {}
        cases = []
        for phase, table in tables.items():
            for row in read_rows(table, (*_COLUMNS, *_SIZE, *self._kept), title=self.title):
                cases.append(self._case(row, phase, films))
                width, height = (number(row[column], column, title=self.title) for column in _SIZE)
                sizes[row["id"]] = (round(height), round(width))
        chosen = Selection(cases, self._kept, ", ".join(table.name for table in tables.values()))
        chosen.keep("eye tracking was not discarded", lambda case: "discarded" not in case.about)
        films.check(chosen.cases, title=self.title)
        keep_present(chosen, films.folder, title=self.title, partial=self.partial)
        complete = tuple(self._complete(case, base, sizes[case.id], out) for case in progress(chosen.cases))
        return Adapted(Cohort(out.absolute(), "multilabel", self._kept, complete), chosen.census, chosen.left_out)

    @property
    def _common(self) -> tuple[str, ...]:
        """The findings that all chosen phases have."""
        others = [set(LABELS[phase]) for phase in self.phases]
        return tuple(name for name in LABELS[self.phases[0]] if all(name in labels for labels in others))

    @property
    def _kept(self) -> tuple[str, ...]:
        return self.classes or self._common

    def _case(self, row: Mapping[str, str], phase: int, films: MimicFilms) -> Case:
        label = tuple(float(number(row[column], column, title=self.title) >= self.certainty) for column in self._kept)
        about = {"phase": str(phase), "film": row["dicom_id"]}
        if row["eye_tracking_data_discarded"].casefold() == "true":
            about["discarded"] = "yes"
        if row["split"] not in _SPLITS:
            raise DataError(f"{self.title}: {row['id']}: split must be {', '.join(_SPLITS)}, got {row['split']!r}")
        image, split = films.find(PurePosixPath(row["image"])), _SPLITS[row["split"]]
        return Case(row["id"], image, label, row["subject_id"], self.title, split, about=about)

    def _complete(self, case: Case, base: Path, size: tuple[int, int], out: Path) -> Case:
        """Add gaze, report and regions."""
        found = film_size(case.image)
        if found != size:
            sizes = "{} x {} pixels, but gaze and outlines count in {} x {}".format(*found[::-1], *size[::-1])
            raise DataError(f"{self.title}: {case.image.name} has {sizes}; use the films at their full size")
        folder = base / case.id
        report = folder / "transcription.txt"
        masks = {}
        for name, rings in self._ellipses(folder, int(case.about["phase"])).items():
            path = out.absolute() / "masks" / name.replace("/", "or") / f"{case.id}.png"
            path.unlink(missing_ok=True)  # perhaps of another certainty
            masks[name] = write_mask(path, partial(mask_from_polygons, rings, size))
        return replace(
            case,
            gaze=self._gaze(folder, size, out),
            report=report if report.is_file() else None,
            mask=self._chest(folder, size, out),
            class_masks=masks,
        )

    def _gaze(self, folder: Path, size: tuple[int, int], out: Path) -> Path | None:
        table = folder / "fixations.csv"
        if self.gaze == "samples":
            table = folder.parents[1] / "gaze_data" / folder.name / "gaze.csv"
        if not table.is_file():
            if self.partial:
                return None
            raise DataNotFoundError(
                f"{self.title}: no {table.parent.parent.name}/{folder.name}/{table.name}, {found_in(table.parent)}; "
                "unpack the whole download, or say partial=true to go on without"
            )
        if self.gaze == "samples" or self.columns == _GAZE:
            return table
        rows = list(read_rows(table, self.columns, title=self.title))
        numbers = [[number(row[column], column, title=self.title) for column in self.columns] for row in rows]
        x, y, start, end = np.asarray(numbers, np.float64).reshape(-1, 4).T
        path = out.absolute() / "gaze" / f"{folder.name}.csv"
        write_gaze(Fixations(x, y, start, end - start, size), path)
        return path

    def _ellipses(self, folder: Path, phase: int) -> dict[str, list[np.ndarray]]:
        """Return the outlines of each class; nothing where the table is not there."""
        table = folder / "anomaly_location_ellipses.csv"
        rings: dict[str, list[np.ndarray]] = defaultdict(list)
        if not table.is_file():
            return rings
        for row in read_rows(table, (*_BOX, "certainty", *self._kept), title=self.title):
            if number(row["certainty"], "certainty", title=self.title) < self.certainty:
                continue
            left, top, right, bottom = self._box(row)
            centre, radii = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
            for name in self._kept:
                if row[name].casefold() == "true":
                    rings[name].append(ellipse(centre, radii))
        return rings

    def _chest(self, folder: Path, size: tuple[int, int], out: Path) -> Path | None:
        table = folder / "chest_bounding_box.csv"
        if not table.is_file():
            return None
        boxes = [self._box(row) for row in read_rows(table, _BOX, title=self.title)]
        path = out.absolute() / "masks" / "chest" / f"{folder.name}.png"
        rectangles = [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]
        return write_mask(path, partial(mask_from_boxes, rectangles, size))

    def _box(self, row: Mapping[str, str]) -> Sequence[float]:
        return [number(row[column], column, title=self.title) for column in _BOX]
