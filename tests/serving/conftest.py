import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.answering import Answerer
from sightline.data import DataSettings, Preprocessing
from sightline.data.phantoms import make_phantom_cohort
from sightline.models import ModelSettings, build_model, save_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings
from sightline.yaml12 import dump

for name in ("fastapi", "uvicorn", "python_multipart", "httpx"):
    pytest.importorskip(name)

from starlette.testclient import TestClient  # noqa: E402 - only where it is installed

from sightline.serving import Limits, make_app  # noqa: E402

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended with the weights that a model is born with."""
    folder = tmp_path_factory.mktemp("serving")
    make_phantom_cohort(folder / "cohort", size=32, counts={"train": 3, "test": 6})
    settings = TrainSettings(
        DataSettings(folder / "cohort", Preprocessing(size=32, channels=1)),
        name="plain",
        model=ModelSettings("resnet18", in_channels=1, width=4),
    )
    made = RunFolder.create(folder / "run")
    write_text(made.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=3, seed=3), made.weights)
    return made.path


@pytest.fixture(scope="session")
def answerer(run: Path) -> Answerer:
    return Answerer.open(run)


@pytest.fixture(scope="session")
def files(run: Path) -> list[Path]:
    """Six phantoms."""
    return sorted((run.parent / "cohort" / "images").glob("*.png"))[:6]


@pytest.fixture(scope="session")
def volume_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on volumes of 32 voxels a side."""
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "cohort").mkdir()
    (folder / "cohort" / "cohort.yaml").write_text("classes: [normal, nodule]\ntask: binary\nvalue_range: [0, 255]\n")
    (folder / "cohort" / "cohort.csv").write_text("image,label\na.npy,nodule\n")
    settings = TrainSettings(
        DataSettings(folder / "cohort", Preprocessing(size=32, channels=1, equalise=False)),
        name="cubes",
        model=ModelSettings("resnet18", in_channels=1, width=4, options={"dimensions": 3}),
    )
    made = RunFolder.create(folder / "run")
    write_text(made.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=2, seed=3), made.weights)
    return made.path


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., TestClient]]:
    """Starts services in this process; each lives until the session ends."""
    with ExitStack() as stack:

        def start(answerer: Answerer, *, token: str = "", hosts: Any = ("127.0.0.1",), **limits: Any) -> TestClient:
            methods = limits.pop("methods", ())
            made = Limits.of(answerer.axes, **({"readers": 1} | limits))
            app = make_app(answerer, limits=made, token=token, hosts=hosts, methods=methods)
            return stack.enter_context(TestClient(app, HERE, raise_server_exceptions=False))

        yield start


@pytest.fixture(scope="session")
def client(start: Callable[..., TestClient], answerer: Answerer) -> TestClient:
    """A service with little room, so that its limits are cheap to reach."""
    return start(answerer, max_bytes=1 << 20, max_pixels=1 << 20, max_files=3)


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Makes pictures."""

    def png(height: int = 40, width: int = 32, form: str = "PNG", seed: int = 0) -> bytes:
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
        Image.fromarray(pixels).save(file, form)
        return file.getvalue()

    return png


@pytest.fixture
def npy() -> Callable[..., bytes]:
    """Makes arrays."""

    def npy(array: Any, *, pickled: bool = False) -> bytes:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=pickled)
        return file.getvalue()

    return npy


PROGRAM = """
import json, sys
from pathlib import Path
from sightline.answering import Answerer
from sightline.serving import Limits, make_app, serve
from sightline.serving.server import listen

if __name__ == "__main__":
    limits = Limits(max_bytes=1 << 20, max_pixels=1 << 20, readers=1, **json.loads(sys.argv[2]))
    app = make_app(Answerer.open(Path(sys.argv[1])), limits=limits, methods=["lrp", "saliency", "rise"])
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    sys.exit(serve(app, listener, limits, began=lambda: print(port, flush=True)))
"""


@contextmanager
def server_of(run: Path, **limits: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service in a process of its own: its address, and the process."""
    words = [sys.executable, "-c", PROGRAM, str(run), json.dumps(limits)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdecimal(), process.communicate()[1]
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="session")
def server(run: Path) -> Iterator[str]:
    """Address of a service that loses patience with headers after a second."""
    with server_of(run, timeout_s=60.0, header_s=1.0) as (url, _):
        yield url
