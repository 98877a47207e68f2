from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sightline.data import Case, Cohort
from sightline.guidance import BackgroundRelevance, Guidance, Unguided
from sightline.training.validation import validate
from sightline.types import Batch, Guided

NAN = float("nan")


class Read(nn.Module):
    """Answers with what is written in the image."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.norm = nn.BatchNorm1d(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images.flatten(1)


def batch(logits: list[list[float]], labels: Tensor, region: float = 1.0) -> Batch:
    images = torch.tensor(logits)[:, None, None]
    return Batch(images, labels, torch.full_like(images, region), tuple("abc"[: len(images)]))


def cohort(task: str, *classes: str) -> Cohort:
    case = Case("a", Path("a.png"), 0 if task == "multiclass" else (0.0,) * len(classes), "a", "", "val", None, {}, {})
    return Cohort(Path(), task, classes, (case,))  # type: ignore[arg-type]


def test_scores_are_those_of_all_batches_together() -> None:
    batches = [
        batch([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]], torch.tensor([0, 1])),
        batch([[5.0, 0.0, 0.0]], torch.tensor([1])),
    ]
    scores = validate(Read(), batches, Unguided(), cohort("multiclass", "a", "b", "c"))
    logits, labels = torch.cat([b.images.flatten(1) for b in batches]), torch.tensor([0, 1, 1])
    assert scores["val_loss"] == scores["val_classification"]
    assert scores["val_loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, labels)))
    assert scores["val_accuracy"] == pytest.approx(2 / 3)
    assert scores["val_macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)  # c neither is nor was answered


def test_several_labels_count_what_is_certain_and_there() -> None:
    labels = torch.tensor([[1.0, NAN, NAN], [0.0, 0.3, NAN], [1.0, 1.0, NAN]])
    answers = [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]
    scores = validate(Read(), [batch(answers, labels)], Unguided(), cohort("multilabel", "a", "b", "c"))
    assert scores["val_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["val_macro_f1"] == pytest.approx((2 * 2 / (2 * 2 + 1) + 1) / 2)  # of presence, not of absence


class Measured(Guidance):
    """Its loss is the first pixel; a part is measured in known regions alone."""

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        known = not bool(regions.isnan().any())
        parts = {"outside": images[0, 0, 0, 0]} if known else {}
        return Guided(model(images), images[0, 0, 0, 0], {"hole": torch.tensor(NAN), **parts})


def test_a_part_is_averaged_over_the_batches_that_have_it() -> None:
    batches = [
        batch([[1.0, 0.0], [1.0, 0.0]], torch.tensor([0, 0])),
        batch([[4.0, 0.0]], torch.tensor([0])),
        batch([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0]], torch.tensor([0, 0, 0]), NAN),
    ]
    scores = validate(Read(), batches, Measured(), cohort("multiclass", "a", "b"))
    assert scores["val_loss"] == pytest.approx((2 * 1 + 4 + 3 * 9) / 6)
    assert scores["val_outside"] == pytest.approx((2 * 1 + 4) / 3)
    assert "val_hole" not in scores


def test_the_objective_is_the_same_each_time_and_leaves_all_as_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 3)
        )
    model[1].eval()
    images = torch.rand(4, 1, 8, 8, generator=generator)
    regions = (images > 0.5).float()
    batches = [Batch(images, torch.tensor([0, 1, 2, 0]), regions, tuple("abcd"))]
    guidance = BackgroundRelevance(every=2, goal=0.1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    draws, steps = guidance.generator.get_state(), guidance.steps.clone()
    strength, modes = guidance.strength, [module.training for module in model.modules()]
    first, second = (validate(model, batches, guidance, cohort("multiclass", "a", "b", "c")) for _ in range(2))
    assert first == second
    assert "val_outside" in first
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(guidance.generator.get_state(), draws)
    assert (guidance.steps, guidance.strength, guidance.training) == (steps, strength, True)
    assert [module.training for module in model.modules()] == modes
    assert all(weight.grad is None for weight in model.parameters())
