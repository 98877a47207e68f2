"""NIH ChestX-ray14: chest radiographs of one hospital with labels mined from reports, and boxes on some."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import check_classes
from sightline.data.adapters.layout import find, keep_present, number, read_rows
from sightline.data.adapters.mask_files import Mask, write_mask
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.rules import Only, keep_ages, keep_labelled, keep_views, labelled, note
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, did_you_mean
from sightline.data.readers.picture import picture_size
from sightline.errors import DataError
from sightline.regions.boxes import mask_from_boxes

CLASSES = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia"),
    *("Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax"),
)
NO_FINDING = "No Finding"
_ABOUT = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
_BOX = ("Bbox [x", "y", "w", "h]")  # the commas in the brackets part columns
_SIDE = 1024  # pixels of the published images, which boxes count in
_OLDEST = 120
_RENAMED = {"Infiltrate": "Infiltration"}  # as the boxes call it
Boxes = Mapping[tuple[str, str], Sequence[Sequence[float]]]  # by image and class


@dataclass(frozen=True)
class ChestXray14(Adapter):
    """NIH ChestX-ray14, the table of 2017 or of 2020; a multi-label cohort of its 14 classes, or of some.

    The official lists, where they are there, become the splits `train` (which is theirs for training and validation)
    and `test`. Boxes, where they are there, become masks `mask:<class>` of the image's size. The ISNet's rules are
    `classes=[Pneumonia] only=single min_age=18`, which takes 1,319 films of the table of 2020 where the paper has 1,295
    of the one before.

    Args:
        views: of these only, AP or PA; none for all.
        min_age: youngest age, years; ages over 120 are slips, and count as unknown.
        classes: the labels to keep, `No Finding` being one more.
        only: `positive` keeps films that are positive for any of `classes`, `single` those for exactly one of them, as
            a multi-class cohort.

    Reference:
        Wang et al. 2017, doi:10.1109/cvpr.2017.369; the rules: Bassi et al. 2024 (ISNet), 4.8.1.
    """

    name: ClassVar[str] = "chestxray14"
    title: ClassVar[str] = "ChestX-ray14"
    home: ClassVar[str] = "nihcc.app.box.com/v/ChestXray-NIHCC"
    layout: ClassVar[str] = (
        "Data_Entry_2017.csv or Data_Entry_2017_v2020.csv\n"
        "images_001/images/00000001_000.png … images_012/images, or all in images\n"
        "train_val_list.txt and test_list.txt, if there\nBBox_List_2017.csv, if there"
    )

    views: tuple[str, ...] = ()
    min_age: float = 0.0
    classes: tuple[str, ...] = CLASSES
    only: Only = "all"

    def __post_init__(self) -> None:
        check_classes(self.classes, (*CLASSES, NO_FINDING), title=self.title)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        table = find(root, "Data_Entry_2017*.csv", title=self.title)
        base = table.parent
        files = {path.name: path for folder in ("images", "images_*") for path in base.glob(f"{folder}/**/*.png")}
        rows = list(read_rows(table, _ABOUT, title=self.title))
        splits = self._splits(base, [row["Image Index"] for row in rows])
        chosen = Selection([self._case(row, base, files, splits) for row in rows], self.classes, table.name)
        slips = sum(self._age(row) > _OLDEST for row in rows)
        if slips:
            note(chosen, f"age over {_OLDEST} taken as unknown ({slips:,} images)")
        keep_views(chosen, self.views)
        keep_ages(chosen, self.min_age)
        keep_labelled(chosen, self.classes, self.only)
        keep_present(chosen, base, title=self.title, partial=self.partial)
        adapted = labelled(chosen, self.classes, self.only, out)
        boxes = self._boxes(base)
        cases = tuple(self._with_masks(case, boxes, out) for case in progress(adapted.cohort.cases))
        return replace(adapted, cohort=replace(adapted.cohort, cases=cases))

    def _case(self, row: Mapping[str, str], base: Path, files: Mapping[str, Path], splits: Mapping[str, str]) -> Case:
        name = row["Image Index"]
        findings = row["Finding Labels"].split("|")
        for finding in findings:
            if finding not in (*CLASSES, NO_FINDING):
                raise DataError(f"{self.title}: {name}: unknown finding {finding!r}{did_you_mean(finding, CLASSES)}")
        age = self._age(row)
        about = filled(
            age=age_text(age) if age <= _OLDEST else "",
            sex=sex_of(row["Patient Gender"]),
            view=row["View Position"],
            study=name.rsplit(".", 1)[0],  # patient and follow-up, one film each
        )
        label = tuple(float(each in findings) for each in self.classes)
        image = files.get(name, base / "images" / name)
        return Case(name, image, label, row["Patient ID"], self.title, splits.get(name, ""), about=about)

    def _age(self, row: Mapping[str, str]) -> float:
        return age_of(row["Patient Age"], "Patient Age", title=self.title)

    def _splits(self, base: Path, images: Sequence[str]) -> dict[str, str]:
        """Return the split of each image by the official lists, none where there are no lists."""
        if not any(base.glob("*_list.txt")):
            return {}
        splits: dict[str, str] = {}
        for name, split in (("train_val_list.txt", "train"), ("test_list.txt", "test")):
            words = find(base, name, title=self.title).read_text(encoding="utf-8").split()
            splits |= dict.fromkeys(words, split)
        missing = [image for image in images if image not in splits]
        if missing:
            raise DataError(
                f"{self.title}: {len(missing):,} of {len(images):,} images are in neither train_val_list.txt nor "
                f"test_list.txt, first {missing[0]}; are the lists complete?"
            )
        return splits

    def _boxes(self, base: Path) -> Boxes:
        boxes: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
        for table in base.glob("BBox_List_2017.csv"):
            for row in read_rows(table, ("Image Index", "Finding Label", *_BOX), title=self.title):
                finding = _RENAMED.get(row["Finding Label"], row["Finding Label"])
                box = tuple(number(row[column], column, title=self.title) for column in _BOX)
                boxes[row["Image Index"], finding].append(box)
        return boxes

    def _with_masks(self, case: Case, boxes: Boxes, out: Path) -> Case:
        masks = {}
        for finding in self.classes:
            if own := boxes.get((case.id, finding)):
                path = out.absolute() / "masks" / finding / case.id
                masks[finding] = write_mask(path, partial(self._mask, case, own))
        return replace(case, class_masks=masks) if masks else case

    def _mask(self, case: Case, boxes: Sequence[Sequence[float]]) -> Mask:
        height, width = picture_size(case.image, name=case.id)
        scale = np.asarray([width, height, width, height]) / _SIDE  # of copies made smaller
        return mask_from_boxes((np.asarray(boxes) * scale).tolist(), (height, width))
