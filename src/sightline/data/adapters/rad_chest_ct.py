"""RAD-ChestCT: chest CT volumes of one hospital with labels mined from reports, each with where it was found."""

import csv
import io
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, keep_present, read_rows
from sightline.data.adapters.name_lists import read_names
from sightline.data.adapters.people import filled
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError
from sightline.regions.allowed import LUNG_ONLY, PLACES, STUDY_LABELS, StudyLabel
from sightline.runs import write_text

_SETS = {"imgtrain": "train", "imgvalid": "val", "imgtest": "test"}
_PREFIXES = {"trn": "train", "val": "val", "tst": "test"}
_EXTREMA = (
    *("sup_axis0min", "inf_axis0max", "ant_axis1min", "pos_axis1max", "rig_axis2min", "lef_axis2max"),
    *("shape0", "shape1", "shape2"),
)
Found = Collection[tuple[str, str]]  # finding and location


@dataclass(frozen=True)
class RadChestCT(Adapter):
    """RAD-ChestCT; a multi-label cohort of volumes in HU, 0.8 mm apart in each direction.

    Every finding with every location of it is written to `locations.csv` (`id`, `finding`, `location`), from which
    PARTITION makes the regions. The box around the lungs, where `Extrema_*.csv` is there, is kept beside the labels.

    A lung label of the study is positive if the finding is in either lung; what can be nowhere else is positive
    wherever the report has it, and then in both lungs. So a nodule in `lung`, of which no side is told, is not counted;
    `unsided` counts it.

    Args:
        labels: the 80 of the `study`, by region; or all `findings` of the tables, 84, in any location.
        unsided: see above.
        subsets: of these only, such as imgtrain, imgvalid_a and imgtest_a; none for all. The study validates on
            imgvalid_a.
        only: list or table that names the volumes to keep, such as a predefined subset of 2,000 and 1,000; null for
            all.
        value_range: HU that become black and white; CT-Net has -1000 and 200.

    Reference:
        Draelos et al. 2021, doi:10.1016/j.media.2020.101857; the labels: Draelos and Carin, arXiv:2011.08891, 12, and
        the code of the authors.
    """

    name: ClassVar[str] = "rad_chest_ct"
    title: ClassVar[str] = "RAD-ChestCT"
    home: ClassVar[str] = "zenodo.org/records/6406114, by agreement"
    layout: ClassVar[str] = (
        "CT_Scan_Metadata_Complete_35747.csv\n"
        "img{train,valid,test}_Abnormality_and_Location_Labels.csv\nExtrema_35747.csv, if there\n"
        "trn00001.npz, val00001.npz, tst00001.npz, in it or up to two folders below"
    )

    labels: Literal["study", "findings"] = "study"
    unsided: bool = False
    subsets: tuple[str, ...] = ()
    only: Path | None = None
    value_range: tuple[float, float] = (-1000.0, 800.0)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        metadata = find(root, "CT_Scan_Metadata_Complete_*.csv", title=self.title)
        columns = ("NoteAcc_DEID", "MRN_DEID", "Set_Assigned", "Subset_Assigned")
        about = {row["NoteAcc_DEID"]: row for row in read_rows(metadata, columns, title=self.title)}
        names, found = self._found(root, progress)
        volumes = {path.stem: path for depth in ("*", "*/*", "*/*/*") for path in sorted(root.glob(f"{depth}.npz"))}
        classes = tuple(STUDY_LABELS) if self.labels == "study" else names
        extrema = self._extrema(metadata.parent)
        cases = [
            self._case(name, volumes.get(name, root / f"{name}.npz"), about, found[name], classes, extrema)
            for name in found
        ]
        chosen = Selection(cases, classes, "Abnormality_and_Location_Labels.csv")
        if self.subsets:
            chosen.keep(f"subset is {', '.join(self.subsets)}", lambda case: case.about.get("subset") in self.subsets)
        if self.only is not None:
            listed = read_names(root, self.only, title=self.title)
            chosen.keep(f"named in {self.only.name}", lambda case: case.id in listed)
        keep_present(chosen, root, title=self.title, partial=self.partial)
        for case in progress(chosen.cases):
            _check_volume(case.image, self.title)
        _write_locations({case.id: found[case.id] for case in chosen.cases}, out / "locations.csv")
        cohort = Cohort(out.absolute(), "multilabel", classes, chosen.cases, self.value_range, "HU")
        return Adapted(cohort, chosen.census, chosen.left_out)

    def _found(self, root: Path, progress: Progress) -> tuple[tuple[str, ...], dict[str, Found]]:
        """Return the names of the findings, and what was found where in each volume."""
        found: dict[str, Found] = {}
        names: tuple[str, ...] = ()
        base = find(root, "img*_Abnormality_and_Location_Labels.csv", title=self.title).parent
        for kind in _SETS:
            file = f"{kind}_Abnormality_and_Location_Labels.csv"
            if self.partial and not (base / file).is_file():
                continue
            table = find(base, file, title=self.title)
            pairs: dict[str, tuple[str, str]] = {}
            for row in progress(read_rows(table, ("NoteAcc_DEID",), title=self.title)):
                if not pairs:
                    pairs = {column: _pair(column) for column in row if "*" in column}
                    names = names or self._names(pairs, table)
                    if {finding for finding, _ in pairs.values()} != set(names):
                        raise DataError(f"{self.title}: {table.name} has other findings than the table before it")
                odd = next((column for column in pairs if row[column] not in ("0", "1", "0.0", "1.0")), None)
                if odd:
                    raise DataError(f"{self.title}: {table.name}: {odd!r} must be 0 or 1, got {row[odd]!r}")
                found[row["NoteAcc_DEID"]] = [pair for column, pair in pairs.items() if row[column][0] == "1"]
        return names, found

    def _names(self, pairs: Mapping[str, tuple[str, str]], table: Path) -> tuple[str, ...]:
        names = tuple(sorted({finding for finding, _ in pairs.values()}))
        places = {place for _, place in pairs.values()}
        needed = {label.finding for label in STUDY_LABELS.values()} if self.labels == "study" else set()
        missing = sorted(needed - set(names)) or sorted(frozenset().union(*PLACES.values()) - places if needed else ())
        if missing or not names:
            what = missing[0] if missing else "<finding>*<location>"
            raise DataError(
                f"{self.title}: {table.name} has no columns of {what!r}; expected names such as nodule*right_upper, "
                f"found {len(names)} findings in {len(places)} locations"
            )
        return names

    def _case(
        self,
        name: str,
        image: Path,
        about: Mapping[str, Mapping[str, str]],
        found: Found,
        classes: tuple[str, ...],
        extrema: Mapping[str, Mapping[str, str]],
    ) -> Case:
        if name not in about:
            raise DataError(f"{self.title}: volume {name} is not in the metadata; are the tables of one release?")
        row = about[name]
        split = _SETS.get(row["Set_Assigned"], "")
        if not split or split != _PREFIXES.get(name[:3]):
            raise DataError(
                f"{self.title}: volume {name} should be in imgtrain, imgvalid or imgtest as its name says (trn, val, "
                f"tst), and is in {row['Set_Assigned'] or 'none'}"
            )
        if self.labels == "study":
            label = tuple(float(self._has(found, STUDY_LABELS[each])) for each in classes)
        else:
            there = {finding for finding, _ in found}
            label = tuple(float(each in there) for each in classes)
        known = filled(subset=row["Subset_Assigned"], **extrema.get(name, {}))
        return Case(name, image, label, row["MRN_DEID"], self.title, split, about=known)

    def _has(self, found: Found, label: StudyLabel) -> bool:
        places = {place for each, place in found if each == label.finding}
        if label.region == "lung" and label.finding in LUNG_ONLY:
            return bool(places)
        return bool(places & PLACES[label.region]) or (self.unsided and label.region == "lung" and "lung" in places)

    def _extrema(self, base: Path) -> dict[str, dict[str, str]]:
        """Return the box around the lungs of each volume; nothing where the table is not there."""
        return {
            row["NoteAcc_DEID"]: {column: row[column] for column in _EXTREMA}
            for table in sorted(base.glob("Extrema_*.csv"))
            for row in read_rows(table, ("NoteAcc_DEID", *_EXTREMA), title=self.title)
        }


def _pair(column: str) -> tuple[str, str]:
    finding, _, place = column.partition("*")
    return finding, place


def _check_volume(path: Path, title: str) -> None:
    """Check what a volume says about itself, without reading it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("ct.npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise DataError(f"{title}: {path.name} holds no array 'ct', or only a part of it came: {error}") from None
    if len(shape) != 3 or dtype.kind not in "iuf":
        raise DataError(
            f"{title}: {path.name}: 'ct' must be (slices, rows, columns) of numbers, got {shape} of {dtype}"
        )


def _write_locations(found: Mapping[str, Found], path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "finding", "location"))
    for name, pairs in found.items():
        writer.writerows((name, finding, place) for finding, place in pairs)
    write_text(path, text.getvalue())
