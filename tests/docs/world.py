"""What pages take for granted, made tiny: runs, cohorts, images, and the names that a snippet goes on from."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from sightline.cli.main import main

from ..data.test_cohort_recipes import make_chexpert, make_montgomery, make_shenzhen, make_tb_portals
from ..reporting.dicom.made import radiograph, save

TINY = ("epochs=1", "data.batch_size=8", "data.preprocessing.size=32")
TINY_MODEL = ("data.preprocessing.channels=1", "model.name=resnet18", "model.in_channels=1", "model.width=4")
COUNTS = ("--counts", "train=12,val=3,test=6,ood=3")


def make_world(folder: Path) -> Path:
    """The runs of a demo of seconds, also under the names that the pages give runs, and images of one's own."""
    assert main(["prepare", "phantoms", "-q", "demo/cohort", "--size", "32", *COUNTS]) == 0
    for recipe, name in (("plain", "plain"), ("isnet-stochastic", "isnet")):
        words = ["-c", recipe, "data.cohort=demo/cohort", f"name={name}", *TINY, *TINY_MODEL]
        assert main(["train", "-q", "--out", f"demo/{name}", *words]) == 0
    assert (
        main(["evaluate", "-q", "demo/plain", "demo/isnet", "--split", "test", "--bias", "on", "--explain", "3"]) == 0
    )
    for name in ("plain", "isnet"):
        shutil.copytree(folder / "demo" / name, folder / "runs" / name)
    shutil.copytree(folder / "demo/cohort", folder / "cohort")
    film = next((folder / "demo/cohort").rglob("*.png"))
    shutil.copy(film, folder / "scan.png")
    save(radiograph(), folder / "scan.dcm")
    save(radiograph(), folder / "folder" / "film.dcm")
    draw = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for number, label in enumerate(("normal", "pneumonia") * 15):
        name = f"{label}/{'abcdefghijklmno'[number // 2]}{label}_{number}.png"
        for kind, pixels in (("my-xrays", draw.integers(0, 256, (32, 32)).astype(np.uint8)), ("my-xrays/masks", mask)):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / name)
    return folder


def _data_sets(_: Path) -> dict[str, Any]:
    for make, name in (
        (make_chexpert, "CheXpert-v1.0"),
        (make_tb_portals, "TB"),
        (make_montgomery, "MontgomerySet"),
        (make_shenzhen, "ChinaSet_AllFiles"),
    ):
        make(Path(name))
    return {}


def _export(_: Path) -> dict[str, Any]:
    return {"images": torch.rand(2, 1, 32, 32)}


def _axialnet(_: Path) -> dict[str, Any]:
    from sightline.attribution import EveryClass, HiResCAM
    from sightline.models import axialnet

    model = axialnet(num_classes=2, size=(12, 32, 32), width=4, trunk_stages=2, padding=1)
    return {"HiResCAM": HiResCAM, "EveryClass": EveryClass, "model": model, "volumes": torch.rand(2, 1, 12, 32, 32)}


def _checks(folder: Path) -> dict[str, Any]:
    from sightline.data import read_cohort, split_by_patient
    from sightline.data.duplicates import find_copies

    cohort = read_cohort(folder / "demo/cohort")
    return {"cohort": cohort, "find_copies": find_copies, "split_by_patient": split_by_patient, "Path": Path}


def _heatmap_generators(_: Path) -> dict[str, Any]:
    from sightline.guidance import HeatmapGenerator
    from sightline.models import egd_unet

    images, gaze = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)
    model = egd_unet(num_classes=3, in_channels=1, width=4)
    return {"HeatmapGenerator": HeatmapGenerator, "model": model, "images": images, "labels": torch.tensor([0, 2])} | {
        "gaze": gaze
    }


def _map_supervision(_: Path) -> dict[str, Any]:
    from sightline.guidance import MapSupervision
    from sightline.types import Answer

    return {"MapSupervision": MapSupervision, "Answer": Answer}


def _organ_iou(folder: Path) -> dict[str, Any]:
    from sightline.models import axialnet
    from sightline.types import Batch

    volumes, regions = torch.rand(4, 1, 12, 32, 32), torch.zeros(4, 2, 12, 32, 32)
    regions[..., 8:24] = 1
    batch = Batch(volumes, torch.ones(4, 2), regions, ("a", "b", "c", "d"))
    model = axialnet(num_classes=2, size=(12, 32, 32), width=4, trunk_stages=2, padding=1)
    named = {
        "classes": ["nodule", "cardiomegaly"],
        "lung_findings": ["nodule"],
        "patients": dict.fromkeys("abcd", "x"),
    }
    return {"model": model, "validation": [batch], "test": [batch], "folder": folder / "organs"} | named


def _own_parts(folder: Path) -> dict[str, Any]:
    shutil.copytree(folder / "cohort", folder / "my-cohort")
    return {}


def _statistics(_: Path) -> dict[str, Any]:
    from sightline.metrics import Resampling, bootstrap, equivalent_within

    first, second = np.random.default_rng(0).random((2, 60)) < 0.8  # whether two models are right

    def difference(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {"macro_f1": (weights @ first - weights @ second) / weights.sum(1)}

    return {"difference": difference, "patients": [str(n // 2) for n in range(60)]} | {
        "bootstrap": bootstrap,
        "Resampling": Resampling,
        "equivalent_within": equivalent_within,
    }


NAMES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "docs/data_sets.md": _data_sets,
    "docs/export.md": _export,
    "docs/how_to/own_parts.md": _own_parts,
    "docs/methods/axialnet.md": _axialnet,
    "docs/methods/checks.md": _checks,
    "docs/methods/heatmap_generators.md": _heatmap_generators,
    "docs/methods/map_supervision.md": _map_supervision,
    "docs/methods/organ_iou.md": _organ_iou,
    "docs/methods/statistics.md": _statistics,
}
