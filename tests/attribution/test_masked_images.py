"""Models that multiply their images by a mask before the first layer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, CompositeLRP
from sightline.errors import UnsupportedOperationError
from sightline.models import SegmentClassify


class Erasing(nn.Module):
    def __init__(self, mask: Any) -> None:
        super().__init__()
        self.mask = mask
        self.conv = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.head = nn.Linear(3, 2, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.after(images * self.mask)

    def after(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(F.relu(self.conv(images)).mean((2, 3)))
        return logits


def erasing(mask: Any) -> Erasing:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Erasing(mask).double()


MASK = torch.zeros(2, 1, 6, 6, dtype=torch.float64)
MASK[:, :, 1:4, 2:6] = 1


@pytest.mark.parametrize("rule", ["zb", "flat", "w_square", None])
def test_what_is_erased_has_no_relevance_and_none_is_lost(make_images: Callable[..., Tensor], rule: Any) -> None:
    images, model = make_images(2, 2, 6, 6).double(), erasing(MASK)
    explanation = LRP(epsilon=1e-30, input_rule=rule)(model, images, Class(1))
    assert (explanation.attribution * (1 - MASK) == 0).all()
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), explanation.logits[:, 1])


@pytest.mark.parametrize("rule", ["zb", "flat", "w_square", None])
def test_a_mask_of_ones_changes_nothing(make_images: Callable[..., Tensor], rule: Any) -> None:
    images = make_images(2, 2, 6, 6).double()
    model, whole = erasing(torch.ones_like(MASK)), erasing(torch.ones(()))
    whole.forward = whole.after
    lrp = LRP(input_rule=rule)
    torch.testing.assert_close(
        lrp(model, images, Class(0)).attribution, lrp(whole, images, Class(0)).attribution, rtol=0, atol=1e-14
    )


def test_zb_counts_from_the_ends_that_the_mask_leaves(make_images: Callable[..., Tensor]) -> None:
    images, model = make_images(2, 2, 6, 6).double(), erasing(0.25 + MASK / 2)
    got = LRP(input_rule="zb", low=-1.0, high=2.0)(model, images, Class(0)).attribution
    mask = model.mask.expand_as(images)
    weight, head = model.conv.weight, model.head.weight
    x = images * mask
    r = F.relu(F.conv2d(x, weight, padding=1)) * head[0].view(-1, 1, 1) / 36
    low, high = x + mask, x - 2 * mask
    positive, negative = weight.clamp(min=0), weight.clamp(max=0)
    share = r / (F.conv2d(low, positive, padding=1) + F.conv2d(high, negative, padding=1) + 1e-2)
    back = [F.conv_transpose2d(share, w, padding=1) for w in (positive, negative)]
    torch.testing.assert_close(got, low * back[0] + high * back[1])


def test_masks_in_turn_and_another_layout(make_images: Callable[..., Tensor]) -> None:
    class Twice(Erasing):
        def forward(self, images: Tensor) -> Tensor:
            return self.after((self.mask.mT * images.clone() * self.mask).flatten(1).view(2, 2, 6, 6))

    images, once = make_images(2, 2, 6, 6).double(), erasing(MASK * MASK.mT)
    twice = Twice(MASK).double()
    twice.load_state_dict(once.state_dict())
    for lrp in (LRP(), CompositeLRP("epsilon_plus_flat")):
        first, second = (lrp(model, images, Class(0)).attribution for model in (once, twice))
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("mask", [2.0, nn.Parameter(torch.ones(1, 2, 1, 1))], ids=["number", "weights"])
def test_other_products_with_the_images_are_refused_as_before(make_images: Callable[..., Tensor], mask: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match="'mul' reads the images"):
        LRP()(erasing(mask), make_images(2, 2, 6, 6).double(), Class(0))


def test_the_images_times_themselves_are_refused(make_images: Callable[..., Tensor]) -> None:
    class Square(Erasing):
        def forward(self, images: Tensor) -> Tensor:
            return self.after(images * images)

    with pytest.raises(UnsupportedOperationError, match="'mul' reads the images"):
        LRP()(Square(None), make_images(2, 2, 6, 6), Class(0))


@pytest.mark.parametrize("rule", ["zb", "flat", "w_square"])
def test_a_segmenter_before_a_classifier_is_no_part_of_the_explanation(
    make_images: Callable[..., Tensor], rule: Any
) -> None:
    images, first = make_images(2, 2, 6, 6).double(), erasing(MASK)
    model = SegmentClassify(nn.Conv2d(2, 1, 3, padding=1), nn.Identity()).double()
    with torch.no_grad():
        chances = model.segmenter(images).sigmoid()
        model.threshold.copy_(chances.median())
    first.mask = (chances >= model.threshold).double()
    model.classifier = erasing(torch.ones_like(MASK))
    model.classifier.forward = model.classifier.after
    got, alone = (LRP(input_rule=rule)(each, images, Class(0)) for each in (model, first))
    torch.testing.assert_close(got.attribution, alone.attribution)
    assert got.attribution.any()
    assert len(got.hidden) == 1
