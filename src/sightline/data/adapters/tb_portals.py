"""TB Portals: chest radiographs of people with tuberculosis of many countries, by agreement."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, keep_present, number, read_rows, user_file
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.rules import keep_ages
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError

CLASSES = ("Tuberculosis",)
_FILMS, _CASES = "TB?Portals?CXRs*.csv", "TB?Portals?Patient?Cases*.csv"
_ANNOTATIONS = "TB?Portals?CXR?Manual?Annotations*.csv"
_HEIGHT, _SIDE = re.compile("upper|middle|lower", re.IGNORECASE), re.compile("left|right", re.IGNORECASE)
_CAVITIES = ("smallcavities", "mediumcavities", "largecavities")
Rows = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class TbPortals(Adapter):
    """NIAID TB Portals, a bulk release; a cohort of the one class Tuberculosis.

    All people in it have tuberculosis, so a classifier needs another class of another data set beside it. Names of
    columns are taken in any case. Of the readers' annotations the cohort holds, by study, `abnormal_percent` and
    `timika_score`, means over readers, and for each sextant `cavities_upper_left` and so on, the most that a reader
    counted. They tell which sixth of the lungs, not where on the film that is, so they are no regions.

    The ISNet's rules are `diagnoses=[A15.0,A15.1,A15.2] min_age=18`, and then its authors went through the films: they
    left out side views, several films in one image, and small films on a large empty one, and inverted those with a
    wrong photometric interpretation. Which has not been published; name what you leave out in `exclude`.

    Args:
        diagnoses: of these codes only (ICD-10), as the table of patient cases says; none for all.
        min_age: youngest age at onset, years.
        without_outliers: leave out what the release marks as `outlier`.
        exclude: text file with a name of a film a line, with or without its folders.

    Reference:
        Rosenthal et al. 2017, doi:10.1128/JCM.01013-17; the rules: Bassi et al. 2024 (ISNet), 4.8.2.
    """

    name: ClassVar[str] = "tb_portals"
    title: ClassVar[str] = "TB Portals"
    home: ClassVar[str] = "tbportals.niaid.nih.gov, by agreement"
    layout: ClassVar[str] = (
        "TB_Portals_CXRs_August_2023.csv, or of another release\n"
        "TB_Portals_Patient_Cases_August_2023.csv, if there; for diagnoses and min_age\n"
        "TB_Portals_CXR_Manual_Annotations_August_2023.csv, if there\n"
        "…/<patient>/<study>/<series>/<instance>.dcm, anywhere below, such as in GlobalBucket"
    )

    diagnoses: tuple[str, ...] = ()
    min_age: float = 0.0
    without_outliers: bool = False
    exclude: Path | None = None

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        table = self._table(root, _FILMS, needed=True)
        people = self._people(root)
        studies = self._studies(root)
        files = {path.name: path for path in progress(root.rglob("*.dcm"))}
        columns = ("condition_id", "imagingstudy_id", "series_instance_content_url")
        rows = [row for path in table for row in read_rows(path, columns, title=self.title, delimiter="", fold=True)]
        once = {row[columns[2]]: row for row in rows}
        cases = [self._case(row, root, files, people, studies) for row in once.values()]
        chosen = Selection(cases, CLASSES, table[0].name)
        if self.diagnoses:
            wanted = {code.upper() for code in self.diagnoses}
            chosen.keep(
                f"diagnosis is {', '.join(self.diagnoses)}",
                lambda case: case.about.get("diagnosis", "").upper() in wanted,
            )
        keep_ages(chosen, self.min_age)
        if self.without_outliers:
            chosen.keep("no outlier", lambda case: case.about.get("outlier", "").casefold() != "outlier")
        if self.exclude is not None:
            names = user_file(root, self.exclude, title=self.title).read_text(encoding="utf-8").splitlines()
            out_of = {_file_name(name.strip()) for name in names}
            chosen.keep(f"not in {self.exclude.name}", lambda case: _file_name(case.id) not in out_of)
        keep_present(chosen, root, title=self.title, partial=self.partial)
        return Adapted(Cohort(out.absolute(), "multiclass", CLASSES, chosen.cases), chosen.census, chosen.left_out)

    def _case(self, row: Mapping[str, str], root: Path, files: Mapping[str, Path], people: Rows, studies: Rows) -> Case:
        url = row["series_instance_content_url"].replace("\\", "/").removeprefix("GlobalBucket/")
        person = people.get(row["condition_id"], {})
        # a person may come back with another condition
        patient = row.get("patient_id") or person.get("patient") or (url.split("/")[0] if "/" in url else "")
        about = {
            "study": row["imagingstudy_id"],
            "country": row.get("country", ""),
            "outlier": row.get("cxr_outlier", ""),
            **{name: value for name, value in person.items() if name != "patient"},
            **studies.get(row["imagingstudy_id"], {}),
        }
        image = files.get(_file_name(url), root / url)
        return Case(url, image, 0, patient or row["condition_id"], self.title, about=filled(**about))

    def _people(self, root: Path) -> dict[str, dict[str, str]]:
        """Return patient, age, sex and diagnosis by condition."""
        people = {}
        for table in self._table(root, _CASES, needed=bool(self.diagnoses or self.min_age)):
            columns = ("condition_id", "age_of_onset", "gender", "diagnosis_code")
            for row in read_rows(table, columns, title=self.title, delimiter="", fold=True):
                people[row["condition_id"]] = {
                    "patient": row.get("patient_id", ""),
                    "age": age_text(age_of(row["age_of_onset"], "age_of_onset", title=self.title)),
                    "sex": sex_of(row["gender"]),
                    "diagnosis": row["diagnosis_code"],
                }
        return people

    def _studies(self, root: Path) -> dict[str, dict[str, str]]:
        """Return what readers found, by study: one row a reader and sextant, or a reader and film."""
        percent: dict[str, dict[str, float]] = defaultdict(dict)  # by study and reader
        timika: dict[str, dict[str, float]] = defaultdict(dict)
        cavities: dict[str, dict[str, float]] = defaultdict(dict)  # by study and sextant
        for table in self._table(root, _ANNOTATIONS, needed=False):
            columns = ("imagingstudy_id", "sextant", "overallpercentofabnormalvolume", "timika_score", "rater")
            for row in read_rows(table, (*columns, *_CAVITIES), title=self.title, delimiter="", fold=True):
                study, reader = row["imagingstudy_id"], row["rater"]
                for values, column in ((percent, columns[2]), (timika, columns[3])):
                    value = number(row[column], column, title=self.title)
                    if value == value:
                        values[study][reader] = value  # the same in each row of a reader
                height, side = _HEIGHT.search(row["sextant"]), _SIDE.search(row["sextant"])
                if height and side:
                    sextant = f"{height[0]}_{side[0]}".casefold()
                    counts = [number(row[column], column, title=self.title) for column in _CAVITIES]
                    most = cavities[study].get(sextant, 0.0)
                    cavities[study][sextant] = max(most, sum(count for count in counts if count == count))
        return {
            study: {
                "abnormal_percent": _mean(percent[study]),
                "timika_score": _mean(timika[study]),
                **{f"cavities_{sextant}": f"{count:g}" for sextant, count in sorted(cavities[study].items())},
            }
            for study in (*percent, *timika, *cavities)
        }

    def _table(self, root: Path, pattern: str, *, needed: bool) -> list[Path]:
        """Return the one table of a kind; none where there is none and it is not needed."""
        found = [*root.glob(pattern), *root.glob(f"*/{pattern}")]
        if len(found) > 1:
            names = ", ".join(sorted(path.name for path in found))
            raise DataError(f"{self.title}: tables of several releases, {names}; keep one of them in the folder")
        return [find(root, pattern.replace("?", "_"), title=self.title)] if needed and not found else found


def _file_name(name: str) -> str:
    return re.split(r"[\\/]", name)[-1].removesuffix(".dcm") + ".dcm"


def _mean(by_reader: Mapping[str, float]) -> str:
    return f"{fmean(by_reader.values()):.4g}" if by_reader else ""
