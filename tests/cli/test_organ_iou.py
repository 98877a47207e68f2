from pathlib import Path

import numpy as np

from sightline.cli.organ_iou import find_organ_iou, organ_iou_table
from sightline.comparing import Condition
from sightline.evaluation import OrganIoU
from sightline.runs import RunFolder

ON, OFF = Condition("test"), Condition("test", "off")
MEASURED = OrganIoU(
    attention="hirescam",
    zero_if_either_is_zero=False,
    classes=("nodule", "effusion"),
    groups={"lungs": ("nodule",), "mediastinum": ("effusion",)},
    thresholds=np.array([0.5, 0.25]),
    validated=np.array([2, 2]),
    cases=("a", "b"),
    patients=("A", "B"),
    labels=np.array([0, 0]),
    values=np.array([0.25, 0.75]),
)


def test_what_was_written_is_shown_with_its_interval(tmp_path: Path) -> None:
    MEASURED.write(tmp_path / "evaluation" / "test")
    found = find_organ_iou({"axialnet": RunFolder(tmp_path)}, {"axialnet": {ON: None, OFF: None}})
    assert found["axialnet"].keys() == {ON}
    head, row = organ_iou_table(found).splitlines()
    assert head.split() == ["OrganIoU", "all", "lungs", "mediastinum"]
    assert row.split() == [
        "axialnet,",
        "test,",
        "bias",
        "on",
        "0.50",
        "[0.25,",
        "0.75]",
        "0.50",
        "[0.25,",
        "0.75]",
        "-",
    ]


def test_runs_without_it_are_left_out(tmp_path: Path) -> None:
    assert find_organ_iou({"plain": RunFolder(tmp_path)}, {"plain": {ON: None}}) == {}
