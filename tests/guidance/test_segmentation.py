import math

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, SettingsError
from sightline.guidance import Segmentation, SegmentationSettings, Unguided, make_guidance
from sightline.models import SegmentClassify
from sightline.types import Batch

NAN = float("nan")


class Pixelwise(nn.Module):
    """The logit of a pixel is its grey value, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images


def model() -> SegmentClassify:
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.zeros_(classifier[1].bias)
    nn.init.constant_(classifier[1].weight, 0.5)
    return SegmentClassify(Pixelwise(), classifier)


def logit(*chances: float) -> Tensor:
    return torch.tensor(chances).logit().reshape(-1, 1, 2, 2)


IMAGES = logit(0.5, 0.75, 0.25, 0.5, 0.8, 0.8, 0.2, 0.5)
REGIONS = torch.tensor([1.0, 1, 0, 0.5, 0, 1, 0, 0]).reshape(2, 1, 2, 2)
LABELS = torch.tensor([0, 1])


def test_the_loss_is_the_cross_entropy_of_each_pixel_by_hand() -> None:
    guided = Segmentation()(model(), IMAGES, LABELS, REGIONS)
    first = 2 * math.log(0.5) + 2 * math.log(0.75)
    second = math.log(0.2) + 2 * math.log(0.8) + math.log(0.5)
    assert guided.loss.item() == pytest.approx(-(first + second) / 8)
    assert guided.parts["segmentation"].item() == pytest.approx(guided.loss.item())
    assert guided.parts["classification"].item() == pytest.approx(math.log(2))
    assert not any(part.requires_grad for part in guided.parts.values())


def test_the_segmenter_is_trained_and_the_classifier_is_not() -> None:
    both = model()
    Segmentation()(both, IMAGES, LABELS, REGIONS).loss.backward()
    assert both.segmenter.scale.grad is not None
    assert both.segmenter.scale.grad != 0
    assert all(weight.grad is None for weight in both.classifier.parameters())


def test_classification_trains_the_classifier_and_not_the_segmenter() -> None:
    both = model()
    Unguided()(both, IMAGES, LABELS, REGIONS).loss.backward()
    assert both.segmenter.scale.grad is None
    weight = both.classifier.get_parameter("1.weight")
    assert weight.grad is not None
    assert weight.grad.any()


def test_an_image_without_a_region_weighs_nothing() -> None:
    regions = REGIONS.clone()
    regions[0] = NAN
    alone = Segmentation()(model(), IMAGES[1:], LABELS[1:], REGIONS[1:]).loss
    torch.testing.assert_close(Segmentation()(model(), IMAGES, LABELS, regions).loss, alone)
    nothing = Segmentation()(model(), IMAGES, LABELS, torch.full_like(REGIONS, NAN))
    assert nothing.loss == 0
    assert nothing.parts["segmentation"].isnan()
    nothing.loss.backward()


def batches(*pairs: tuple[Tensor, Tensor]) -> list[Batch]:
    return [Batch(images, LABELS[: len(images)], regions, ("",) * len(images)) for images, regions in pairs]


def test_the_threshold_of_the_greatest_mean_overlap_is_chosen() -> None:
    # at 0.3 the second pixel of the first image is kept, at 0.4 the second image has lost one
    images = logit(0.9, 0.295, 0.1, 0.1, 0.9, 0.9, 0.305, 0.1)
    regions = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 0]).reshape(2, 1, 2, 2)
    both = model().train()
    settled = Segmentation().finish(both, batches((images[:1], regions[:1]), (images[1:], regions[1:])))
    assert settled == {"threshold": 0.3, "iou": 1.0, "images": 2}
    assert both.threshold.item() == pytest.approx(0.3)
    assert both.training
    kept = both.answer(images).logits
    torch.testing.assert_close(kept[1], 0.5 * (images * regions)[1].sum().expand(2))


def test_images_without_a_region_do_not_choose() -> None:
    images = logit(0.9, 0.295, 0.1, 0.1, 0.9, 0.9, 0.305, 0.1)
    regions = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 0]).reshape(2, 1, 2, 2)
    regions[1] = NAN
    both = model()
    assert Segmentation().finish(both, batches((images, regions))) == {"threshold": 0.5, "iou": 1.0, "images": 1}
    with pytest.raises(DataError, match="chosen on validation images with masks, got none"):
        Segmentation().finish(both, batches((images, torch.full_like(regions, NAN))))


def test_the_threshold_may_stay() -> None:
    both = model()
    both.threshold.fill_(0.7)
    assert Segmentation(choose_threshold=False).finish(both, batches((IMAGES, REGIONS))) == {}
    assert both.threshold.item() == pytest.approx(0.7)


def test_a_model_that_does_not_segment_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"segmentation needs a model that segments.*Linear does not"):
        Segmentation()(nn.Linear(2, 2), IMAGES, LABELS, REGIONS)


def test_settings_make_the_guidance() -> None:
    assert isinstance(make_guidance(SegmentationSettings()), Segmentation)
