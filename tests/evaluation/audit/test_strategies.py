import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.data.cohort import Cohort
from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.audit import Folder, Look, Material, Section, Subject, audit
from sightline.evaluation.audit.maps.case_table import read_case_table
from sightline.evaluation.audit.maps.methods import NamedExplainer
from sightline.evaluation.audit.maps.strategy_files import read_strategies
from sightline.evaluation.audit.strategies import Strategies

from .made import cohort_of, labels_of, material_of, middle, multilabels, pictures, subject_of, without
from .seers import Everywhere, OneOutput, Sees, little_network


def section_of(
    subject: Subject, material: Material, path: Path, part: Strategies | None = None, *, chunk: int = 16
) -> Section:
    (section,) = audit(subject, material, [part or Strategies()], Folder(path), chunk=chunk).sections
    return section


def value(section: Section, name: str, of: str = "") -> float:
    (found,) = [number.interval.value for number in section.numbers if (number.name, number.of) == (name, of)]
    return found


def p_value(section: Section, about: str) -> float:
    (found,) = [number.p_value for number in section.numbers if number.name.endswith(about)]
    assert found is not None
    return found


def rand_index(first: list[object], second: list[object]) -> float:
    """Adjusted Rand index, by counting pairs."""
    pairs = list(combinations(range(len(first)), 2))
    both = sum(first[i] == first[j] and second[i] == second[j] for i, j in pairs)
    ones, others = (sum(n * (n - 1) / 2 for n in Counter(names).values()) for names in (first, second))
    expected = ones * others / len(pairs)
    return (both - expected) / ((ones + others) / 2 - expected)


