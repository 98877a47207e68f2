"""EGD-CXR: chest radiographs of MIMIC-CXR with where one radiologist looked, and the organs."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, keep_present, number, read_rows
from sightline.data.adapters.mask_files import Mask, united, write_mask
from sightline.data.adapters.mimic_files import MimicFilms, film_size
from sightline.data.adapters.name_lists import read_names
from sightline.data.adapters.people import age_text, filled, sex_of
from sightline.data.adapters.rules import keep_labelled, labelled, note
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case
from sightline.data.egd_gaze import EGDReading, read_egd_fixations, read_egd_samples, read_egd_screens
from sightline.data.gaze_files import write_gaze
from sightline.errors import DataError, SettingsError
from sightline.regions.boxes import mask_from_boxes
from sightline.regions.gaze.scanpath import Fixations, Gaze
from sightline.runs import write_text

CLASSES = ("Normal", "CHF", "pneumonia")
ORGANS = ("left_lung", "right_lung", "mediastinum", "aortic_knob")
_SPELLED = {"mediastinum": ("mediastinum.png", "mediastanum.png")}  # both are about
_SHEET = ("dicom_id", "path", "study_id", "patient_id", "gender", "anchor_age", *CLASSES)
_BOX = ("x1", "y1", "x2", "y2")
Boxes = Mapping[tuple[str, str], tuple[float, ...]]  # by image and name of the box


@dataclass(frozen=True)
class EgdCxr(Adapter):
    """EGD-CXR 1.0.0; a multi-class cohort of normal films, heart failure (CHF) and pneumonia.

    The films are those of MIMIC-CXR, DICOM or JPG, and not part of the download. Gaze is written to
    `gaze/<dicom_id>.csv` in pixels of the film, without what lies outside it; calibration images are left out. What was
    dictated goes to `reports/<dicom_id>.txt`.

    The region is the union of `organs` and `boxes`; it is unknown where one of them is not drawn.

    Args:
        images: folder of MIMIC-CXR or MIMIC-CXR-JPG, with `files/p15/...`, or one of the films alone, as
            `<dicom_id>.jpg` in `train` and `test` or in class folders in these (then these are the splits); by default
            the download folder.
        gaze: where the eyes rested, or every sample of the tracker, 60 a second.
        organs: masks whose union is the region: left_lung, right_lung, mediastinum, aortic_knob.
        boxes: boxes that belong to the region, such as `cardiac silhouette`, as `bounding_boxes.csv` calls them.
        only: list or table that names the films to keep, such as the 1,017 of Watanabe et al.; null for all.

    Reference:
        Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5.
    """

    name: ClassVar[str] = "egd_cxr"
    title: ClassVar[str] = "EGD-CXR"
    home: ClassVar[str] = "physionet.org/content/egd-cxr, with credentials; films: mimic-cxr or mimic-cxr-jpg there"
    layout: ClassVar[str] = (
        "master_sheet.csv\nfixations.csv (eye_gaze.csv for samples)\nbounding_boxes.csv, for boxes\n"
        "audio_segmentation_transcripts/<dicom_id>/{left_lung,right_lung,mediastanum,aortic_knob}.png\n"
        "audio_segmentation_transcripts/<dicom_id>/transcript.json, for reports\n"
        "and in the folder of images: files/p15/p15628804/s58573295/<dicom_id>.{dcm,jpg}"
    )

    images: Path | None = None
    gaze: Literal["fixations", "samples"] = "fixations"
    organs: tuple[str, ...] = ORGANS[:3]
    boxes: tuple[str, ...] = ()
    only: Path | None = None

    def __post_init__(self) -> None:
        if not set(self.organs) <= set(ORGANS):
            raise SettingsError(f"organs must be some of {', '.join(ORGANS)}, got {', '.join(self.organs)}")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        sheet = find(root, "master_sheet.csv", "*/master_sheet.csv", title=self.title)
        base = sheet.parent
        films = MimicFilms(self.images or base)
        chosen = Selection(self._cases(sheet, films), CLASSES, sheet.name)
        if self.only is not None:
            names = read_names(root, self.only, title=self.title)
            chosen.keep(f"named in {self.only.name}", lambda case: case.id in names)
        keep_labelled(chosen, CLASSES, "single")
        films.check(chosen.cases, title=self.title)
        if self.organs and not self.partial:
            find(base, "audio_segmentation_transcripts", title=self.title)
        keep_present(chosen, films.folder, title=self.title, partial=self.partial)
        sizes = {case.id: film_size(case.image) for case in chosen.cases}
        gaze = self._gaze(base, sheet, sizes, out, progress)
        boxes = self._boxes(base) if self.boxes else {}
        regions = {}
        for case in progress(chosen.cases):
            mask = self._region(base, case.id, sizes[case.id], boxes)
            if mask is not None:
                path = out.absolute() / "masks" / f"{case.id}.png"
                path.unlink(missing_ok=True)  # perhaps of other organs
                regions[case.id] = write_mask(path, partial(np.asarray, mask))
        for what, there in (("gaze", gaze), ("region", regions)):
            if absent := sum(case.id not in there for case in chosen.cases):
                note(chosen, f"{what} not known of {absent:,} images")
        adapted = labelled(chosen, CLASSES, "single", out)
        cases = tuple(
            replace(case, gaze=gaze.get(case.id), mask=regions.get(case.id), report=self._report(base, case.id, out))
            for case in adapted.cohort.cases
        )
        return replace(adapted, cohort=replace(adapted.cohort, cases=cases))

    def _cases(self, sheet: Path, films: MimicFilms) -> list[Case]:
        cases = []
        for row in read_rows(sheet, _SHEET, title=self.title):
            name = row["dicom_id"]
            image = films.find(PurePosixPath(row["path"]))
            ages = [float(age) for age in re.findall(r"\d+", row["anchor_age"])]
            about = filled(
                age=age_text(sum(ages) / len(ages)) if ages else "",  # the middle of the group
                age_group=row["anchor_age"],
                sex=sex_of(row["gender"]),
                study=row["study_id"],
            )
            label = tuple(number(row[column], column, title=self.title) for column in CLASSES)
            cases.append(Case(name, image, label, row["patient_id"], self.title, films.split(image), about=about))
        return cases

    def _gaze(
        self, base: Path, sheet: Path, sizes: Mapping[str, tuple[int, int]], out: Path, progress: Progress
    ) -> dict[str, Path]:
        """Write the gaze on each film, and return the files."""
        screens = read_egd_screens(sheet)
        found: dict[str, Any] = {}
        if self.gaze == "fixations":
            table = find(base, "fixations.csv", title=self.title)
            readings: Iterable[EGDReading[Any]] = read_egd_fixations(table, screens, sizes)
        else:
            readings = read_egd_samples(find(base, "eye_gaze.csv", title=self.title), screens, sizes)
        for reading in progress(readings):
            found[reading.image] = _after(found.get(reading.image), reading.gaze)
        files = {name: out.absolute() / "gaze" / f"{name}.csv" for name in found}
        for name, gaze in found.items():
            write_gaze(gaze, files[name])
        return files

    def _boxes(self, base: Path) -> Boxes:
        table = find(base, "bounding_boxes.csv", title=self.title)
        boxes: dict[tuple[str, str], tuple[float, ...]] = {}
        for row in read_rows(table, ("dicom_id", "bbox_name", *_BOX), title=self.title):
            left, top, right, bottom = (number(row[column], column, title=self.title) for column in _BOX)
            boxes[row["dicom_id"], row["bbox_name"]] = (left, top, right - left, bottom - top)
        there = {name for _, name in boxes}
        unknown = [name for name in self.boxes if name not in there]
        if unknown:
            raise DataError(
                f"{self.title}: no box {unknown[0]!r} in {table.name}; there are {', '.join(sorted(there))}"
            )
        return boxes

    def _region(self, base: Path, name: str, size: tuple[int, int], boxes: Boxes) -> Mask | None:
        """Return where a model may look; None if one of its parts is not drawn."""
        folder = base / "audio_segmentation_transcripts" / name
        organs = [_first(folder, _SPELLED.get(organ, (f"{organ}.png",))) for organ in self.organs]
        drawn = [boxes.get((name, box)) for box in self.boxes]
        if None in organs or None in drawn or not (organs or drawn):
            return None
        mask = mask_from_boxes([box for box in drawn if box], size)
        if organs:
            region = united([organ for organ in organs if organ], title=self.title)
            mask |= _of_size(region, size, name, self.title)
        return mask

    def _report(self, base: Path, name: str, out: Path) -> Path | None:
        """Write what was dictated, and return the file."""
        transcript = base / "audio_segmentation_transcripts" / name / "transcript.json"
        if not transcript.is_file():
            return None
        try:
            text = json.loads(transcript.read_text(encoding="utf-8"))["full_text"]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self.title}: {name}/transcript.json must be JSON with a key 'full_text'") from None
        report = out.absolute() / "reports" / f"{name}.txt"
        write_text(report, f"{text}\n")
        return report


def _after(first: Gaze | None, second: Gaze) -> Gaze:
    """Put the gaze of a second reading of one film after that of the first."""
    if first is None:
        return second
    clock = "start" if isinstance(first, Fixations) else "time"
    ends = first.start + first.duration if isinstance(first, Fixations) else first.time + first.step
    later: dict[str, Any] = {clock: getattr(second, clock) + ends.max(initial=0)}
    second = replace(second, **later)
    names = ("x", "y", clock, "duration" if clock == "start" else "valid")
    both: dict[str, Any] = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    return replace(first, **both)


def _first(folder: Path, names: Collection[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _of_size(mask: Mask, size: tuple[int, int], name: str, title: str) -> Mask:
    """Return a mask at the size of its film, if it has the same proportions."""
    height, width = mask.shape
    if abs(height * size[1] - width * size[0]) > 0.02 * height * size[1]:
        raise DataError(f"{title}: masks of {name} have {width} x {height} pixels, but the film {size[1]} x {size[0]}")
    resized = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
    return np.asarray(resized)
