from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("highdicom", reason="highdicom is not installed (extra 'dicom')")

from sightline.data import Preprocessing
from sightline.data.volume_input import VolumeInput
from sightline.reporting.dicom import Maker, Result, Source, open_source, placed_result

from .made import ct_series, radiograph, save, turned

SEEN = Preprocessing(size=48, channels=1)
SEEN_VOLUME = VolumeInput(shape=(10, 40, 24), spacing_mm=(4.0, 2.0, 2.0))
PROBABILITIES = {"normal": 0.2, "pneumonia": 0.7, "Größe 病": 0.1}


@pytest.fixture(scope="session")
def maker() -> Maker:
    asked = {"options": {"epsilon": 0.01}}
    return Maker("isnet", "resnet18", "0123456789abcdef" * 4, "lrp", asked)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A radiograph that is stored with its patient's left on the left."""
    made = turned(radiograph(), ("R", "F"))
    return open_source(save(made, tmp_path_factory.mktemp("film") / "film.dcm"))


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A series of twelve slices."""
    return open_source(ct_series(tmp_path_factory.mktemp("series") / "ct"))


def drawn_map(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """A smooth map of both signs."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 2).astype(np.float32)


@pytest.fixture(scope="session")
def film_result(film: Source) -> Result:
    allowed = np.zeros((48, 48), np.float32)
    allowed[10:30, 12:30] = 1
    return placed_result(
        drawn_map((48, 48)),
        film,
        SEEN,
        target="pneumonia",
        probabilities=PROBABILITIES,
        allowed=allowed,
        relevance_inside=0.4,
    )


@pytest.fixture(scope="session")
def series_result(series: Source) -> Result:
    return placed_result(drawn_map((10, 40, 24)), series, SEEN_VOLUME, target="Größe 病", probabilities=PROBABILITIES)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "written.dcm"
