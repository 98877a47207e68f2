"""SIIM-ACR: chest radiographs with and without pneumothorax, outlined."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.headers import read_header
from sightline.data.adapters.layout import find, keep_present, read_rows
from sightline.data.adapters.mask_files import Mask, write_mask
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.rules import balance
from sightline.data.adapters.selection import LeftOut, Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError
from sightline.regions.rle import mask_from_gaps

CLASSES = ("No Pneumothorax", "Pneumothorax")
_NONE = "-1"
_HEADER = ("PatientID", "PatientAge", "PatientSex", "StudyInstanceUID", "ViewPosition", "Rows", "Columns")


@dataclass(frozen=True)
class SiimPneumothorax(Adapter):
    """SIIM-ACR Pneumothorax Segmentation, stage 1 or 2; a binary cohort with `mask:Pneumothorax`.

    Several outlines of a film are united. Films without a row in the table, such as those of the test set of stage 1,
    are left out. Person, age, sex and view come from the films' headers.

    Qiu's study of Grad-CAM is `balanced=true` and a split by patient of 7 : 1 : 1. It speaks of 3,576 patients with
    outlines, which are rows of 2,669 films, and of 7,200 films of which 9,000 are split; so take what there is.

    Args:
        balanced: as many films of each class, drawn at random.
        seed: steers which are drawn.

    Reference:
        Filice et al. 2020, doi:10.1007/s10278-019-00299-9; the study: Qiu et al. 2023,
        doi:10.1007/978-3-031-45676-3_23.
    """

    name: ClassVar[str] = "siim_pneumothorax"
    title: ClassVar[str] = "SIIM-ACR Pneumothorax"
    home: ClassVar[str] = "kaggle.com/c/siim-acr-pneumothorax-segmentation"
    layout: ClassVar[str] = (
        "train-rle.csv, or stage_2_train.csv\n"
        "dicom-images-train/<study>/<series>/<image>.dcm, or in any other folder below"
    )

    balanced: bool = False
    seed: int = 0

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        table = find(root, "train-rle.csv", "stage_2_train.csv", title=self.title)
        base = table.parent
        outlines: dict[str, list[str]] = defaultdict(list)  # by image, one row an outline
        for row in read_rows(table, ("ImageId", "EncodedPixels"), title=self.title):
            outlines[row["ImageId"]].append(row["EncodedPixels"])
        files = {path.stem: path for path in base.rglob("*.dcm")}
        cases = [self._case(image, rows, files.get(image), base) for image, rows in outlines.items()]
        chosen = Selection(cases, CLASSES, f"films in {table.name}")
        keep_present(chosen, base, title=self.title, partial=self.partial)
        if self.balanced:
            balance(chosen, seed=self.seed)
        complete = tuple(self._with_header(case, outlines[case.id], out) for case in progress(chosen.cases))
        unlabelled = tuple(LeftOut(name, f"not in {table.name}") for name in sorted(files.keys() - outlines.keys()))
        cohort = Cohort(out.absolute(), "binary", CLASSES, complete)
        return Adapted(cohort, chosen.census, chosen.left_out + unlabelled)

    def _case(self, image: str, rows: list[str], file: Path | None, base: Path) -> Case:
        label = int(any(row not in ("", _NONE) for row in rows))
        return Case(image, file or base / "dicom-images-train" / f"{image}.dcm", label, image, self.title)

    def _with_header(self, case: Case, rows: list[str], out: Path) -> Case:
        header = read_header(case.image, _HEADER, name=case.image.name)
        about = filled(
            age=age_text(age_of(header["PatientAge"], "PatientAge", title=self.title)),
            sex=sex_of(header["PatientSex"]),
            view=header["ViewPosition"],
            study=header["StudyInstanceUID"],
        )
        masks = {}
        if case.label == 1:
            path = out.absolute() / "masks" / CLASSES[1] / f"{case.id}.png"
            masks = {CLASSES[1]: write_mask(path, partial(self._mask, case, rows, header))}
        return replace(case, patient=header["PatientID"] or case.patient, about=about, class_masks=masks)

    def _mask(self, case: Case, rows: list[str], header: Mapping[str, str]) -> Mask:
        try:
            return mask_from_gaps(rows, (int(header["Rows"]), int(header["Columns"])))
        except (DataError, ValueError) as error:
            raise DataError(f"{self.title}: {case.id}: {error}") from None
