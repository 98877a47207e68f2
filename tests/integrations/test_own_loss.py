"""Another classification loss in the place of the guidance's own."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import (
    AttentionMining,
    BackgroundRelevance,
    Guidance,
    MaskLoss,
    RightReasons,
    Unguided,
)
from sightline.integrations.own_loss import check_guide, guided_by
from sightline.types import Guided

from .small_training import Small, some_batches

ASKING = (BackgroundRelevance(strength=0.6), RightReasons(), AttentionMining(), MaskLoss(), Unguided())


def gradients(loss: Tensor, model: nn.Module) -> Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.parametrize("guide", ASKING, ids=lambda guide: type(guide).__name__)
def test_twice_the_classification_loss_counts_twice(guide: Guidance) -> None:
    torch.manual_seed(1)
    model, batch = Small(), some_batches(1)[0]
    guide.eval()  # the same random classes each time
    share = 1 - guide.settings.strength if isinstance(guide, BackgroundRelevance) else 1.0
    own = guide(model, *batch)
    twice = guided_by(guide, lambda logits, labels: 2 * F.cross_entropy(logits, labels), model, *batch)
    once = share * F.cross_entropy(model(batch[0]), batch[1])
    expected = gradients(own.loss, model) + gradients(once, model)
    torch.testing.assert_close(gradients(twice.loss, model), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(twice.parts["classification"], 2 * own.parts["classification"])
    torch.testing.assert_close(guide(model, *batch).loss, own.loss)  # as it was


def test_the_loss_is_its_own_again_after_an_error() -> None:
    guide, batch = Unguided(), some_batches(1)[0]
    with pytest.raises(ZeroDivisionError):
        guided_by(guide, lambda _logits, _labels: 1 / 0, Small(), *batch)  # type: ignore[arg-type, return-value]
    assert guide._classified_by == []


class Deaf(Unguided):
    """Asks for no loss of the answers, or for two."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        logits = model(images)
        for _ in range(self.times):
            self.classification_loss(logits, labels)
        return Guided(logits, logits.mean())


@pytest.mark.parametrize(("times", "words"), [(0, "Deaf has no loss"), (2, "Deaf has several losses")])
def test_a_guidance_without_one_classification_loss_is_refused(times: int, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        guided_by(Deaf(times), F.cross_entropy, Small(), *some_batches(1)[0])


def test_a_guide_must_be_one_and_stand_alone() -> None:
    model: Any = Small()
    check_guide(BackgroundRelevance(), model)
    with pytest.raises(SettingsError, match="guide must be a Guidance, as BackgroundRelevance"):
        check_guide(F.cross_entropy, model)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"nn\.DataParallel cannot be explained"):
        check_guide(BackgroundRelevance(), nn.DataParallel(model))
    model.guide = BackgroundRelevance()
    with pytest.raises(SettingsError, match="BackgroundRelevance is a part of Small"):
        check_guide(model.guide, model)
