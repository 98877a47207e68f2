from pathlib import Path

import numpy as np

from sightline.cli.saliency import find_saliency, saliency_table
from sightline.comparing import Condition
from sightline.evaluation.saliency import MEASURES, Saliency
from sightline.runs import RunFolder


def test_what_was_written_is_shown_with_its_spread(tmp_path: Path) -> None:
    run, on, off = RunFolder(tmp_path), Condition("test"), Condition("test", "off")
    values = {name: np.array([0.5, 0.7, np.nan]) for name in MEASURES} | {"cc": np.full(3, np.nan)}
    Saliency(("a", "b", "c"), ("A", "B", "C"), values).write(run.evaluation("test", "on"))
    found = find_saliency({"mt-unet": run}, {"mt-unet": {on: None, off: None}})
    assert found["mt-unet"].keys() == {on}
    assert saliency_table(found).splitlines() == [
        "                                   KL  CC             HS",
        "mt-unet, test, bias on  0.600 ± 0.141   -  0.600 ± 0.141",
    ]


def test_runs_without_maps_are_left_out(tmp_path: Path) -> None:
    assert find_saliency({"plain": RunFolder(tmp_path)}, {"plain": {Condition("test"): None}}) == {}
