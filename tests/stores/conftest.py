"""Stores that tests own: one in memory, an S3 server on this machine, and an empty cache folder."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.stores import asking, fetching, room

from ..data.volumes.conftest import noise, save_nifti, save_series

KEY, SECRET = "AKIATESTTESTTEST", "hush-this-is-secret"


@dataclass(frozen=True)
class Store:
    """A folder of a store.

    Attributes:
        url: its address.
        system: the file system it is in.
    """

    url: str
    system: Any

    def write(self, name: str, content: bytes) -> str:
        """Write a file, and return its address."""
        self.system.pipe_file(f"{self.url}/{name}", content)
        return f"{self.url}/{name}"

    def put(self, folder: Path) -> "Store":
        """Write all files of a folder."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.write(file.relative_to(folder).as_posix(), file.read_bytes())
        return self

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.system.rm_file(f"{self.url}/{name}")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and stores that are asked again at once."""
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SIGHTLINE_CACHE_GIB", raising=False)
    monkeypatch.setattr(asking, "WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(fetching, "_lists", {})
    monkeypatch.setattr(room, "_KEPT_S", 0.0)
    monkeypatch.setattr(room, "_TOUCH_S", 0.0)
    return tmp_path / "cache" / "stores"


@pytest.fixture
def memory() -> Store:
    """A folder in memory."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    return Store(f"memory://{uuid.uuid4().hex}/films", fsspec.filesystem("memory"))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """An S3 server on a free port."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    made = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """A folder of a new bucket; who we are is read from the environment, as botocore does."""
    import s3fs

    (tmp_path / "none").write_text("")
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem(use_listings_cache=False)
    bucket = f"bucket-{uuid.uuid4().hex}"
    system.mkdir(bucket)
    return Store(f"s3://{bucket}/films", system)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Twelve noise images of two classes with masks, in three splits, as a cohort on the disk."""
    folder = tmp_path / "here"
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    rows = ["image,label,split,mask"]
    for number, split in enumerate(["train"] * 6 + ["val"] * 4 + ["test"] * 2):
        pixels = generator.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        rows.append(f"images/{number}.png,{('ill', 'well')[number % 2]},{split},mask.png")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "cohort.yaml").write_text("task: binary\nclasses: [ill, well]\n", encoding="utf-8")
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A cohort of a series of slices with a mask and of a NIfTI file, on the disk."""
    folder = tmp_path / "scans"
    save_series(folder / "p0", noise())
    save_nifti(folder / "p1.nii.gz", noise(seed=1))
    save_nifti(folder / "mask.nii.gz", (noise() > 0).astype(np.uint8))
    rows = ["id,image,label,mask", "p0,p0,ill,", "p1,p1.nii.gz,well,mask.nii.gz#1"]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder
