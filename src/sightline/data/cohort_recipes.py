"""Cohorts of published studies, made again from the downloads of their data sets.

A recipe is a YAML file, one a study in `cohorts/`: which data sets, which of their classes stand for which class of the
cohort, how many images are drawn at random, how each source is split, and how many images the paper had. What is made
is counted beside what the paper counted, whether it fits or not: `census.csv` lies beside the table.

Draws and splits depend on the seed and on names alone, so that the same downloads give the same cohort.
"""

import math
import typing
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sightline import yaml12
from sightline.data.adapters import Adapted, Adapter, Count, LeftOut, Selection, find_adapter
from sightline.data.adapters.adapter import Progress
from sightline.data.cohort import Case, Cohort, Task, did_you_mean
from sightline.data.cohort_census import Expected, Line, census_table, take_census
from sightline.data.splits import check_fractions, drawn, split_by_patient
from sightline.data.table import write_cohort
from sightline.errors import DataError, SettingsError
from sightline.runs import write_text

RECIPES = Path(__file__).parent / "cohorts"
CENSUS_NAME = "census.csv"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Source:
    """What a recipe takes from one data set.

    Attributes:
        adapter: name of its adapter.
        classes: for each class of the cohort that comes from here, the classes of the data set that stand for it; an
            image positive for any of them is positive for it.
        options: of the adapter.
        folders: options that are folders or files of the user, by the name that they have among the roots.
        optional: the same for those that the user may leave out.
        draw: so many images of a class at random; all where it is not named, or where there are fewer.
        per_patient: at most so many images of a class and patient at random.
        split: shares of the images by name of the split, parted by patient; or the name of one split for all; or `own`
            for the data set's splits.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    adapter: str
    classes: Mapping[str, tuple[str, ...]]
    split: Mapping[str, float] | str
    options: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    draw: Mapping[str, int] = field(default_factory=dict)
    per_patient: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.split, Mapping):
            check_fractions(self.split)


@dataclass(frozen=True)
class CohortRecipe:
    """How to make the cohort of a study.

    Attributes:
        title: what it is.
        task: as of `Cohort`.
        classes: as of `Cohort`.
        sources: the data sets, by the names that their folders have among the roots.
        expected: what the paper counted.
        seed: steers draws and splits.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    title: str
    task: Task
    classes: tuple[str, ...]
    sources: Mapping[str, Source]
    expected: tuple[Expected, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        named = [
            each
            for source in self.sources.values()
            for words in (source.classes, source.draw, source.per_patient)
            for each in words
        ]
        for each in (*named, *(count.of for count in self.expected if count.of)):
            if each not in self.classes:
                hint = did_you_mean(each, self.classes)
                raise SettingsError(f"{self.title}: class {each!r} is none of {', '.join(self.classes)}{hint}")
        for key in (count.source for count in self.expected if count.source):
            if key not in self.sources:
                hint = did_you_mean(key, self.sources)
                raise SettingsError(f"{self.title}: source {key!r} is none of {', '.join(self.sources)}{hint}")

    @property
    def roots(self) -> tuple[str, ...]:
        """Names of the folders that must be given."""
        return tuple(
            dict.fromkeys(name for key, source in self.sources.items() for name in (key, *source.folders.values()))
        )


@dataclass(frozen=True)
class Built:
    """What came of a recipe.

    Attributes:
        cohort: the images.
        census: every count of the paper with what was found instead; then the images of each source, split and class.
        selection: of each source, how many images there were after each rule.
        left_out: of each source, the images that did not stay, each with the first rule that it failed.
    """

    cohort: Cohort
    census: tuple[Line, ...]
    selection: Mapping[str, tuple[Count, ...]]
    left_out: Mapping[str, tuple[LeftOut, ...]]


def cohort_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    return tuple(sorted(file.stem for file in RECIPES.glob("*.yaml")))


def read_recipe(name: str | Path) -> CohortRecipe:
    """Read a recipe, by its name or from a file.

    Raises:
        SettingsError: there is none, or it cannot be used.
    """
    known = cohort_recipes()
    path = RECIPES / f"{name}.yaml" if str(name) in known else Path(name)
    if not path.is_file():
        hint = did_you_mean(str(name), known)
        raise SettingsError(f"no cohort recipe {str(name)!r}{hint}; there are {', '.join(known)}, or give a YAML file")
    values = yaml12.read(path.read_text(encoding="utf-8"), path.name).plain()
    recipe: CohortRecipe = _valid(CohortRecipe, values, path.name)
    return recipe


def build_cohort(
    recipe: str | Path | CohortRecipe,
    roots: Mapping[str, Path],
    out: Path,
    *,
    seed: int | None = None,
    partial: bool = False,
    progress: Progress = iter,
) -> Built:
    """Make the cohort of a study, and write its table and its census.

    Args:
        recipe: name of a recipe that comes with the package, a YAML file, or a recipe.
        roots: download folder of each data set, by its name in the recipe.
        out: folder to write `cohort.csv`, `cohort.yaml` and `census.csv` to, and what adapters write below a folder
            with the name of the source.
        seed: steers draws and splits; by default the recipe's.
        partial: downloads of which only a part was unpacked will do.
        progress: wraps the loops over what takes long.

    Raises:
        SettingsError: the recipe cannot be used, or a root is missing or unknown.
        DataNotFoundError, DataError: a download cannot be used; or the sources measure in different units.
    """
    if not isinstance(recipe, CohortRecipe):
        recipe = read_recipe(recipe)
    _check_roots(recipe, roots)
    seed = recipe.seed if seed is None else seed
    parts, selections = {}, {}
    for key, source in recipe.sources.items():
        adapter = _adapter(key, source, roots, partial)
        adapted = adapter.read(Path(roots[key]), out / key, progress=progress)
        chosen = _chosen(recipe, key, source, adapted, seed)
        selections[key] = (adapted, chosen)
        part = replace(
            adapted.cohort, root=out.absolute(), task=recipe.task, classes=recipe.classes, cases=chosen.cases
        )
        parts[key] = _split(part, source.split, seed)
    cohort = _joined(parts)
    census = take_census(parts, recipe.expected)
    write_cohort(cohort, out)
    write_text(out / CENSUS_NAME, census_table(census))
    return Built(
        cohort,
        census,
        {key: (*adapted.census, *chosen.census[1:]) for key, (adapted, chosen) in selections.items()},
        {key: (*adapted.left_out, *chosen.left_out) for key, (adapted, chosen) in selections.items()},
    )


def _valid(kind: Any, values: Any, where: str) -> Any:  # noqa: ANN401 - any type and what a file holds for it
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ": ".join(part for part in (where, ".".join(map(str, first["loc"]))) if part)
        what = f"{first['msg']}, got {first['input']!r}"
        own = first.get("ctx", {}).get("error")  # of a dataclass of ours
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SettingsError(f"{place}: {own or what}{more}") from None


def _check_roots(recipe: CohortRecipe, roots: Mapping[str, Path]) -> None:
    known = (*recipe.roots, *(name for source in recipe.sources.values() for name in source.optional.values()))
    for name in roots:
        if name not in known:
            raise SettingsError(
                f"{recipe.title}: no data set {name!r}{did_you_mean(name, known)}; give {', '.join(known)}"
            )
    missing = [name for name in recipe.roots if name not in roots]
    if missing:
        raise SettingsError(
            f"{recipe.title}: no folder for {', '.join(missing)}; it needs {', '.join(recipe.roots)}, got "
            f"{', '.join(roots) or 'none'}"
        )


def _adapter(key: str, source: Source, roots: Mapping[str, Path], partial: bool) -> Adapter:
    """Make the adapter of a source with its options."""
    kind = find_adapter(source.adapter)
    given = {option: roots[name] for option, name in source.folders.items()}
    given |= {option: roots[name] for option, name in source.optional.items() if name in roots}
    hints, names = typing.get_type_hints(kind), [item.name for item in fields(kind)]
    values = {}
    for option, value in ({**source.options, "partial": partial} | given).items():
        if option not in names:
            hint = did_you_mean(option, names)
            raise SettingsError(
                f"{key}: adapter {source.adapter} has no option {option!r}{hint}; it has {', '.join(names)}"
            )
        values[option] = _valid(hints[option], value, f"{key}: option {option}")
    return kind(**values)


def _chosen(recipe: CohortRecipe, key: str, source: Source, adapted: Adapted, seed: int) -> Selection:
    """Give the images of a source their classes, draw from them, and call them by names unique in the cohort."""
    native = adapted.cohort
    for each in (name for names in source.classes.values() for name in names):
        if each not in native.classes:
            hint = did_you_mean(each, native.classes)
            raise SettingsError(
                f"{key}: {source.adapter} has no class {each!r}{hint}; it has {', '.join(native.classes)}"
            )
    meaning = {name: [native.classes.index(each) for each in names] for name, names in source.classes.items()}
    cases = [_renamed(case, key, recipe, source, meaning, native) for case in native.cases]
    chosen = Selection(cases, recipe.classes, "what the adapter kept")
    if recipe.task != "multilabel":
        chosen.keep(f"exactly one of {', '.join(source.classes)}", lambda case: len(_positive(case)) == 1)
    for name in recipe.classes:
        _draw(chosen, name, recipe, source, seed)
    if recipe.task != "multilabel":
        chosen.cases = tuple(replace(case, label=_positive(case)[0]) for case in chosen.cases)
    return chosen


def _renamed(
    case: Case,
    key: str,
    recipe: CohortRecipe,
    source: Source,
    meaning: Mapping[str, Sequence[int]],
    native: Cohort,
) -> Case:
    """Return a case with the labels of the cohort, 1, 0 or NaN a class, and masks by its classes."""
    label = tuple(_any(case.label, meaning[name]) if name in meaning else 0.0 for name in recipe.classes)
    if recipe.task == "multilabel":
        label = tuple(value if name in meaning else math.nan for name, value in zip(recipe.classes, label, strict=True))
    else:
        label = tuple(float(value > 0.5) for value in label)  # what is unknown is not counted
    masks: dict[str, Path] = {}
    for name, names in source.classes.items():
        own = [case.class_masks[each] for each in names if each in case.class_masks]
        masks |= {name: own[0]} if len(own) == 1 else {}  # several would have to be united
    return replace(case, id=f"{key}/{case.id}", label=label, source=case.source or key, class_masks=masks)


def _any(label: int | tuple[float, ...], indices: Sequence[int]) -> float:
    """Return the largest of some labels; NaN if none is positive and one unknown."""
    if isinstance(label, int):
        return float(label in indices)
    values = [label[index] for index in indices]
    known = [value for value in values if not math.isnan(value)]
    most = max(known, default=math.nan)
    return most if most > 0.5 or len(known) == len(values) else math.nan


def _positive(case: Case) -> list[int]:
    if isinstance(case.label, int):
        return [case.label]
    return [index for index, value in enumerate(case.label) if value > 0.5]


def _draw(chosen: Selection, name: str, recipe: CohortRecipe, source: Source, seed: int) -> None:
    """Draw images of a class: those with the smallest numbers drawn from their names."""
    count, most = source.draw.get(name, 0), source.per_patient.get(name, 0)
    if not count and not most:
        return
    index = recipe.classes.index(name)
    members = [case for case in chosen.cases if index in _positive(case)]
    taken: Counter[tuple[str, str]] = Counter()
    kept: set[str] = set()
    for case in sorted(members, key=lambda case: drawn(seed, name, case.id)):
        patient = (case.source, case.patient)
        if (not count or len(kept) < count) and (not most or taken[patient] < most):
            kept.add(case.id)
            taken[patient] += 1
    limits = [f"{count:,} images"] * bool(count) + [f"{most} a patient"] * bool(most)
    rule = f"{name}: at most {' and '.join(limits)}, at random"
    chosen.keep(rule, lambda case: index not in _positive(case) or case.id in kept)


def _split(part: Cohort, split: Mapping[str, float] | str, seed: int) -> Cohort:
    if isinstance(split, Mapping):
        return split_by_patient(part, fractions=split, seed=seed)
    if split == "own":
        return part
    return replace(part, cases=tuple(replace(case, split=split) for case in part.cases))


def _joined(parts: Mapping[str, Cohort]) -> Cohort:
    """Join cohorts that have one task and the same classes."""
    first = next(iter(parts.values()))
    scales = {key: (part.value_range, part.units) for key, part in parts.items()}
    if len(set(scales.values())) > 1:
        told = "; ".join(f"{key} {limits or 'whole range'} {units}".strip() for key, (limits, units) in scales.items())
        raise DataError(f"sources measure in different ways: {told}; make them one before they are joined")
    return replace(first, cases=tuple(case for part in parts.values() for case in part.cases))
