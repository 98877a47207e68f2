import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Predicted
from sightline.data.cohort import Cohort
from sightline.errors import DataError, SettingsError
from sightline.evaluation.audit import Subject
from sightline.evaluation.audit.opening import Opening, open_model, subject_of

from .made import cohort_of, multilabels

CPU = torch.device("cpu")
IMAGES = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    def __init__(self, num_classes: int = 7) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Conv2d(1, 4, 3), nn.Dropout(0.5), nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.drop(self.first(images).relu().flatten(2).mean(2)))
        return logits


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("somebody")
    made.Net, made.seven, made.one = Net, Net(), Net(1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody", made)
    return made


def opened(words: str, cohort: Cohort | None = None, **options: Any) -> Subject:
    return open_model(words, cohort or cohort_of([0, 1, 2]), IMAGES, Opening(**options), device=CPU)


def test_a_module_of_somebody_is_audited_as_it_is(package: ModuleType) -> None:
    subject = opened("somebody:Net")
    assert (subject.name, subject.outputs, subject.task) == ("somebody:Net", 3, "multiclass")
    assert subject.probabilities(IMAGES).shape == (3, 3)
    assert subject.model is not None
    assert LRP()(subject.model, IMAGES, Predicted()).attribution.shape == IMAGES.shape
    assert not package.seven.training or package.seven is not subject.model


def test_outputs_are_read_by_class(package: ModuleType) -> None:
    package.seven.eval()
    subject = opened("somebody:seven", outputs=(("right", 6), ("none", 0), ("left", 2)))
    expected = package.seven(IMAGES)[:, [0, 2, 6]].softmax(1).detach().double().numpy()
    np.testing.assert_allclose(subject.probabilities(IMAGES), expected, atol=1e-6)


def test_opening_leaves_the_mode_alone(package: ModuleType) -> None:
    package.seven.train()
    opened("somebody:seven", outputs=(("right", 6), ("none", 0), ("left", 2)))
    assert package.seven.training
    assert package.seven.drop.training


def test_opening_teaches_the_model_nothing(package: ModuleType) -> None:
    norm = nn.BatchNorm2d(1)
    package.normed = nn.Sequential(norm, Net(3))  # type: ignore[attr-defined]
    opened("somebody:normed")
    assert norm.running_mean is not None
    assert norm.running_mean.eq(0).all()


def test_one_output_is_the_second_of_two_classes(package: ModuleType) -> None:
    binary = cohort_of([0, 1], task="binary", classes=("no", "yes"))
    assert opened("somebody:one", binary).outputs == 1
    package.seven.eval()
    subject = opened("somebody:seven", binary, outputs=(("yes", 4),), threshold=0.3)
    assert (subject.outputs, subject.threshold) == (1, 0.3)
    expected = package.seven(IMAGES)[:, 4].sigmoid().detach().numpy()
    np.testing.assert_allclose(subject.probabilities(IMAGES)[:, 1], expected, atol=1e-6)


def test_probabilities_are_read_by_the_task(package: ModuleType) -> None:
    package.seven.eval()
    package.soft = nn.Sequential(package.seven, nn.Softmax(1))  # type: ignore[attr-defined]
    package.sigmoid = nn.Sequential(package.seven, nn.Sigmoid())  # type: ignore[attr-defined]
    outputs = (("none", 0), ("left", 1), ("right", 2))
    several = cohort_of(multilabels(3), task="multilabel")
    for words, cohort in (("soft", None), ("sigmoid", several)):
        plain = opened("somebody:seven", cohort, outputs=outputs)
        turned = opened(f"somebody:{words}", cohort, outputs=outputs, probabilities=True)
        np.testing.assert_allclose(turned.probabilities(IMAGES), plain.probabilities(IMAGES), atol=1e-5)


def test_a_program_can_be_asked_only(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Net(3).eval(), (IMAGES[:1],)), path)
    subject = opened(str(path))
    assert subject.model is None
    assert subject.probabilities(IMAGES).shape == (3, 3)
    assert opened(str(path)).fingerprint == subject.fingerprint
    with pytest.raises(SettingsError, match=r"holds its own weights; leave --weights and --random-weights out"):
        opened(str(path), random_weights=True)


