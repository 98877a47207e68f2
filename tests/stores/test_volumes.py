import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.data.readers import is_volume, read_volume
from sightline.errors import ServerError
from sightline.stores import fetching as fetching_module
from sightline.stores import files_under, mirrored, store_url

from ..data.volumes.conftest import noise, save_nifti
from .conftest import Store


def test_a_series_comes_whole_and_slices_that_were_removed_come_back(memory: Store, scans: Path) -> None:
    series = mirrored(f"{memory.put(scans).url}/p0")
    assert is_volume(series, name="p0")
    there = read_volume(series)
    assert np.array_equal(there.values, read_volume(scans / "p0").values)
    for slice_file in sorted(series.iterdir())[::2]:
        slice_file.unlink()
    assert np.array_equal(read_volume(series).values, there.values)


def test_files_are_listed_without_being_fetched(memory: Store, scans: Path, cache: Path) -> None:
    folder = mirrored(memory.put(scans).url)
    found = {file.relative_to(folder) for file in files_under(folder)}
    assert found == {file.relative_to(scans) for file in files_under(scans)}
    assert len(found) > 10
    assert not list(cache.rglob("*.dcm"))
    assert files_under(folder / "p1.nii.gz") == [folder / "p1.nii.gz"]


def test_scans_in_a_store_are_prepared_as_those_on_the_disk(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--spacing", "2", "2", "2", "--jobs", "1", "-q", "--json"]
    url = f"file://{scans}"
    for source, out in ((url, "there"), (str(scans), "here")):
        assert main(["prepare", "ct", source, str(tmp_path / out), *words]) == 0
        assert json.loads(capsys.readouterr().out)["cases"] == 2
    there, here = read_cohort(tmp_path / "there"), read_cohort(tmp_path / "here")
    for one, other in zip(there.cases, here.cases, strict=True):
        assert store_url(one.image) is None
        assert np.array_equal(read_volume(one.image).values, read_volume(other.image).values)
        assert (one.mask is None) == (other.mask is None)

    shutil.rmtree(mirrored(url))
    assert main(["prepare", "ct", url, str(tmp_path / "there"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2
    assert [file.name for file in mirrored(url).rglob("*") if file.is_file()] == ["cohort.csv"]

    save_nifti(scans / "p1.nii.gz", noise(seed=2))
    fetching_module._lists.clear()
    assert main(["prepare", "ct", url, str(tmp_path / "there"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1


def test_a_store_that_is_away_breaks_no_volume(
    memory: Store, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.data.volumes import Preparation, plan_volumes
    from sightline.data.volumes.prepare import prepare_volume

    plan = plan_volumes(Path(memory.put(scans).url), tmp_path / "out", Preparation())

    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(type(memory.system), "get_file", away)
    with pytest.raises(ServerError):
        prepare_volume(plan.jobs[0])


@pytest.mark.parametrize(
    "words",
    [["train", "-c", "plain", "data.cohort=x", "--out", "s3://b/run"], ["audit", "run", "--out", "s3://b/audit"]],
)
def test_results_are_not_written_to_a_store(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "results are written to the disk, not to s3://b/" in capsys.readouterr().err
    assert not (tmp_path / "s3:").exists()
