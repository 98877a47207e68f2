"""The intervals that the ISNet paper prints follow from its counts, by our functions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "published_tables.py"


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("published_tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    return module


def on_the_page(tables: ModuleType, rows: list[Any]) -> bool:
    made = tables.PAGE.read_text(encoding="utf-8").split(tables.BEGIN)[1].split(tables.END)[0]
    return all(tables.text(cell) in made for row in rows for cell in (*row.published, *row.ours))


def test_all_96_cells_of_table_1_follow_from_the_confusion_matrices_and_stand_on_the_page(tables: ModuleType) -> None:
    rows = tables.table_1()
    assert sum(len(row.ours) for row in rows) == 96
    assert all(len(cell) == 4 for row in rows for cell in row.published)
    assert max(max(row.apart) for row in rows) < 0.003
    assert on_the_page(tables, rows)


def test_table_3_follows_from_whole_numbers_for_five_of_six_models(tables: ModuleType) -> None:
    models = tables.PUBLISHED["models"]
    rows = [row for model in models for row in tables.table_3(model, (370, 383))]
    assert {row.model for row in rows} == set(models) - {"DenseNet121"}
    assert sum(len(row.ours) for row in rows) == 45
    assert max(max(row.apart) for row in rows) < 1e-3  # a mean of printed halves may round the other way
    others = tables.table_3("DenseNet121", (374, 383))
    assert max(max(row.apart) for row in others) < 1e-3
    counts = list(tables.counts_of_two(tables.PUBLISHED["tuberculosis"], "ISNet", (370, 383)))
    assert counts == [(tables.Counts(265, 370, 355), tables.Counts(293, 383, 398))]


def test_table_4_follows_from_whole_numbers_but_for_one_half_width(tables: ModuleType) -> None:
    rows, positives = tables.table_4((range(331, 336), range(1362, 1363), range(1331, 1332)))
    assert positives[0] == [333]
    apart = {(row.model, row.score, k): far for row in rows for k, far in enumerate(row.apart)}
    assert len(apart) == 72
    assert [cell for cell, far in apart.items() if far > 1.1e-3] == [("ISNet", "recall", 0)]
    theirs, ours = next(
        (row.published[0], row.ours[0]) for row in rows if (row.model, row.score) == ("ISNet", "recall")
    )
    assert theirs[0] == pytest.approx(ours[0], abs=6e-4)
    assert (theirs[1], ours[1]) == (0.04, pytest.approx(0.044, abs=5e-4))


def test_the_half_widths_of_table_4s_recall_are_not_those_of_the_positives(tables: ModuleType) -> None:
    cells = tables.PUBLISHED["faces"]
    for model in ("U-Net+DenseNet121", "AG-Sononet"):
        (counts,) = {tables.counts_of_label(cells, model, 0, 333).__next__()}
        usual = tables.printed(counts.intervals()[1])
        assert abs(usual[1] - cells["recall"][model][0][1]) > 1e-3


def test_the_means_of_table_5_are_means_of_areas_and_of_half_widths(tables: ModuleType) -> None:
    rows = tables.table_5()
    assert len(rows) == 6
    assert max(max(row.apart) for row in rows) < 6e-4
    assert on_the_page(tables, rows)