def test_the_fingerprint_knows_weights_and_how_they_are_read(package: ModuleType) -> None:
    outputs = (("none", 0), ("left", 1), ("right", 2))
    prints = [opened("somebody:seven", outputs=outputs, **more).fingerprint for more in ({}, {"values": (0.0, 2.0)})]
    prints.append(opened("somebody:seven", outputs=outputs[::-1]).fingerprint)
    assert prints[2] == prints[0], "the order of the words does not matter"
    prints[2] = opened("somebody:seven", outputs=(("none", 1), ("left", 0), ("right", 2))).fingerprint
    with torch.no_grad():
        package.seven.last.bias[0] += 1
    prints.append(opened("somebody:seven", outputs=outputs).fingerprint)
    assert len(set(prints)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": (("lift", 0),)}, "--outputs lift: the classes are none, left, right; did you mean 'left'"),
        ({"outputs": (("left", 0),)}, "--outputs must name every class, got none for none, right"),
        ({"outputs": (("left", 0), ("left", 1))}, "--outputs names a class twice"),
        ({"outputs": (("none", 0), ("left", 1), ("right", 9))}, "outputs count from 0 to 6, got 9"),
        ({"outputs": (("none", 0), ("left", 1), ("right", -1))}, "--outputs right=-1: outputs count from 0"),
        ({"values": (1.0, 0.0)}, "values must be two growing numbers"),
        ({"threshold": 1.0}, "threshold must be a probability between 0 and 1"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        opened("somebody:seven", **options)


def test_other_outputs_and_other_images_are_told() -> None:
    with pytest.raises(DataError, match=r"somebody:seven has 7 outputs, but the classes are 3 \(none, left, right\)"):
        opened("somebody:seven")
    with pytest.raises(
        DataError, match=r"somebody:Net does not take images \(3, 12, 12\).*choose them with --channels"
    ):
        open_model("somebody:Net", cohort_of([0, 1, 2]), torch.rand(1, 3, 12, 12), Opening(), device=CPU)


def test_a_subject_of_a_module() -> None:
    model = Net(3)
    subject = subject_of("mine", model, cohort_of([0, 1, 2]), IMAGES, device=CPU)
    assert subject.model is model
    assert len(subject.fingerprint) == 64
    assert subject_of("mine", Net(3), cohort_of([0, 1, 2]), IMAGES, device=CPU).fingerprint != subject.fingerprint


@pytest.mark.parametrize(
    ("flatten", "channels", "expected"),
    [
        (lambda maps: maps.flatten(2).mean(2), 3, True),
        (lambda maps: maps.permute(0, 2, 3, 1).flatten(1, 2).mean(1), 3, True),
        (lambda maps: maps.view(len(maps), -1)[:, :3], 3, False),  # raises
        (lambda maps: maps.as_strided((len(maps), 3), (300, 1)), 3, False),  # answers otherwise
        (lambda maps: maps.flatten(2).mean(2), 1, False),  # nothing to gain
    ],
)
def test_images_lie_channels_last_where_the_model_answers_the_same(
    flatten: Callable[[Tensor], Tensor], channels: int, expected: bool
) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, 3, 3)

        def forward(self, images: Tensor) -> Tensor:
            return flatten(self.first(images))

    images = torch.rand(3, channels, 12, 12, generator=torch.Generator().manual_seed(1))
    subject = subject_of("own", Own(), cohort_of([0, 1, 2]), images, device=CPU)
    assert subject.channels_last is expected
    assert subject.given(images).is_contiguous(memory_format=torch.channels_last) is (expected or channels == 1)
    np.testing.assert_allclose(subject.probabilities(images), subject.answer(images).softmax(1).detach(), atol=1e-6)
