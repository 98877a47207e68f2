import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import read_volume
from sightline.data.volumes import read_array

AXES = np.asarray([[-1.0, 0, 0, 9], [0, -1, 0, 9], [0, 0, -1, 9], [0, 0, 0, 1]])  # left, back, feet
LINES = ["--spacing", "2", "2", "2", "--jobs", "1", "-q"]


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(values.T, AXES).to_filename(path)
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three volumes and a label map, which is none."""
    root = tmp_path / "scans"
    for number in range(3):
        values = np.random.default_rng(number).integers(-1000, 1000, (8, 10, 12)).astype(np.int16)
        save(root / f"p{number}.nii.gz", values)
    save(root / "seg.nii.gz", np.ones((8, 10, 12), np.uint8))
    return root


def cells(file: Path) -> list[list[str]]:
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


def test_a_folder_becomes_volumes_and_the_broken_are_listed(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["prepare", "ct", str(scans), str(out), *LINES]) == 0
    told = capsys.readouterr().out.splitlines()
    reason = "seg.nii.gz: values from 1 to 1 cannot be HU, where air is near -1000 and water 0"
    assert told == [f"broken: {reason}", f"{out}: 3 volumes"]
    assert [row[:3] for row in cells(out / "volumes.csv")[1:]] == [
        [f"p{number}", f"volumes/p{number}.zarr", f"p{number}.nii.gz"] for number in range(3)
    ]
    assert cells(out / "broken.csv") == [["source", "reason"], ["seg.nii.gz", reason]]
    assert sorted(path.name for path in out.iterdir()) == ["broken.csv", "volumes", "volumes.csv"]
    assert main(["prepare", "ct", str(scans), str(out), *LINES, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["volumes"], said["kept"], len(said["broken"])) == (3, 3, 1)


def test_with_labels_it_is_a_cohort(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "fluid/p1.nii.gz", np.random.default_rng(0).integers(0, 3, (8, 10, 12)).astype(np.uint8))
    table = tmp_path / "labels.csv"
    table.write_text("id,nodule,fluid,split,mask:fluid\np0,1,0,train,\np1,0,1,val,fluid/p1.nii.gz#2\n")
    out = tmp_path / "out"
    words = ["prepare", "ct", str(scans), str(out), *LINES, "--labels", str(table), "--clip", "-900", "300"]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{out}: 3 volumes, a cohort of 2"
    cohort = read_cohort(out)
    assert (cohort.classes, cohort.units, cohort.value_range) == (("nodule", "fluid"), "HU", (-900, 300))
    assert [case.split for case in cohort.cases] == ["train", "val"]
    second = cohort.cases[1]
    values = read_volume(second.image).values
    assert (values.min() >= -900, values.max()) == (True, 300)
    assert read_mask(second.class_masks["fluid"], image=second.image).shape == (4, 5, 6)
    table.write_text("id,nodule\nq,1\n")
    assert main(words) == 2
    assert "none of the 1 ids of the labels, such as 'q', is a volume; those are p0" in capsys.readouterr().err


def test_a_cohort_of_phantoms_is_prepared_with_masks_and_variants(tmp_path: Path) -> None:
    source, out = tmp_path / "raw", tmp_path / "out"
    assert main(["prepare", "phantoms", str(source), "--ct", "-q", "--size", "32", "--counts", "val=2"]) == 0
    assert main(["prepare", "ct", str(source), str(out), "--spacing", "9", "9", "9", "-q", "--jobs", "1"]) == 0
    raw, made = read_cohort(source), read_cohort(out)
    assert made.classes == raw.classes
    assert made.value_range == (-1000, 1000)
    for before, after in zip(raw.cases, made.cases, strict=True):
        for name in ("id", "label", "split", "about", "patient", "source"):
            assert getattr(after, name) == getattr(before, name)
        shape = read_array(after.image, "ct").shape
        assert set(after.variants) == {"off", "swapped"}
        assert read_volume(after.variants["off"]).values.shape == shape
        assert before.mask is not None
        assert after.mask is not None
        old, new = (read_mask(each.mask, image=each.image) for each in (before, after))
        assert new.shape == shape
        assert new.mean() == pytest.approx(old.mean(), rel=0.2)
        assert after.class_masks.keys() == before.class_masks.keys()


def test_shards_share_the_work_and_the_command_without_them_writes_the_tables(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for shard in ("1/2", "2/2"):
        assert main(["prepare", "ct", str(scans), str(out), *LINES, "--shard", shard]) == 0
    assert not (out / "volumes.csv").exists()
    assert [row[0] for row in cells(out / "volumes-1-of-2.csv")[1:]] == ["p0", "p2"]
    assert [row[0] for row in cells(out / "broken-2-of-2.csv")[1:]] == ["seg.nii.gz"]
    capsys.readouterr()
    assert main(["prepare", "ct", str(scans), str(out), *LINES, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 3
    assert len(cells(out / "volumes.csv")) == 4


def test_ctrl_c_leaves_what_the_same_command_goes_on_with(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sightline.data.volumes import prepare_many

    whole: Callable[..., object] = prepare_many.prepare_volume

    def interrupted(job: object) -> object:
        if "p1" in str(job):
            raise KeyboardInterrupt
        return whole(job)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(prepare_many, "prepare_volume", interrupted)
        assert main(["prepare", "ct", str(scans), str(out), *LINES]) == 130
    assert capsys.readouterr().err == "error: stopped; the same command continues\n"
    assert [path.name for path in out.rglob("*.zarr")] == ["p0.zarr"]
    assert main(["prepare", "ct", str(scans), str(out), *LINES, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "error: no folder nowhere; give a folder of DICOM series or NIfTI files, or a cohort"),
        (["empty"], "error: empty: no DICOM series, NIfTI files or .zarr volumes in it"),
        (["scans", "--jobs", "0"], "error: --jobs must be at least 1, got 0"),
        (["scans", "--shard", "two"], "error: --shard must look like 1/3, got 'two'"),
        (["scans", "--shard", "3/2"], "error: shard must be I/N with 1 <= I <= N, got 3/2"),
        (["scans", "--spacing", "1", "1", "0"], "error: spacing must be three lengths above 0 mm, got [1.0, 1.0, 0.0]"),
        (["scans", "--clip", "5", "1"], "error: clip must be two growing HU between -32767 and 32767, got [5, 1]"),
        (["scans", "--labels", "no.csv"], "error: no table of labels at no.csv"),
        (
            ["scans/seg.nii.gz", "--jobs", "1"],
            "error: none of 1 can be used, see broken.csv; the first: seg.nii.gz",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(scans.parent)
    (scans.parent / "empty").mkdir()
    assert main(["prepare", "ct", words[0], "out", *words[1:], "-q"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert not (scans.parent / "out/volumes").exists()


def test_a_disk_that_is_full_fails_the_run(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/volumes").write_text("a file in its place")
    assert main(["prepare", "ct", str(scans), str(tmp_path / "out"), *LINES]) == 1
    assert "p0.zarr cannot be written (" in capsys.readouterr().err


def test_help_loads_neither_torch_nor_numpy() -> None:
    code = "from sightline.cli.main import main; main(['prepare', 'ct', '--help'])"
    check = f"{code}\nimport sys\nassert not {{'torch', 'numpy', 'scipy'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
