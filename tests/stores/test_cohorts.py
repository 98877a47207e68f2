import json
import shutil
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from sightline.cli.main import main
from sightline.data import Preprocessing, batches, check_cohort, read_cohort, write_cohort
from sightline.data.check import readable_cases
from sightline.data.duplicates import find_copies
from sightline.data.gaze_files import read_gaze
from sightline.data.readers import read_mask, read_pixels, read_unit, read_volume
from sightline.errors import DataNotFoundError, ServerError, SettingsError
from sightline.stores import asking, mirrored

from ..reporting.dicom.made import radiograph, save
from .conftest import KEY, SECRET, Store

SMALL = ["epochs=1", "data.batch_size=4", "data.preprocessing.size=32", "model.name=resnet18", "model.width=4"]


def drawn(folder: Path, *, workers: int = 0) -> list[torch.Tensor]:
    """Images and regions of a cohort in batches."""
    made = batches(read_cohort(folder), Preprocessing(size=32, channels=1), batch_size=5, seed=3, workers=workers)
    return [tensor for batch in made for tensor in (batch.images, batch.labels, batch.regions)]


def equal(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(some) == len(others) > 0 and all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("workers", [0, 3])
def test_batches_are_those_of_the_folder_to_the_bit(memory: Store, films: Path, workers: int) -> None:
    assert equal(drawn(Path(memory.put(films).url), workers=workers), drawn(films))


def test_reading_the_table_fetches_no_image(memory: Store, films: Path, cache: Path) -> None:
    cohort = read_cohort(Path(memory.put(films).url))
    assert cohort.classes == ("ill", "well")
    assert len(cohort.cases) == 12
    assert not list(cache.rglob("*.png"))
    assert cohort.name(cohort.cases[0].image) == "images/0.png"


def test_a_table_is_read_by_its_own_address_as_well(memory: Store, films: Path) -> None:
    store = memory.put(films)
    assert read_cohort(Path(f"{store.url}/cohort.csv")) == read_cohort(Path(store.url))


def test_a_changed_table_is_read_anew(memory: Store, films: Path) -> None:
    store = memory.put(films)
    assert len(read_cohort(Path(store.url)).cases) == 12
    table = (films / "cohort.csv").read_text().splitlines()
    store.write("cohort.csv", "\n".join(table[:-1]).encode())
    assert len(read_cohort(Path(store.url)).cases) == 11
    store.write("cohort.yaml", b"task: binary\nclasses: [well, ill]\n")
    assert read_cohort(Path(store.url)).classes == ("well", "ill")
    store.remove("cohort.yaml")
    assert read_cohort(Path(store.url)).task == "multiclass"


def test_folders_of_classes_are_refused_in_words(memory: Store) -> None:
    memory.write("ill/0.png", b"")
    with pytest.raises(DataNotFoundError, match=r"no cohort at memory://.*has no cohort.csv there; folders of classes"):
        read_cohort(Path(memory.url))


def test_a_file_that_the_store_lacks_is_found_before_a_run(memory: Store, films: Path) -> None:
    store = memory.put(films)
    store.remove("images/3.png")
    cohort = read_cohort(Path(store.url))
    for pixels in (False, True):
        (problem,) = check_cohort(cohort, pixels=pixels)
        assert problem.what == "images/3.png: no such file"
    left, problems = readable_cases(cohort)
    assert len(left.cases) == 11
    assert len(problems) == 1
    with pytest.raises(DataNotFoundError, match=rf"{store.url}/images/3.png: the store has no such file"):
        drawn(Path(store.url))


def test_a_store_that_is_away_does_not_cost_cases(memory: Store, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = read_cohort(Path(memory.put(films).url))

    def away(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(type(memory.system), "get_file", away)
    with pytest.raises(ServerError, match="no answer from the store"):
        readable_cases(cohort)


def test_copies_are_found_and_kept_in_mind(memory: Store, films: Path, tmp_path: Path) -> None:
    shutil.copy(films / "images" / "0.png", films / "images" / "11.png")
    store = memory.put(films)
    cohort = read_cohort(Path(store.url))
    (copy,) = find_copies(cohort, store=tmp_path / "marks.sqlite")
    assert {copy.first, copy.second} == {"images/0.png", "images/11.png"}
    shutil.rmtree(mirrored(store.url) / "images")
    assert find_copies(cohort, store=tmp_path / "marks.sqlite") == [copy]
    assert not (mirrored(store.url) / "images").exists()


def test_a_table_here_may_name_files_there(memory: Store, films: Path, tmp_path: Path) -> None:
    store = memory.put(films)
    cohort = read_cohort(Path(store.url))
    write_cohort(cohort, tmp_path / "table")
    assert f"{store.url}/images/0.png" in (tmp_path / "table" / "cohort.csv").read_text()
    again = read_cohort(tmp_path / "table")
    assert [case.image for case in again.cases] == [case.image for case in cohort.cases]
    assert again.name(again.cases[0].image) == f"{store.url}/images/0.png"
    assert equal(drawn(tmp_path / "table"), drawn(films))


def test_a_table_with_a_secret_is_refused(films: Path) -> None:
    table = films / "cohort.csv"
    table.write_text(table.read_text().replace("images/0.png", "https://me:hush@host/0.png"))
    with pytest.raises(SettingsError) as refused:
        read_cohort(films)
    assert "hush" not in str(refused.value)


def test_volumes_and_their_parts_come_from_a_store(memory: Store, tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    np.savez(tmp_path / "scans.npz", chest=values, mask=values > 30)
    scans = mirrored(memory.write("scans.npz", (tmp_path / "scans.npz").read_bytes()))
    assert np.array_equal(read_volume(scans.with_name("scans.npz#chest")).values, values)
    assert np.array_equal(read_mask(scans.with_name("scans.npz#mask")) > 0, values > 30)


def test_prepared_volumes_come_from_a_store(memory: Store, tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="zarr is not installed")
    from sightline.data.volumes.store import write_store

    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    organs = (values > 30).astype(np.uint8)
    write_store(tmp_path / "here" / "p1.zarr", values, organs=organs, spacing_mm=(1.0, 1.0, 1.0), affine=np.eye(4))
    memory.put(tmp_path / "here")
    scan = mirrored(f"{memory.url}/p1.zarr")
    assert np.array_equal(read_volume(scan).values, values.astype(np.float32))
    assert np.array_equal(read_mask(scan.with_name("p1.zarr#1")), values > 30)


def test_gaze_and_masks_of_every_kind_come_from_a_store(memory: Store, tmp_path: Path) -> None:
    table = "start,duration,x,y\n0.5,0.25,10.5,3\n"
    gaze = read_gaze(mirrored(memory.write("gaze.csv", table.encode())), (32, 32))
    assert (gaze.x.tolist(), gaze.y.tolist()) == ([10.5], [3.0])
    points = {"label": "lung", "shape_type": "rectangle", "points": [[4, 4], [8, 10]]}
    outline = {"shapes": [points], "imageHeight": 32, "imageWidth": 32}
    file = mirrored(memory.write("film.json", json.dumps(outline).encode()))
    assert read_mask(file.with_name("film.json#lung")).sum() == 24
    radiograph_file = save(radiograph(), tmp_path / "film.dcm")
    film = mirrored(memory.write("film", radiograph_file.read_bytes()))
    assert np.array_equal(read_unit(film), read_unit(radiograph_file))


def test_a_server_of_files_is_a_store(films: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    (films / "images" / "11.png").unlink()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(films))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            cohort = read_cohort(Path(f"http://127.0.0.1:{server.server_port}"))
            assert read_pixels(cohort.cases[0].image).shape == (32, 32)
            assert [problem.what for problem in check_cohort(cohort, pixels=False)] == ["images/11.png: no such file"]
        finally:
            server.shutdown()
            thread.join()


def test_a_split_of_a_store_names_its_files(
    memory: Store, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = memory.put(films).url
    assert main(["prepare", "split", "-q", url, "--out", str(tmp_path / "split")]) == 0
    assert f"{url}/images/0.png" in (tmp_path / "split" / "cohort.csv").read_text()
    capsys.readouterr()
    assert main(["prepare", "check", "-q", str(tmp_path / "split"), "--json"]) in (0, 3)
    assert "no such file" not in capsys.readouterr().out


def trained(cohort: str, out: Path) -> Path:
    assert main(["train", "-q", "-c", "plain", "--out", str(out), f"data.cohort={cohort}", *SMALL]) == 0
    return out


def test_a_run_from_s3_is_that_of_the_folder(
    s3: Store, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = s3.put(films).url
    there, here = trained(url, tmp_path / "there"), trained(str(films), tmp_path / "local")
    assert (there / "model.safetensors").read_bytes() == (here / "model.safetensors").read_bytes()
    assert yaml.safe_load((there / "config.yaml").read_text())["data"]["cohort"] == url
    shutil.rmtree(mirrored(url))
    for words in (["evaluate", "-q", str(there)], ["explain", "-q", str(there), "--number", "1"]):
        assert main(words) == 0
    assert main(["audit", "-q", str(there), url]) in (0, 3)
    capsys.readouterr()
    assert main(["prepare", "check", "-q", url, "--json"]) in (0, 3)
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert main(["train", "-q", "-c", str(there / "config.yaml"), "--print-config"]) == 0
    assert f"cohort: {url}" in capsys.readouterr().out
    for file in [*there.rglob("*"), *mirrored(url).rglob("*")]:
        if file.is_file():
            assert not [word for word in (KEY, SECRET) if word.encode() in file.read_bytes()]


def test_a_bucket_may_be_the_folder(s3: Store, films: Path) -> None:
    (films / "images" / "3.png").unlink()
    for file in (films / "images").iterdir():
        shutil.move(file, films)
    (films / "cohort.csv").write_text((films / "cohort.csv").read_text().replace("images/", ""))
    bucket = Store(s3.url.rpartition("/")[0], s3.system).put(films)
    cohort = read_cohort(Path(bucket.url))
    assert [problem.what for problem in check_cohort(cohort, pixels=False)] == ["3.png: no such file"]
    assert read_pixels(cohort.cases[0].image).shape == (32, 32)


class Items:
    """Images of a cohort, one an item, for the processes of a loader."""

    def __init__(self, folder: Path) -> None:
        self.cohort = read_cohort(folder)

    def __len__(self) -> int:
        return len(self.cohort.cases)

    def __getitem__(self, index: int) -> torch.Tensor:
        case = self.cohort.cases[index]
        one = replace(self.cohort, cases=(case,))
        (batch,) = batches(one, Preprocessing(size=32, channels=1), batch_size=1, seed=None)
        return batch.images[0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_processes_of_a_loader_fetch_for_themselves(s3: Store, films: Path) -> None:
    items = Items(Path(s3.put(films).url))
    items[0]  # this process has spoken with the store before it forks
    found = list(DataLoader(items, batch_size=4, num_workers=2))  # type: ignore[arg-type]
    assert equal(found, list(DataLoader(Items(films), batch_size=4)))  # type: ignore[arg-type]


def test_what_is_away_is_told_in_one_line(
    s3: Store, films: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "WAITS_S", ())
    assert main(["prepare", "check", f"{s3.url}/none"]) == 2
    assert f"no cohort at {s3.url}/none: the store has no cohort.csv there" in capsys.readouterr().err
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    assert main(["prepare", "check", s3.url]) == 1
    told = capsys.readouterr().err
    assert f"{s3.url}/cohort.csv: no answer from the store" in told
    assert "Traceback" not in told
    assert KEY not in told
    assert SECRET not in told


def test_a_secret_in_an_address_is_in_no_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://me:hush@host/films?sig=hush2"
    for words in (
        ["prepare", "check", url],
        ["train", "-c", "plain", f"data.cohort={url}", "--out", str(tmp_path / "run")],
        ["train", "-c", "plain", f"data.cohort={url}", "--print-config", "epochs=none"],
        ["audit", "model.pt", url],
    ):
        assert main(words) == 2
        told = capsys.readouterr()
        assert "must not be an address with a password" in told.err
        assert "hush" not in told.err + told.out
    assert not (tmp_path / "run").exists()
