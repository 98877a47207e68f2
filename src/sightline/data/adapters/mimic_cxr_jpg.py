"""MIMIC-CXR-JPG: chest radiographs of one hospital with labels mined from reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import Reading, check_classes, label_of
from sightline.data.adapters.layout import find, keep_present, read_rows
from sightline.data.adapters.people import filled
from sightline.data.adapters.rules import Only, keep_labelled, keep_views, labelled
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, did_you_mean
from sightline.errors import DataError, SettingsError

CLASSES = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture"),
    *("Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia"),
    *("Pneumothorax", "Support Devices"),
)
_ABOUT = ("dicom_id", "subject_id", "study_id", "ViewPosition")
_SPLITS = {"train": "train", "validate": "val", "test": "test"}
_TABLES = {
    "chexpert": "mimic-cxr-*-chexpert.csv",
    "negbio": "mimic-cxr-*-negbio.csv",
    "radiologist": "mimic-cxr-*-test-set-labeled.csv",
}
_BY_HAND = {"Lung Opacity": "Airspace Opacity"}  # as the table labelled by hand calls it


@dataclass(frozen=True)
class MimicCxrJpg(Adapter):
    """MIMIC-CXR-JPG 2.0.0 or 2.1.0; a multi-label cohort of its 14 classes, or of some. It tells neither age nor sex.

    The ISNet's test set is `uncertain=negative splits=[test] only=positive classes=[Atelectasis,Consolidation,Edema,No
    Finding,Pneumonia,Pneumothorax]`.

    Args:
        labels: who labelled the studies: the programs `chexpert` or `negbio`, or a `radiologist`, who labelled 687
            studies by hand (2.1.0); studies without labels do not stay.
        uncertain: what a label of -1 is taken for.
        blank: what a label that is left out is taken for.
        views: of these only, as ViewPosition says, such as AP, PA, LATERAL and LL; none for all.
        splits: of the official splits train, val and test these only; none for all.
        classes: the labels to keep.
        only: `positive` keeps films that are positive for any of `classes`, `single` those for exactly one of them, as
            a multi-class cohort.

    Reference:
        Johnson et al. 2019, arXiv:1901.07042; the rules: Bassi et al. 2024 (ISNet), appendix B.
    """

    name: ClassVar[str] = "mimic_cxr_jpg"
    title: ClassVar[str] = "MIMIC-CXR-JPG"
    home: ClassVar[str] = "physionet.org/content/mimic-cxr-jpg, 2.0.0 or 2.1.0, with credentials"
    layout: ClassVar[str] = (
        "mimic-cxr-2.0.0-{metadata,split,chexpert,negbio}.csv or .csv.gz, mimic-cxr-2.1.0-test-set-labeled.csv\n"
        "files/p10/p10000032/s50414267/<dicom_id>.jpg"
    )

    labels: Literal["chexpert", "negbio", "radiologist"] = "chexpert"
    uncertain: Reading = "unknown"
    blank: Reading = "negative"
    views: tuple[str, ...] = ("AP", "PA")
    splits: tuple[str, ...] = ()
    classes: tuple[str, ...] = CLASSES
    only: Only = "all"

    def __post_init__(self) -> None:
        check_classes(self.classes, CLASSES, title=self.title)
        for name in self.splits:
            if name not in _SPLITS.values():
                hint = did_you_mean(name, _SPLITS)
                raise SettingsError(f"{self.title} has the splits train, val and test, got {name!r}{hint}")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        metadata = self._table(root, "mimic-cxr-*-metadata.csv")
        base = metadata.parent
        splits = self._splits(self._table(base, "mimic-cxr-*-split.csv"))
        studies = self._studies(self._table(base, _TABLES[self.labels]))
        unknown = (float("nan"),) * len(self.classes)
        cases = []
        for row in progress(list(read_rows(metadata, _ABOUT, title=self.title))):
            image, subject, study = row["dicom_id"], row["subject_id"], row["study_id"]
            if image not in splits:
                raise DataError(f"{self.title}: {metadata.name}: image {image} has no split; is that table complete?")
            name = f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"
            about = filled(view=row["ViewPosition"], study=study)
            label = studies.get(study, unknown)
            cases.append(Case(name, base / name, label, subject, self.title, splits[image], about=about))
        chosen = Selection(cases, self.classes, metadata.name)
        chosen.keep(f"study has labels ({self.labels})", lambda case: case.about["study"] in studies)
        if self.splits:
            chosen.keep(f"split is {', '.join(self.splits)}", lambda case: case.split in self.splits)
        keep_views(chosen, self.views)
        keep_labelled(chosen, self.classes, self.only)
        keep_present(chosen, base, title=self.title, partial=self.partial)
        return labelled(chosen, self.classes, self.only, out)

    def _table(self, root: Path, name: str) -> Path:
        return find(root, name, f"{name}.gz", title=self.title)

    def _splits(self, table: Path) -> dict[str, str]:
        splits = {}
        for row in read_rows(table, ("dicom_id", "split"), title=self.title):
            if row["split"] not in _SPLITS:
                raise DataError(f"{self.title}: {table.name}: split must be {', '.join(_SPLITS)}, got {row['split']!r}")
            splits[row["dicom_id"]] = _SPLITS[row["split"]]
        return splits

    def _studies(self, table: Path) -> dict[str, tuple[float, ...]]:
        """Return the labels of each study; its number is unique, so that the patient's is not needed."""
        names = {name: _BY_HAND.get(name, name) if self.labels == "radiologist" else name for name in self.classes}
        return {
            row["study_id"]: tuple(
                label_of(row[column], column, uncertain=self.uncertain, blank=self.blank, title=self.title)
                for column in names.values()
            )
            for row in read_rows(table, ("study_id", *names.values()), title=self.title)
        }
