"""A view of tiny phantoms: two small networks with evaluations, made without training, and a desk to ask."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the page needs the extra serve")

from fastapi.testclient import TestClient

from sightline.comparing import Condition, evaluate_run
from sightline.data import DataSettings, Preprocessing, VolumeInput, read_cohort
from sightline.evaluation import EvaluationSettings
from sightline.metrics.resampling import Resampling
from sightline.models import ModelSettings, build_model, save_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings, open_run
from sightline.viewer import Reviews, open_view
from sightline.viewer.app import create_app
from sightline.viewer.desk import Desk
from sightline.viewer.maps import MapStore
from sightline.viewer.uploads import Uploads
from sightline.yaml12 import dump

CLASSES = ("normal", "effusion")
SIDE = 24


def write_run(folder: Path, settings: TrainSettings, classes: int, seed: int) -> tuple[TrainSettings, RunFolder]:
    """A run that ended with the weights that a model is born with."""
    run = RunFolder.create(folder)
    write_text(run.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=classes, seed=seed), run.weights)
    return settings, run


def write_images(folder: Path) -> Path:
    """Nine images of two classes: a bright square in the region, gaze on one of them, a name that is markup."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    rows = ["id,image,label,patient,source,split,mask,gaze,age"]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[6:18, 4:20] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "gaze.csv").write_text("x,y,start,duration\n12,12,0,0.5\n6,6,0.6,0.2\n")
    for index in range(9):
        pixels = draw.integers(0, 90, (SIDE, SIDE)).astype(np.uint8)
        pixels[8:14, 8:14] += np.uint8(100 * (index % 2))
        Image.fromarray(pixels).save(folder / f"{index}.png")
        name = "<b>bold</b>" if index == 3 else f"case-{index}"
        split = "train" if index < 2 else "test"
        gaze = "gaze.csv" if index == 4 else ""
        source = "north" if index % 3 else "south"
        rows.append(
            f"{name},{index}.png,{CLASSES[index % 2]},p{index // 2},{source},{split},mask.png,{gaze},{50 + index}"
        )
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    (folder / "cohort.yaml").write_text("task: multiclass\nclasses: [normal, effusion]\nvalue_range: [0, 255]\n")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cohort of images and two runs, both evaluated on its test split."""
    folder = tmp_path_factory.mktemp("viewer")
    cohort = read_cohort(write_images(folder / "cohort"))
    steps = Preprocessing(size=SIDE, channels=1, equalise=False)
    for seed, name in enumerate(("plain", "isnet")):
        settings = TrainSettings(
            DataSettings(folder / "cohort", steps, batch_size=4),
            name=name,
            model=ModelSettings("resnet18", in_channels=1, width=4),
        )
        written = write_run(folder / name, settings, 2, seed)
        short = EvaluationSettings(resampling=Resampling(resamples=10))
        evaluate_run(*written, [Condition("test")], cohort=cohort, evaluation=short)
    return folder


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cohort of two volumes and a run of an AxialNet."""
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "cohort").mkdir()
    draw = np.random.default_rng(0)
    for index in range(2):
        values = draw.normal(-600, 100, (24, 48, 48)).astype(np.float32)
        values[10:14, 20:28, 20:28] = 300
        np.save(folder / "cohort" / f"{index}.npy", values)
    mask = np.zeros((24, 48, 48), np.uint8)
    mask[10:14, 20:28, 20:28] = 1
    np.save(folder / "cohort" / "mask.npy", mask)
    rows = ["id,image,split,nodule,effusion,mask:nodule", "scan-0,0.npy,test,1,0,mask.npy", "scan-1,1.npy,test,0,,"]
    (folder / "cohort" / "cohort.csv").write_text("\n".join(rows) + "\n")
    head = "task: multilabel\nclasses: [nodule, effusion]\nvalue_range: [-1000, 800]\nunits: HU\n"
    (folder / "cohort" / "cohort.yaml").write_text(head)
    size = [24, 48, 48]
    settings = TrainSettings(
        DataSettings(folder / "cohort", batch_size=1, volume=VolumeInput(shape=(24, 48, 48), augmentation=None)),
        name="axialnet",
        model=ModelSettings(
            "axialnet", in_channels=1, width=8, options={"size": size, "trunk_stages": 3, "padding": 1}
        ),
    )
    write_run(folder / "axialnet", settings, 2, 0)
    return folder


Opener = Callable[..., Desk]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Opener]:
    """Opens a desk over runs of a folder, or over its cohort alone; marks and maps go to a place of their own."""
    opened: list[Desk] = []

    def make(folder: Path, *names: str, **uploads: int) -> Desk:
        runs = {name: open_run(folder / name) for name in names}
        view = open_view(runs, read_cohort(folder / "cohort"))
        reviews = Reviews(tmp_path / "reviews.sqlite")
        stores = {name: MapStore(tmp_path / "maps" / name) for name in names}
        opened.append(Desk(view, Uploads(**uploads), dict.fromkeys(names or ("",), reviews), stores))
        return opened[-1]

    yield make
    for desk in opened:
        desk.close()


@pytest.fixture
def desk(images: Path, open_desk: Opener) -> Desk:
    """A desk over both runs of the images."""
    return open_desk(images, "plain", "isnet", most_bytes=200_000, most_pixels=500_000)


@pytest.fixture
def client_of() -> Callable[[Desk], TestClient]:
    """Makes a client that names the host as a browser does."""
    return lambda desk: TestClient(create_app(desk, hosts=frozenset({"localhost"})), base_url="http://localhost")


@pytest.fixture
def client(desk: Desk, client_of: Callable[[Desk], TestClient]) -> TestClient:
    """A client of the page over both runs."""
    return client_of(desk)
