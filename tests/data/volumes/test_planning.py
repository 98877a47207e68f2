from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.volumes import Machines, Preparation, plan_volumes
from sightline.errors import DataError, SettingsError

Write = Callable[..., Path]
TABLE = """id,nodule,effusion,mask:nodule,mask:effusion
p1,1,0,#1+3,fluid/p1.nii.gz
p2,,1,volumes/p2.zarr#1,fluid/p2.nii.gz#2
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(TABLE)
    return path


def test_a_plan_names_ids_without_volume(
    table: Path,
    tmp_path: Path,
    write_nifti: Write,
    hounsfield: Callable[..., np.ndarray],
    caplog: pytest.LogCaptureFixture,
) -> None:
    root, out, way = tmp_path / "scans", tmp_path / "out", Preparation(organs=True)
    write_nifti(root / "p2.nii", hounsfield())
    write_nifti(root / "p7.nii", hounsfield())
    plan = plan_volumes(root, out, way, labels=table, machines=Machines(1))
    assert caplog.messages == ["1 ids of the labels have no volume, such as p1"]
    assert plan.jobs[0].masks == {tmp_path / "fluid/p2.nii.gz": out / "masks/effusion/p2.nii.gz"}
    assert plan.jobs[1].masks == {}
    with pytest.raises(SettingsError, match=r"the table of labels names organs such as #1\+3; ask for organs"):
        plan_volumes(root, out, Preparation(), labels=table)
    (root / "p2.nii").unlink()
    with pytest.raises(DataError, match=r"^none of the 2 ids of the labels, such as 'p1', is a volume; those are p7$"):
        plan_volumes(root, out, way, labels=table)
