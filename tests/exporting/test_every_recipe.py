"""Every recipe's classifier leaves as an ordinary file that answers as it does."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.cli.settings import read_settings, recipe_names
from sightline.data import Cohort
from sightline.exporting.agreement import Agreement, check_agreement
from sightline.exporting.of_run import classifier_of
from sightline.exporting.onnx_file import ask_onnx, save_onnx
from sightline.exporting.program import save_program, trace
from sightline.models import Classifier, build_model, open_classifier, save_classifier
from sightline.models.exported import exported_program
from sightline.training import TrainSettings

CLASSES = ("none", "one", "several")
RECIPES = [name for name in recipe_names() if not name.endswith("-study")]
SIZES = {"inception_resnet_v2": 96}  # it cannot see an image of 64 pixels
QUICK = ("voc-vgg16",)  # of which torch's exporters are done in seconds


@functools.cache
def settings_of(recipe: str) -> TrainSettings:
    """Settings of a recipe, made tiny: its network stays as it is."""
    given = read_settings(TrainSettings, [recipe], ["data.cohort=.", "device=cpu"])
    if given.data.volume is not None:
        shape = (24, 48, 48)
        trunk = {} if recipe == "conv3d" else {"trunk_stages": 3}
        options = {**given.model.options, "size": list(shape), "padding": 1, **trunk}
        data = replace(given.data, volume=replace(given.data.volume, shape=shape, grid=None))
    else:
        options = given.model.options
        size = SIZES.get(given.model.name, 64)
        data = replace(given.data, preprocessing=replace(given.data.preprocessing, size=size))
    return replace(given, data=data, model=replace(given.model, width=8, options=options))


def trained(settings: TrainSettings) -> nn.Module:
    """The network after some steps: its normalisations have seen images, so that they do something.

    After a single pass the logits of GazeGNN are in the ten thousands, and float32 itself is 1e-5 of them from float64.
    """
    model = build_model(settings.model, num_classes=len(CLASSES), seed=1)
    data = settings.data
    size = data.volume.shape if data.volume else (data.preprocessing.size,) * 2
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)  # of what is dropped
        generator = torch.Generator().manual_seed(2)
        for _ in range(4):
            model.train()(torch.rand(2, data.channels, *size, generator=generator))
    return model.eval()


@functools.cache
def classifier(recipe: str) -> Classifier:
    settings = settings_of(recipe)
    return classifier_of(settings, trained(settings), Cohort(Path(), "multiclass", CLASSES, ()))


def network_of(recipe: str) -> str:
    """What tells networks apart: recipes that differ in their training alone have the same."""
    settings = settings_of(recipe)
    return json.dumps([classifier(recipe).words()["architecture"], settings.data.channels], sort_keys=True, default=str)


def agree(model: Classifier, answers: object) -> Agreement:
    return check_agreement(lambda images: (model.model(images),), answers, model.shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_and_words_make_the_classifier_again(recipe: str, tmp_path: Path) -> None:
    mine = classifier(recipe)
    whole = trained(settings_of(recipe))
    images = torch.rand(2, *mine.shape, generator=torch.Generator().manual_seed(3))
    save_classifier(mine, tmp_path)
    again = open_classifier(tmp_path)
    with torch.no_grad():
        assert torch.equal(again.model(images), whole(images)), "the same operations on the same weights"
    assert again.words() == mine.words()


_DONE: dict[str, tuple[Agreement, Agreement]] = {}  # recipes that differ in their training alone share a network


def by_torch_and_onnx(recipe: str, folder: Path) -> tuple[Agreement, Agreement]:
    """Largest differences of the two files."""
    mine = classifier(recipe)
    program = trace(mine.model, mine.shape, name=recipe)
    assert program.batch is None, "any number of images"
    save_program(program, folder / "model.pt2", words={})
    answer = exported_program(folder / "model.pt2")
    save_onnx(program, folder / "model.onnx", outputs=["logits"], words={})
    return agree(mine, lambda images: (answer(images),)), agree(mine, ask_onnx(folder / "model.onnx", threads=1))


@pytest.mark.parametrize(
    "recipe", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_torch_and_onnx_answer_as_the_classifier(recipe: str, tmp_path: Path) -> None:
    network = network_of(recipe)
    if network not in _DONE:
        _DONE[network] = by_torch_and_onnx(recipe, tmp_path)
    for found in _DONE[network]:
        assert found.images == 3
        assert found.logits <= 1e-5
