"""Every long-running command on small phantom data, for `random_kills.py`."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

SETTINGS = ("epochs=2", "data.batch_size=6", "data.preprocessing.size=32", "model.name=resnet18", "model.width=4")
BUCKET = "kills"
STAGES = """
name: staged
stages:
  first: {epochs: 2}
  second: {epochs: 2, trains: [fc]}
"""


@dataclass(frozen=True)
class Work:
    """A command to kill.

    Attributes:
        name: in the table.
        words: of the command, given the folder that it makes.
        resume: the words that go on, where these are others.
        fetch: brings what lies elsewhere into the folder, to be looked at.
    """

    name: str
    words: Callable[[Path], list[str]]
    resume: Callable[[Path], list[str]] | None = None
    fetch: Callable[[Path], object] = lambda out: None

    def again(self, out: Path) -> list[str]:
        """Return what a user types now: --resume once the run has begun."""
        begun = (out / "config.yaml").is_file()
        return self.resume(out) if self.resume is not None and begun else self.words(out)


def works(data: Path) -> list[Work]:
    """Return the commands on the data that `prepare_data` made."""
    films, run = str(data / "films"), str(data / "run")
    tiny = [f"data.cohort={films}", *SETTINGS]
    demo = ["--counts", "train=12,val=6,test=6,ood=6", "epochs=1", "data.batch_size=6", "model.width=4"]
    masks = ["prepare", "masks", "train", films, "--epochs", "3", "--size", "32", "--batch-size", "4"]
    phantoms = ["--size", "48", "--counts", "train=40,val=10,test=10,ood=10"]
    downloads = ["--root", f"north={data / 'north'}", f"south={data / 'south'}"]
    scans = [str(data / "scans"), "--organs", "--labels", str(data / "labels.csv"), "--jobs", "2"]
    asked = ["--number", "9", "--method", "lrp", "occlusion", "--maps", "npy", "--sheet"]
    return [
        _resumed("train", "train", "-c", "isnet", "checkpoint_seconds=0", *tiny),
        _resumed("train, once an epoch", "train", "-c", "plain", *tiny),
        _resumed("train in stages", "train", "-c", str(data / "stages.yaml"), "checkpoint_seconds=0", *tiny),
        _again("compare", "compare", "plain", "isnet", *tiny),
        _again("tune", "tune", "-c", "isnet", *tiny, "--values", "0.3,0.7"),
        _again("audit", "audit", run, "--limit", "6"),
        _again("audit, 2 processes", "audit", run, "--limit", "6", "--jobs", "2"),
        Work("evaluate", lambda out: ["evaluate", _copy(data / "run", out), "--split", "test", "ood"]),
        _again("explain", "explain", run, *asked),
        _again("explain, 2 processes", "explain", run, *asked, "--batch-size", "2", "--jobs", "2"),
        _again("demo", "demo", *demo, "data.preprocessing.size=32"),
        Work("prepare phantoms", lambda out: ["prepare", "phantoms", str(out), *phantoms]),
        _again("prepare cohort", "prepare", "cohort", str(data / "recipe.yaml"), *downloads),
        _again("prepare from", "prepare", "from", "montgomery", str(data / "montgomery")),
        Work("prepare ct", lambda out: ["prepare", "ct", scans[0], str(out), *scans[1:]]),
        Work(
            "prepare ct, in a store",
            lambda out: ["prepare", "ct", scans[0], f"s3://{_in_store(out)}", *scans[1:]],
            None,
            _fetch,
        ),
        _resumed("prepare masks train", *masks),
        _again("prepare masks apply", "prepare", "masks", "apply", str(data / "masks"), films, "--sheet", "4"),
    ]


def _again(name: str, *words: str) -> Work:
    """A command that goes on when it is given again."""
    return Work(name, lambda out: [*words, "--out", str(out)])


def _resumed(name: str, *words: str) -> Work:
    """A command that goes on with --resume."""
    return Work(name, lambda out: [*words, "--out", str(out)], lambda out: [*words, "--out", str(out), "--resume"])


def _in_store(out: Path) -> str:
    return f"{BUCKET}/{out.parent.name}"


def _fetch(out: Path) -> None:
    """Copy what lies in the store, in a process of its own, since the threads of its client do not outlive a fork."""
    words = f"import s3fs; s3fs.S3FileSystem().get({_in_store(out)!r}, {str(out)!r}, recursive=True)"
    subprocess.run([sys.executable, "-c", words], check=True)


@contextmanager
def store(place: Path) -> Iterator[None]:
    """Start an S3 server, name it in the environment, and make a bucket in it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none") | {"AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "SIGHTLINE_CACHE": str(place / "cache")}
    with (place / "store.log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", port], stdout=log, stderr=log)
        try:
            words = f"import s3fs; s3fs.S3FileSystem().mkdir({BUCKET!r})"
            for _ in range(30):
                time.sleep(1)
                if not subprocess.run([sys.executable, "-c", words], check=False, stderr=log).returncode:
                    break
            yield
        finally:
            server.terminate()
            server.wait()


