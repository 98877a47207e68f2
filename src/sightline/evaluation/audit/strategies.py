"""Strategies of the model: groups of cases whose maps are alike, ranked by how much of them lies outside."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.data.cohort import Case
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.case_table import write_case_table
from sightline.evaluation.audit.maps.coarse import cells_of, densities
from sightline.evaluation.audit.maps.decided import answered, confidence
from sightline.evaluation.audit.maps.few_cases import spread_over_classes
from sightline.evaluation.audit.maps.group_means import FEWEST, group_means, numbers_of
from sightline.evaluation.audit.maps.methods import USUAL, NamedExplainer
from sightline.evaluation.audit.maps.share_inside import (
    AT_LEAST_HALF,
    HARDLY_ANY,
    areas,
    concentration,
    shares_inside,
    telling_regions,
)
from sightline.evaluation.audit.maps.strategy_files import Strategy, write_strategies
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array, Columns, Part, column
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import counted, percent, percent_of
from sightline.evaluation.maps import CaseMap
from sightline.metrics import holm
from sightline.metrics.association import Association, association
from sightline.metrics.intervals import Interval
from sightline.metrics.localisation import border_share
from sightline.metrics.spectral_clustering import Clusters, spectral_clusters

Floats: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = dict[str, NDArray[np.bool_]]
Means: TypeAlias = Mapping[str, Mapping[str, Interval]]

ALIKE = 0.1
"""Hellinger distance, from 0 to 1, up to which maps count as one and the same; it is that of two maps of which one lies
wholly inside the other and is two hundredths smaller."""
CERTAIN = 0.05
"""Greatest p-value, corrected for two tests, at which strategies count as bound to the source."""


@dataclass(frozen=True)
class Strategies(Part):
    r"""Spectral relevance analysis: maps of the likeliest class, clustered by where their relevance lies.

    Absolute maps are averaged within the cells of a coarse grid and divided by their sums, $p$. Their distance is
    Hellinger's, $\sqrt{1 - \sum_i \sqrt{p_i q_i}}$; the paper compares maps by the Euclidean distance of their values,
    in which a few bright cells count for everything, and clusters the cases of one class, where we take all classes
    together and test which clusters follow them. For the clustering itself see `spectral_clusters`.

    A strategy of at least 10 patients speaks for itself: the verdict is `bad` where the concentration of one (see
    `share_inside`) is below 0.1, upper limit; `good` where that of all is at least 0.5, lower limit, and strategies are
    not bound to the source beyond what the class explains; else `doubtful`. Without regions it is `doubtful` where they
    are bound to the source, and otherwise `unknown`: there is nothing to hold them against but the reader's eye.

    Attributes:
        method: that draws the maps.
        most: strategies at most.
        cases: clustered at most, drawn from all classes.
        typical: cases of each strategy whose maps are kept for its sheet: the least far from the others in it.

    Reference:
        Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4 (SpRAy: methods, "Spectral relevance analysis").
    """

    name: ClassVar[str] = "strategies"
    question: ClassVar[str] = "By which strategies does the model answer, and do they look outside?"

    method: NamedExplainer = USUAL[0]
    most: int = 8
    cases: int = 2000
    typical: int = 8

    def unfit(self, subject: Subject, material: Material) -> str:
        """Refuse models that only answer, and too few cases."""
        few = f"there are {len(material.cases)} cases, and {FEWEST} are needed" if len(material.cases) < FEWEST else ""
        return super().unfit(subject, material) or few

    def chosen(self, subject: Subject, material: Material) -> tuple[Case, ...]:
        """Take all cases, or as many as can be clustered."""
        del subject
        if len(material.cases) <= self.cases:
            return material.cases
        drawn = {case.id for case in spread_over_classes(material.cases, self.cases, material.seed)}
        return tuple(case for case in material.cases if case.id in drawn)

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Bring each map to a coarse grid."""
        del subject, material
        maps = self.method.maps(look, needed=True)
        regions = telling_regions(look)
        return {
            "grid": densities(maps, cells_of(maps.ndim - 1)).float().numpy(),
            "answered": answered(look),
            "confidence": column(confidence(look)),
            "inside": shares_inside(maps, regions),
            "area": areas(regions),
            "border": column(border_share(maps[:, None])),
        }

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Cluster the maps, rank the clusters, and keep what their sheets need."""
        drawn = np.asarray(~np.isnan(columns["grid"].reshape(len(columns.cases), -1)).any(1))
        told = Columns(
            tuple(columns.cases[row] for row in np.flatnonzero(drawn)),
            {name: values[drawn] for name, values in columns.values.items()},
        )
        if len(told.cases) < FEWEST:
            return Section(
                self.name, self.question, "unknown", f"Not tested: {counted(len(told.cases), 'map')} that is not empty."
            )
        points = np.sqrt(told["grid"].reshape(len(told.cases), -1).astype(np.float64)) / np.sqrt(2)
        clusters = spectral_clusters(points, most=self.most, alike=ALIKE)
        groups = _ranked(clusters, told)
        means = group_means(
            _values(told), {"": np.ones(len(told.cases), bool), **groups}, told.patients, material.resampling
        )
        tests = _tests(clusters, told, material)
        typical = {name: _typical(clusters.distances, rows, self.typical) for name, rows in groups.items()}
        files = self._keep(subject, material, told, groups, typical, clusters.eigenvalues, means, folder)
        found = means["concentration"]
        return Section(
            self.name,
            self.question,
            _verdict({name: found[name] for name in groups}, tests[_SOURCE]),
            _answer(groups, means, tests, told),
            (*numbers_of(means), *_numbers(tests, material.resampling.level)),
            _shown(typical, told, subject.classes),
            (
                "Clusters are a way to look through many maps; that there are several does not say that one is wrong, "
                "and one strategy may be split into two.",
                "Whether a strategy follows the source is tested among cases of one answer. Where all cases of an "
                "answer are of one source the test finds nothing.",
                *([f"{counted(int((~drawn).sum()), 'map')} were empty and are left out."] if not drawn.all() else []),
            ),
            files,
        )

    def _keep(
        self,
        subject: Subject,
        material: Material,
        told: Columns,
        groups: Groups,
        typical: Mapping[str, list[int]],
        eigenvalues: Floats,
        means: Means,
        folder: Folder,
    ) -> dict[str, str]:
        """Write the table, and of every strategy the typical cases with their maps."""
        named = np.array([subject.classes[index] for index in told["answered"]])
        sources = np.array([case.source for case in told.cases])
        name_of = {row: name for name, rows in groups.items() for row in np.flatnonzero(rows).tolist()}
        table: dict[str, Array | list[str]] = {
            "strategy": [name_of[row] for row in range(len(told.cases))],
            "answered": named,
            **{name: told[name] for name in ("confidence", "inside", "area", "border")},
        }
        strategies, maps = [], dict[str, CaseMap]()
        for name, rows in groups.items():
            cases = [told.cases[row] for row in typical[name]]
            maps |= self._maps(subject, material, cases)
            strategies.append(
                Strategy(
                    name,
                    int(rows.sum()),
                    means["share of relevance inside"][name],
                    means["area of the region"][name],
                    _counts(named[rows]),
                    _counts(sources[rows]),
                    tuple(case.id for case in cases),
                )
            )
        files = write_case_table(folder, self.name, told.cases, table)
        return files | write_strategies(folder.path, strategies, eigenvalues.tolist(), maps)

    def _maps(self, subject: Subject, material: Material, cases: list[Case]) -> dict[str, CaseMap]:
        """Draw the maps of a few cases again, in full."""
        look = Look(subject, tuple(cases), material.load(cases))
        maps = self.method.maps(look)
        found = {}
        for row, case in enumerate(cases):
            image = look.images[row].float()
            grey = image[:1] if bool((image == image[:1]).all()) else image
            region = look.regions[row][None].float()
            found[case.id] = CaseMap(
                grey.numpy().copy(),
                torch.nan_to_num(maps[row]).numpy().astype(np.float32),
                region.numpy().copy(),
                int(answered(look)[row]),
            )
        return found


def _values(told: Columns) -> dict[str, Floats]:
    return {
        "share of relevance inside": told["inside"],
        "area of the region": told["area"],
        "concentration": concentration(told["inside"], told["area"]),
        "share of relevance along the border": told["border"],
    }


def _ranked(clusters: Clusters, told: Columns) -> Groups:
    """Name clusters `strategy 1` and so on: least concentration first, or where no region is known the most border."""
    found = concentration(told["inside"], told["area"])
    keys = []
    for label in range(clusters.count):
        rows = clusters.labels == label
        known = found[rows][~np.isnan(found[rows])]
        keys.append((float(known.mean()) if len(known) else 2.0, -float(told["border"][rows].mean()), label))
    return {f"strategy {rank}": clusters.labels == label for rank, (_, _, label) in enumerate(sorted(keys), start=1)}


def _tests(clusters: Clusters, told: Columns, material: Material) -> dict[str, Association]:
    """Whether strategies follow the class answered, and the source beyond it; p-values corrected for two tests."""
    sources = [case.source for case in told.cases]
    options: dict[str, Any] = {"resamples": material.resampling.resamples, "seed": material.resampling.seed}
    found = (
        association(clusters.labels, told["answered"], told.patients, **options),
        association(clusters.labels, sources, told.patients, within=told["answered"], **options),
    )
    corrected = holm([test.p for test in found])
    return {name: replace(test, p=float(p)) for name, test, p in zip((_CLASS, _SOURCE), found, corrected, strict=True)}


_CLASS, _SOURCE = "the class answered", "the source, among cases of one answer"


def _numbers(tests: Mapping[str, Association], level: float) -> tuple[Number, ...]:
    """Cramer's V of those tests that have something to test."""
    return tuple(
        Number(
            f"Cramer's V of strategy and {name}",
            Interval(test.v, np.nan, np.nan, test.n, f"{test.resamples} permutations", level, test.n),
            p_value=test.p,
        )
        for name, test in tests.items()
        if np.isfinite(test.v)
    )