def two_strategies(count: int = 40, *, shape: tuple[int, ...] = (32, 32)) -> tuple[Cohort, torch.Tensor, list[str]]:
    """One class, told in the region on even cases and in the corner on odd ones, more or less brightly."""
    labels = [1] * count
    cohort = cohort_of(labels)
    inside, outside = (pictures(labels, region=region, corner=not region, shape=shape) for region in (True, False))
    images = torch.where((torch.arange(count) % 2 == 0).view(-1, *(1,) * (len(shape) + 1)), inside, outside)
    images = (images + 0.2 * torch.rand(images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    return cohort, images, ["inside" if index % 2 == 0 else "outside" for index in range(count)]


def test_the_rand_index_by_hand() -> None:
    assert rand_index([0, 0, 1, 1], [1, 1, 0, 0]) == 1.0
    assert rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx((0 - 4 / 6) / (2 - 4 / 6))


@pytest.mark.parametrize("shape", [(32, 32), (4, 32, 32)])
def test_two_strategies_that_were_planted_are_told_apart(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cohort, images, truth = two_strategies(shape=shape)
    model = Sees("region", "corner", shape=shape)
    section = section_of(subject_of(model, cohort), material_of(cohort, images), tmp_path)
    table = read_case_table(tmp_path, "strategies")
    assert rand_index(table["strategy"], truth) == 1.0
    assert section.verdict == "bad"
    assert value(section, "share of relevance inside", "strategy 1") == pytest.approx(0.0, abs=0.02)
    assert value(section, "share of relevance inside", "strategy 2") == pytest.approx(1.0, abs=0.02)
    assert {row for row, name in enumerate(table["strategy"]) if name == "strategy 1"} == set(range(1, 40, 2))
    assert "form 2 strategies" in section.answer


def test_what_the_sheets_need_is_kept(tmp_path: Path) -> None:
    cohort, images, truth = two_strategies()
    subject = subject_of(Sees("region", "corner"), cohort)
    section = section_of(subject, material_of(cohort, images), tmp_path, Strategies(typical=5))
    strategies, maps = read_strategies(tmp_path)
    assert [strategy.name for strategy in strategies] == ["strategy 1", "strategy 2"]
    assert [strategy.cases for strategy in strategies] == [20, 20]
    for strategy, where in zip(strategies, ("outside", "inside"), strict=True):
        assert len(strategy.typical) == 5
        assert all(truth[int(case[-3:])] == where for case in strategy.typical)
        assert strategy.answered == {"left": 20}
        assert sum(strategy.sources.values()) == 20
    case = strategies[0].typical[0]
    row = int(case[-3:])
    np.testing.assert_allclose(maps[case].image, images[row].numpy(), atol=1 / 255)
    assert maps[case].explained == 1
    assert np.abs(maps[case].attribution[:4, :12]).sum() > 0.9 * np.abs(maps[case].attribution).sum()
    assert set(section.files) == {"case by case", "strategies", "maps of typical cases"}
    assert all((tmp_path / file).is_file() for file in section.files.values())


def test_one_way_to_look_is_one_strategy(tmp_path: Path) -> None:
    cohort = cohort_of([1] * 24)
    images = pictures([1] * 24, region=True, corner=True)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert "form one strategy" in section.answer
    assert section.verdict == "good"
    assert not [number for number in section.numbers if number.name.startswith("Cramer")]


def test_maps_that_are_all_alike_are_one_strategy(tmp_path: Path) -> None:
    labels = labels_of(15)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    part = Strategies(NamedExplainer("even", Everywhere()))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert "form one strategy" in section.answer
    assert section.verdict == "bad"  # not more inside than an even map has


def test_strategies_follow_the_class_that_they_tell(tmp_path: Path) -> None:
    labels = labels_of(36)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert value(section, "Cramer's V of strategy and the class answered") == pytest.approx(1.0)
    assert p_value(section, "the class answered") < 0.01
    assert section.verdict == "good"


def test_a_source_that_is_one_with_the_class_is_not_held_against_the_strategies(tmp_path: Path) -> None:
    labels = labels_of(36)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    cohort = replace(cohort, cases=tuple(replace(case, source=f"hospital {case.label}") for case in cohort.cases))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "good"
    assert section.answer.endswith("Strategies follow the class answered.")


def test_a_strategy_of_one_source_spoils_a_good_verdict(tmp_path: Path) -> None:
    cohort, images, truth = two_strategies()
    sources = {"inside": without(cohort, source="east"), "outside": without(cohort, source="west")}
    cohort = replace(cohort, cases=tuple(sources[where].cases[row] for row, where in enumerate(truth)))
    everywhere = middle(images)
    everywhere[..., :4, :12] = 1.0  # the corner is allowed, too
    subject = subject_of(Sees("region", "corner"), cohort)
    section = section_of(subject, material_of(cohort, images, regions=everywhere), tmp_path)
    assert p_value(section, "among cases of one answer") < 0.01
    assert section.verdict == "doubtful"
    assert "Strategies follow the source" in section.answer


def test_without_regions_strategies_are_found_and_not_judged(tmp_path: Path) -> None:
    cohort, images, truth = two_strategies()
    regions = torch.full_like(middle(images), torch.nan)
    subject = subject_of(Sees("region", "corner"), cohort)
    section = section_of(subject, material_of(without(cohort, mask=None), images, regions=regions), tmp_path)
    assert section.verdict == "unknown"
    assert rand_index(read_case_table(tmp_path, "strategies")["strategy"], truth) == 1.0
    first = {
        row for row, name in enumerate(read_case_table(tmp_path, "strategies")["strategy"]) if name == "strategy 1"
    }
    assert first == set(range(1, 40, 2)), "along the border most"


def test_empty_maps_are_left_out_and_all_empty_ones_are_not_tested(tmp_path: Path) -> None:
    labels = [1] * 20
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    images[:4] = 0.0
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path / "some")
    assert len(read_case_table(tmp_path / "some", "strategies")["case"]) == 16
    assert "4 maps were empty and are left out." in section.limits
    section = section_of(
        subject_of(Sees("region"), cohort), material_of(cohort, torch.zeros_like(images)), tmp_path / "all"
    )
    assert (section.verdict, "Not tested" in section.answer) == ("unknown", True)


def test_how_cases_are_grouped_changes_nothing() -> None:
    cohort, images, _ = two_strategies(14)
    subject, material = subject_of(little_network().eval(), cohort), material_of(cohort, images)
    columns = []
    for chunk in (3, 7):
        groups = [cohort.cases[start : start + chunk] for start in range(0, 14, chunk)]
        looks = [Look(subject, group, material.load(group)) for group in groups]
        pieces = [Strategies().measure(subject, material, look) for look in looks]
        columns.append({name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]})
    assert columns[0]["grid"].shape == (14, 14, 14)
    for name, values in columns[0].items():
        np.testing.assert_allclose(values, columns[1][name], atol=1e-5, err_msg=name)


def test_a_single_output_and_several_labels(tmp_path: Path) -> None:
    labels = labels_of(20, 2)
    binary = cohort_of(labels, task="binary", classes=("well", "ill"))
    images = pictures(labels, region=True, corner=False)
    section_of(
        subject_of(OneOutput(Sees("region", classes=2)), binary, outputs=1), material_of(binary, images), tmp_path / "a"
    )
    assert set(read_case_table(tmp_path / "a", "strategies")["answered"]) == {"well", "ill"}
    several = multilabels(20)
    cohort = cohort_of(several, task="multilabel")
    section = section_of(
        subject_of(Sees("region"), cohort),
        material_of(cohort, pictures(several, region=True, corner=False)),
        tmp_path / "b",
    )
    assert section.verdict != "bad"


def test_more_cases_than_can_be_clustered_are_drawn_from_every_class() -> None:
    labels = [0] * 30 + [1] * 3
    cohort = cohort_of(labels)
    material = material_of(cohort, pictures(labels, region=True, corner=False))
    chosen = Strategies(cases=6).chosen(subject_of(Sees("region"), cohort), material)
    assert [case.label for case in chosen] == [0, 0, 0, 1, 1, 1]


def test_too_few_cases_are_refused(tmp_path: Path) -> None:
    labels = labels_of(9)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert (section.verdict, "there are 9 cases, and 10 are needed" in section.answer) == ("unknown", True)


def test_strategies_that_are_not_there_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="audit a model that can be explained"):
        read_strategies(tmp_path)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "strategies.json").write_text(json.dumps({"strategies": [{"name": "strategy 1"}]}))
    with pytest.raises(DataError, match="damaged"):
        read_strategies(tmp_path)
