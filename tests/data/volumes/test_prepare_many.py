import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.readers.volume import read_volume
from sightline.data.volumes import (
    Job,
    Machines,
    Outcome,
    Preparation,
    plan_volumes,
    prepare_volume,
    prepare_volumes,
    read_array,
    write_tables,
)
from sightline.data.volumes.prepare import prepared

Write = Callable[..., Path]
Noise = Callable[..., np.ndarray]
WAY = Preparation((2.0, 2.0, 2.0))


def make_scans(root: Path, count: int, write_nifti: Write, hounsfield: Noise) -> Path:
    for number in range(count):
        write_nifti(root / f"p{number:04}.nii", hounsfield((12, 12, 12), seed=number), (1.0, 1.0, 1.0))
    return root


def whole_and_right(jobs: tuple[Job, ...]) -> bool:
    """Tell whether every store holds what one process makes of its file, and nothing lies beside the stores."""
    for job in jobs:
        ct, _ = prepared(read_volume(job.source.path), job.preparation, name="")
        if not np.array_equal(read_array(job.store, "ct"), ct):
            return False
    return sorted(path.name for path in jobs[0].store.parent.iterdir()) == sorted(job.store.name for job in jobs)


@pytest.mark.slow
def test_a_thousand_volumes_of_which_one_worker_is_killed(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise
) -> None:
    root = make_scans(tmp_path / "scans", 1000, write_nifti, hounsfield)
    (root / "p0500.nii").write_bytes((root / "p0500.nii").read_bytes()[:999])
    plan = plan_volumes(root, tmp_path / "out", WAY)
    killed: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if done >= 300 and not killed:
            killed.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)
        assert total == 1000

    outcomes = prepare_volumes(plan.jobs, Machines(2), kill_one)
    assert killed
    assert [outcome.id for outcome in outcomes] == [f"p{number:04}" for number in range(1000)]
    assert [outcome.id for outcome in outcomes if outcome.reason] == ["p0500"]
    assert whole_and_right(tuple(job for job in plan.jobs if job.source.id != "p0500"))


def test_a_killed_run_goes_on_to_the_same_volumes(tmp_path: Path, write_nifti: Write, hounsfield: Noise) -> None:
    root, out = make_scans(tmp_path / "scans", 150, write_nifti, hounsfield), tmp_path / "out"
    code = f"from sightline.cli.main import main; main({['prepare', 'ct', str(root), str(out), '--jobs', '1', '-q']}"
    code += " + ['--spacing', '2', '2', '2'])"
    process = subprocess.Popen([sys.executable, "-c", code])
    while process.poll() is None and len(list(out.glob("volumes/*.zarr"))) < 20:
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = {path.name for path in out.glob("volumes/*.zarr")}
    assert 20 <= len(there) < 150
    assert not (out / "volumes.csv").exists()
    plan = plan_volumes(root, out, WAY)
    outcomes = prepare_volumes(plan.jobs, Machines(1))
    assert {f"{outcome.id}.zarr" for outcome in outcomes if outcome.kept} == there
    assert whole_and_right(plan.jobs)


def test_shards_are_disjoint_and_make_the_whole(tmp_path: Path, write_nifti: Write, hounsfield: Noise) -> None:
    root = make_scans(tmp_path / "scans", 5, write_nifti, hounsfield)
    made = [
        [job.source.id for job in plan_volumes(root, tmp_path / "out", WAY, shard=(number, 3)).jobs]
        for number in (1, 2, 3)
    ]
    assert made == [["p0000", "p0003"], ["p0001", "p0004"], ["p0002"]]


def test_a_cluster_makes_what_this_machine_makes(tmp_path: Path, write_nifti: Write, hounsfield: Noise) -> None:
    distributed = pytest.importorskip("distributed")
    root = make_scans(tmp_path / "scans", 6, write_nifti, hounsfield)
    plan = plan_volumes(root, tmp_path / "out", WAY)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        outcomes = prepare_volumes(plan.jobs, Machines(cluster=cluster.scheduler_address))
    assert [outcome.reason for outcome in outcomes] == [""] * 6
    assert whole_and_right(plan.jobs)


def test_tables_list_what_there_is_and_what_is_broken(tmp_path: Path, write_nifti: Write, hounsfield: Noise) -> None:
    root = make_scans(tmp_path / "scans", 2, write_nifti, hounsfield)
    write_nifti(root / "labels.nii", np.ones((12, 12, 12), np.uint8))
    plan = plan_volumes(root, tmp_path / "out", WAY)
    outcomes = prepare_volumes(plan.jobs, Machines(1))
    doubtful = {"organs_quality": {"passed": False, "reasons": ["no left lung", "tilted"]}}
    good = {"organs_quality": {"passed": True, "reasons": []}}
    outcomes += [Outcome("q", "q", about=doubtful), Outcome("r", "r", about=good)]
    volumes, broken = write_tables(outcomes, tmp_path / "out")
    rows = list(csv.reader(volumes.open(newline="")))
    assert rows[0] == ["id", "file", "source", "shape", "spacing_mm", "source_shape", "source_spacing_mm", "organs"]
    assert rows[1] == ["p0000", "volumes/p0000.zarr", "p0000.nii", *["6 x 6 x 6", "2 x 2 x 2"], *rows[2][5:7], ""]
    assert rows[1][5:7] == ["12 x 12 x 12", "1 x 1 x 1"]
    assert [row[-1] for row in rows[3:]] == ["no left lung; tilted", "ok"]
    assert list(csv.reader(broken.open(newline="")))[1:] == [
        ["labels.nii", "labels.nii: values from 1 to 1 cannot be HU, where air is near -1000 and water 0"]
    ]


def test_a_volume_that_ends_its_process_is_listed(
    tmp_path: Path, write_nifti: Write, hounsfield: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_scans(tmp_path / "scans", 2, write_nifti, hounsfield)
    jobs = plan_volumes(root, tmp_path / "out", WAY).jobs

    def lost(self: Machines, work: object, tasks: tuple[Job, ...], progress: object = None) -> object:
        yield tasks[1], None
        yield tasks[0], prepare_volume(tasks[0])

    monkeypatch.setattr(Machines, "do", lost)
    first, second = prepare_volumes(jobs, Machines(2))
    assert first.reason == ""
    assert second.reason == "p0001.nii: ended the process that prepared it 3 times; try fewer at a time"