def _copy(run: Path, out: Path) -> str:
    """Copy a run, into whose folder a command writes."""
    if not out.is_dir():
        shutil.copytree(run, out)
    return str(out)


def prepare_data(data: Path, run: Callable[[list[str]], Any]) -> None:
    """Make films, scans, downloads and trained classifiers to work on.

    Args:
        data: an empty folder.
        run: runs a command to its end.
    """
    counts = "train=12,val=6,test=6,ood=6"
    run(["prepare", "phantoms", "-q", str(data / "films"), "--size", "32", "--counts", counts])
    run(["train", "-q", "-c", "plain", f"data.cohort={data / 'films'}", *SETTINGS, "--out", str(data / "run")])
    masks = ["prepare", "masks", "train", str(data / "films"), "--epochs", "1", "--size", "32", "--out"]
    run([*masks, str(data / "masks"), "-q"])
    (data / "stages.yaml").write_text(STAGES)
    generator = np.random.default_rng(0)
    _write_downloads(data, generator)
    (data / "scans").mkdir()
    for number in range(6):
        body = generator.normal(-600, 60, (24, 32, 32)) + 640 * (np.indices((24, 32, 32))[1] % 20 < 6)
        scan = nibabel.Nifti1Image(np.clip(body, -1024, 800).astype(np.int16), np.diag([2.0, 2.0, 3.0, 1.0]))
        nibabel.save(scan, data / "scans" / f"s{number}.nii.gz")
    rows = [f"s{number},p{number},{number % 2},1+3\n" for number in range(6)]
    (data / "labels.csv").write_text("id,patient,nodule,organs:nodule\n" + "".join(rows))


def _write_downloads(data: Path, generator: np.random.Generator) -> None:
    """Write two data sets of class folders with a recipe, and one with masks of both lungs."""
    for name, classes in {"north": ("well", "ill"), "south": ("ill",)}.items():
        for number in range(30):
            file = data / name / classes[number % len(classes)] / f"p{number // 2}_{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 255, (24, 24), dtype=np.uint8)).save(file)
    (data / "recipe.yaml").write_text(
        "title: two folders\ntask: binary\nclasses: [well, ill]\nsources:\n"
        '  north: {adapter: class_folders, options: {patient: "^(p[0-9]+)"}, classes: {well: [well], ill: [ill]}, '
        "split: {train: 0.5, test: 0.5}}\n"
        "  south: {adapter: class_folders, classes: {ill: [ill]}, split: ood}\n"
    )
    root = data / "montgomery"
    for folder in ("CXR_png", "ClinicalReadings", "ManualMask/leftMask", "ManualMask/rightMask"):
        (root / folder).mkdir(parents=True)
    for number in range(30):
        name = f"MCUCXR_{number:04}_{number % 2}"
        Image.fromarray(generator.integers(0, 255, (24, 20), dtype=np.uint8)).save(root / "CXR_png" / f"{name}.png")
        for side, columns in (("left", slice(11, 18)), ("right", slice(2, 9))):
            mask = np.zeros((24, 20), np.uint8)
            mask[4:20, columns] = 255
            Image.fromarray(mask).save(root / "ManualMask" / f"{side}Mask" / f"{name}.png")
        (root / "ClinicalReadings" / f"{name}.txt").write_text("Patient's Sex: F\nPatient's Age: 027Y\nnormal\n")