def _verdict(found: Mapping[str, Interval], source: Association) -> Verdict:
    bound = source.p <= CERTAIN
    told = [of for of in found.values() if (of.n_patients or 0) >= FEWEST]
    if not any(of.n for of in found.values()):
        return "doubtful" if bound else "unknown"
    if any(of.high < HARDLY_ANY for of in told):
        return "bad"
    return "good" if told and all(of.low >= AT_LEAST_HALF for of in told) and not bound else "doubtful"


def _answer(groups: Groups, means: Means, tests: Mapping[str, Association], told: Columns) -> str:
    name, rows = next(iter(groups.items()))
    share, area = means["share of relevance inside"][name], means["area of the region"][name]
    several = len(groups) > 1
    text = f"The maps of {counted(len(told.cases), 'case')} form " + (
        f"{len(groups)} strategies" if several else "one strategy"
    )
    if share.n:
        least = f"the one that looks outside most, of {counted(int(rows.sum()), 'case')}, has" if several else "it has"
        text += f"; {least} {percent(share)} of its relevance inside a region of {percent_of(area.value)} of the image"
    if several:
        bound = [told_of for told_of, test in tests.items() if test.p <= CERTAIN]
        text += f". Strategies follow {' and '.join(bound)}" if bound else ". They follow neither class nor source"
    return f"{text}."


def _shown(typical: Mapping[str, list[int]], told: Columns, classes: tuple[str, ...]) -> tuple[Shown, ...]:
    """The most typical case of each strategy."""
    return tuple(
        Shown(
            told.cases[rows[0]].id,
            f"{name}: {percent_of(told['inside'][rows[0]])} of the relevance inside; "
            f"answered {classes[told['answered'][rows[0]]]}",
            float(told["inside"][rows[0]]),
        )
        for name, rows in typical.items()
    )


def _typical(distances: Floats, rows: NDArray[np.bool_], limit: int) -> list[int]:
    """Members of a group that are least far from the others in it, the nearest first."""
    members = np.flatnonzero(rows)
    mean = distances[np.ix_(members, members)].mean(1)
    nearest: list[int] = members[np.argsort(mean, kind="stable")][:limit].tolist()
    return nearest


def _counts(names: NDArray[np.str_]) -> dict[str, int]:
    """How often each name comes, the most frequent first; what has no name is left out."""
    return dict(Counter(name for name in names.tolist() if name).most_common())
