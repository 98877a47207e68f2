"""Where images, labels and regions are found in batches of others."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from sightline.errors import DataError
from sightline.integrations.reading import checked, read_batch
from sightline.types import Batch

IMAGES, LABELS, REGIONS = torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), torch.ones(2, 1, 4, 4)


@pytest.mark.parametrize(
    "batch",
    [
        (IMAGES, LABELS, REGIONS),
        [IMAGES, LABELS, REGIONS, "names"],
        {"regions": REGIONS, "labels": LABELS, "images": IMAGES, "id": 3},
        {"image": IMAGES, "label": LABELS, "region": REGIONS},
        {"pixel_values": IMAGES, "labels": LABELS, "regions": REGIONS},
        Batch(IMAGES, LABELS, REGIONS, ("a", "b")),
    ],
)
def test_batches_as_most_loaders_make_them(batch: Any) -> None:
    found = read_batch(batch)
    assert [one is other for one, other in zip(found, (IMAGES, LABELS, REGIONS), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ((IMAGES, LABELS), r"got a tuple of 2; add the regions \(NaN where unknown\), or say with `read`"),
        (IMAGES, "got a Tensor; add the regions"),
        ({"image": IMAGES, "label": LABELS}, "must hold regions as 'regions' or 'region', got image, label; add them"),
        ({}, "must hold images as 'images' or 'image' or 'pixel_values', got nothing"),
        ((IMAGES, LABELS, None), "must be tensors, got Tensor, Tensor, NoneType"),
    ],
)
def test_what_is_missing_is_told_in_one_line(batch: Any, words: str) -> None:
    with pytest.raises(DataError, match=words) as told:
        read_batch(batch)
    assert "\n" not in str(told.value)


def test_two_parts_of_a_reader_of_the_users_are_too_few() -> None:
    with pytest.raises(DataError, match="must be tensors, got Tensor, Tensor"):
        checked((IMAGES, LABELS))


def test_nothing_of_others_is_imported_before_it_is_wanted() -> None:
    others = "{'lightning', 'pytorch_lightning', 'monai', 'ignite', 'transformers', 'accelerate', 'torchvision'}"
    code = f"import sys, sightline.integrations.huggingface; assert not {others} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_package_that_is_missing_is_named() -> None:
    code = """
import importlib, sys
from sightline.errors import MissingExtraError
for module, gone in (("lightning", "lightning"), ("pytorch_lightning", "pytorch_lightning"), ("monai", "ignite")):
    sys.modules[gone] = None
    try:
        importlib.import_module(f"sightline.integrations.{module}")
    except MissingExtraError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    named = ("sightline[lightning]", "pip install pytorch-lightning", "sightline[monai]")
    assert len(told) == len(named)
    assert all(words in line for words, line in zip(named, told, strict=True))
