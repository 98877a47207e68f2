"""Brixia: chest radiographs of people with COVID-19 of one hospital, with a score of severity."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, keep_present, number, read_rows
from sightline.data.adapters.people import age_text, filled, sex_of
from sightline.data.adapters.rules import keep_ages, note
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError

CLASSES = ("COVID-19",)
ZONES = ("right_upper", "right_middle", "right_lower", "left_upper", "left_middle", "left_lower")  # A to F
_COLUMNS = (
    *("Filename", "StudyId", "BrixiaScore", "BrixiaScoreGlobal", "ConsensusTestset", "Subject", "Sex"),
    *("AgeAtStudyDateFiveYear", "Modality"),
)
_MORE = {"photometric": "PhotometricInterpretation", "manufacturer": "Manufacturer"}  # from version 2 on
_MEAN, _MODE = [f"Mean{zone}" for zone in "ABCDEF"], [f"Mode{zone}" for zone in "ABCDEF"]


@dataclass(frozen=True)
class Brixia(Adapter):
    """Brixia COVID-19; a cohort of the one class COVID-19.

    All films are of people with COVID-19, so a classifier needs other classes of another data set beside it. What the
    radiologists scored is kept beside the label: `brixia_score` (0 to 18), and `brixia_right_upper` to
    `brixia_left_lower` (0 to 3), the patient's right being on the left of the image. Where the consensus table is
    there, `consensus_mean_score`, `consensus_score` and the zones likewise hold the mean and the mode of five readers.

    Ages are published in groups of five years: `age` is the middle of the group, `age_group` the group. The ISNet's
    rule is `min_score=1`.

    Args:
        min_score: smallest global score.
        min_age: youngest age, years; a group counts by its middle.

    Reference:
        Signoroni et al. 2021, doi:10.1016/j.media.2021.102046; the rule: Bassi et al. 2024 (ISNet), 4.8.1.
    """

    name: ClassVar[str] = "brixia"
    title: ClassVar[str] = "Brixia COVID-19"
    home: ClassVar[str] = "brixia.github.io, by agreement"
    layout: ClassVar[str] = (
        "metadata_global_v2.csv\nmetadata_consensus_v1.csv, if there\n"
        "dicom_clean/<Filename>.dcm (cat dicom_clean.tar.gz.* | tar xz)"
    )

    min_score: int = 0
    min_age: float = 0.0

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        table = find(root, "metadata_global_v2.csv", "metadata_global_v*.csv", title=self.title)
        base = table.parent
        rows = list(read_rows(table, _COLUMNS, title=self.title, delimiter=""))
        consensus = self._consensus(base)
        chosen = Selection([self._case(row, base, consensus) for row in progress(rows)], CLASSES, table.name)
        odd = sum(not _adds_up(case) for case in chosen.cases)
        if odd:
            note(chosen, f"zones do not add up to the global score ({odd:,} images)")
        if self.min_score > 0:
            chosen.keep(
                f"score is at least {self.min_score}", lambda case: int(case.about["brixia_score"]) >= self.min_score
            )
        keep_ages(chosen, self.min_age)
        keep_present(chosen, base, title=self.title, partial=self.partial)
        return Adapted(Cohort(out.absolute(), "multiclass", CLASSES, chosen.cases), chosen.census, chosen.left_out)

    def _case(self, row: Mapping[str, str], base: Path, consensus: Mapping[str, dict[str, str]]) -> Case:
        stem = _stem(row["Filename"])
        score = row["BrixiaScore"].zfill(6)  # written as a number it loses the zeros of the right lung
        if len(score) != len(ZONES) or not set(score) <= set("0123"):
            raise DataError(f"{self.title}: {stem}: BrixiaScore must be six digits from 0 to 3, got {score!r}")
        total = number(row["BrixiaScoreGlobal"], "BrixiaScoreGlobal", title=self.title)
        if not 0 <= total <= 18:
            raise DataError(f"{self.title}: {stem}: BrixiaScoreGlobal must be from 0 to 18, got {total:g}")
        group = number(row["AgeAtStudyDateFiveYear"], "AgeAtStudyDateFiveYear", title=self.title)
        about = filled(
            age=age_text(5 * group + 2),
            age_group=f"{5 * group:.0f}-{5 * group + 4:.0f}" if group == group else "",
            sex=sex_of(row["Sex"]),
            study=row["StudyId"],
            modality=row["Modality"],
            brixia_score=f"{total:.0f}",
            **{f"brixia_{zone}": digit for zone, digit in zip(ZONES, score, strict=True)},
            consensus_set="yes" if row["ConsensusTestset"] in ("1", "True") else "no",
            **{name: row.get(column, "") for name, column in _MORE.items()},
            **consensus.get(stem, {}),
        )
        image = base / "dicom_clean" / f"{stem}.dcm"
        return Case(f"{stem}.dcm", image, 0, row["Subject"], self.title, about=about)

    def _consensus(self, base: Path) -> dict[str, dict[str, str]]:
        """Return what five readers found together, by film; nothing where the table is not there."""
        found = {}
        for table in sorted(base.glob("metadata_consensus_v*.csv"))[-1:]:
            columns = ("filename", *_MEAN, "S-Global", *_MODE, "J-Global")
            for row in read_rows(table, columns, title=self.title, delimiter=""):
                found[_stem(row["filename"])] = {
                    "consensus_mean_score": row["S-Global"],
                    "consensus_score": row["J-Global"],
                    **{f"consensus_mean_{zone}": row[column] for zone, column in zip(ZONES, _MEAN, strict=True)},
                    **{f"consensus_{zone}": row[column] for zone, column in zip(ZONES, _MODE, strict=True)},
                }
        return found


def _stem(name: str) -> str:
    return name.removesuffix(".dcm")


def _adds_up(case: Case) -> bool:
    return sum(int(case.about[f"brixia_{zone}"]) for zone in ZONES) == int(case.about["brixia_score"])
