"""BIMCV-COVID19+: chest radiographs of people with COVID-19 of the hospitals of a region."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, found_in, keep_present, read_rows, user_file
from sightline.data.adapters.people import filled, sex_of
from sightline.data.adapters.rules import keep_views, note
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataNotFoundError

CLASSES = ("COVID-19",)
_IMAGE = re.compile(r"sub-(\w+)/ses-(\w+)/mod-rx/[^/\s]+\.png")
_TAGS = {
    "photometric": "00280004",
    "window_center": "00281050",
    "window_width": "00281051",
    "rescale_intercept": "00281052",
    "rescale_slope": "00281053",
}
_VOI_LUT = "00283010"
Labels = Mapping[str, tuple[str, ...]]  # by session


@dataclass(frozen=True)
class BimcvCovid19(Adapter):
    """BIMCV-COVID19+, iteration 1 or iterations 1 and 2; a cohort of the one class COVID-19.

    All people in it had a positive test, so a classifier needs other classes of another data set beside it. The labels
    of the report are kept in `findings`, and tests in `tests` and `positive_tests`. The films are PNG of 16 bits as
    they were stored; how they are to be shown stands in a JSON file beside them, from which come `photometric`
    (MONOCHROME1 is to be inverted), `window_center`, `window_width`, `rescale_slope`, `rescale_intercept` and
    `voi_lut`. Where a film has none, that of another film of its series is taken; `header` says whose. Whoever reads
    the pixels has to see to that: the files are left as they are.

    The ISNet's rules are `findings=[COVID 19] views=[AP,PA] with_header=true`.

    Args:
        findings: keep films whose report has one of these labels, spelled just so: there are also `COVID 19 uncertain`
            and `COVID 19 negative`; none for all films.
        inherit_unchanged: a report labelled `unchanged` also has the labels of the person's study before.
        views: of these only, as the file names say; none for all.
        corrections: table with the columns `image` (name of the file) and `view`, for films whose name is wrong.
        with_header: leave out films without a JSON file in their series.

    Reference:
        de la Iglesia Vayá et al. 2020, arXiv:2006.01174; the rules: Bassi et al. 2024 (ISNet), 4.8.1.
    """

    name: ClassVar[str] = "bimcv_covid19"
    title: ClassVar[str] = "BIMCV-COVID19+"
    home: ClassVar[str] = "bimcv.cipf.es/bimcv-projects/bimcv-covid19, iterations 1 or 1 and 2"
    layout: ClassVar[str] = (
        "participants.tsv\n"
        "derivatives/labels/labels_covid_posi.tsv (iterations 1 and 2) or labels_covid19_posi.tsv (1)\n"
        "derivatives/partitions.tsv, derivatives/EHR/sil_reg_covid*.tsv, *.tar-tvf.txt, if there\n"
        "sub-S03044/sub-S03044_sessions.tsv, for inherit_unchanged\n"
        "sub-S03044/ses-E…/mod-rx/sub-S03044_ses-E…_run-1_bp-chest_vp-ap_cr.png and .json"
    )

    findings: tuple[str, ...] = ("COVID 19",)
    inherit_unchanged: bool = False
    views: tuple[str, ...] = ("AP", "PA")
    corrections: Path | None = None
    with_header: bool = False

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        names = ("labels_covid_posi.tsv", "labels_covid19_posi.tsv")
        table = find(root, *(f"derivatives/labels/{name}" for name in names), title=self.title)
        people = self._people(find(root, "participants.tsv", title=self.title))
        labels = self._labels(table)
        if self.inherit_unchanged:
            labels = _inherited(labels, self._sessions(root))
        tests = self._tests(table.parent.parent)
        views = self._corrections(root)
        images = self._images(root, table.parent.parent)
        cases = [self._case(name, images[name], people, labels, tests, views) for name in progress(sorted(images))]
        chosen = Selection(cases, CLASSES, "films of the folder and its lists")
        if self.findings:
            wanted = set(self.findings)
            chosen.keep(
                f"report has {' or '.join(self.findings)}",
                lambda case: bool(wanted & set(case.about.get("findings", "").split("|"))),
            )
        keep_views(chosen, self.views)
        keep_present(chosen, root, title=self.title, partial=self.partial)
        if self.with_header:
            chosen.keep("has a header", lambda case: "header" in case.about)
        inverted = sum(case.about.get("photometric") == "MONOCHROME1" for case in chosen.cases)
        note(chosen, f"to be inverted, MONOCHROME1 ({inverted:,} images)")
        return Adapted(Cohort(out.absolute(), "multiclass", CLASSES, chosen.cases), chosen.census, chosen.left_out)

    def _images(self, root: Path, derivatives: Path) -> dict[str, Path]:
        """Return the films that are there and those that the lists of the archives name, by name below their root."""
        found = {}
        for path in [*root.glob("sub-*/ses-*/mod-rx/*.png"), *root.glob("*/sub-*/ses-*/mod-rx/*.png")]:
            found["/".join(path.parts[-4:])] = path
        if not found:
            raise DataNotFoundError(
                f"{self.title}: expected sub-S…/ses-E…/mod-rx/*.png in {root.name}, {found_in(root)}; unpack the "
                "archives of the subjects there"
            )
        base = next(iter(found.values())).parents[3]
        for path in [derivatives / "partitions.tsv", *root.glob("*.tar-tvf.txt"), *root.glob("*/*.tar-tvf.txt")]:
            if path.is_file():
                names = [match.group() for match in _IMAGE.finditer(path.read_text(encoding="utf-8"))]
                found = {name: base / name for name in names} | found
        return found

    def _case(
        self,
        name: str,
        image: Path,
        people: Mapping[str, Mapping[str, str]],
        labels: Labels,
        tests: Mapping[str, Mapping[str, str]],
        views: Mapping[str, str],
    ) -> Case:
        patient, session, _, file = name.split("/")
        parts = dict(part.split("-", 1) for part in file.split("_") if "-" in part)
        about = {
            "view": views.get(file, parts.get("vp", "").upper()),
            "study": _bare(session),
            "modality": file.rsplit(".", 1)[0].rsplit("_", 1)[-1].upper(),
            "findings": "|".join(labels.get(_bare(session), ())),
            **people.get(_bare(patient), {}),
            **tests.get(_bare(patient), {}),
            **_header_of(image),
        }
        return Case(name, image, 0, _bare(patient), self.title, about=filled(**about))

    def _people(self, table: Path) -> dict[str, dict[str, str]]:
        """Return age and sex by person. Who was there in several years has several ages: the first is taken."""
        people = {}
        for row in read_rows(table, ("participant", "age", "gender"), title=self.title, delimiter="\t"):
            if row["participant"].startswith("sub-"):  # one row is for the folder derivatives
                ages = re.findall(r"\d+", row["age"])
                people[_bare(row["participant"])] = filled(age="".join(ages[:1]), sex=sex_of(row["gender"]))
        return people

    def _labels(self, table: Path) -> dict[str, tuple[str, ...]]:
        """Return the labels by session; they are written as a list with tabs between quoted words."""
        labels: dict[str, tuple[str, ...]] = {}
        for row in read_rows(table, ("PatientID", "ReportID", "Labels"), title=self.title, delimiter="\t"):
            words = [word.strip(" '\"") for word in re.split(r"[\t,]", row["Labels"].strip("[] "))]
            session = _bare(row["ReportID"])
            labels[session] = labels.get(session, ()) + tuple(word for word in words if word)
        return labels

    def _sessions(self, root: Path) -> dict[str, list[str]]:
        """Return the sessions of each person, the oldest first."""
        tables = [*root.glob("sub-*/sub-*_sessions.tsv"), *root.glob("*/sub-*/sub-*_sessions.tsv")]
        if not tables:
            raise DataNotFoundError(
                f"{self.title}: inherit_unchanged needs sub-S…/sub-S…_sessions.tsv in {root.name}, {found_in(root)}; "
                "unpack the archive of the sessions"
            )
        sessions = {}
        for table in tables:
            rows = list(read_rows(table, ("session_id", "study_date"), title=self.title, delimiter="\t"))
            in_order = sorted(rows, key=lambda row: row["study_date"])  # YYYYMMDD
            sessions[_bare(table.parent.name)] = [_bare(row["session_id"]) for row in in_order]
        return sessions

    def _tests(self, derivatives: Path) -> dict[str, dict[str, str]]:
        """Return how many tests a person had, and how many of them were positive."""
        every: Counter[str] = Counter()
        positive: Counter[str] = Counter()
        for table in derivatives.glob("EHR/sil_reg_covid*.tsv"):
            for row in read_rows(table, ("participant", "test", "result"), title=self.title, delimiter="\t"):
                every[_bare(row["participant"])] += 1
                positive[_bare(row["participant"])] += row["result"].upper() == "POSITIVO"
        return {person: {"tests": f"{n}", "positive_tests": f"{positive[person]}"} for person, n in every.items()}

    def _corrections(self, root: Path) -> dict[str, str]:
        if self.corrections is None:
            return {}
        table = user_file(root, self.corrections, title=self.title)
        rows = read_rows(table, ("image", "view"), title=self.title, delimiter="")
        return {Path(row["image"]).name: row["view"].upper() for row in rows}


def _bare(name: str) -> str:
    return name.removeprefix("sub-").removeprefix("ses-")


def _inherited(labels: Labels, sessions: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Give each report labelled `unchanged` the labels of the study before, too."""
    found = dict(labels)
    for in_order in sessions.values():
        before: tuple[str, ...] = ()
        for session in in_order:
            own = found.get(session, ())
            if "unchanged" in own:
                found[session] = own = tuple(dict.fromkeys((*own, *before)))
            before = own or before
    return found


def _header_of(image: Path) -> dict[str, str]:
    """Return how a film is to be shown, from its own JSON file or else from another of its series."""
    own = image.with_suffix(".json")
    others = sorted(image.parent.glob(f"{image.name.split('_run-')[0]}_run-*.json"))
    for path in [own, *others]:
        header = _read_header(path)
        if header:
            about = {name: _value(header, tag) for name, tag in _TAGS.items()}
            about["voi_lut"] = "yes" if _value(header, _VOI_LUT) else ""
            return about | {"header": "own" if path == own else "series"}
    return {}


def _read_header(path: Path) -> dict[str, Any]:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def _value(header: Mapping[str, Any], tag: str) -> str:
    element = header.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
