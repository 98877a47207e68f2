from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, EveryClass
from sightline.errors import SettingsError
from sightline.models import ModelSettings, build_model
from sightline.models.segment_classify import SegmentClassify, segment_classify

SMALL: dict[str, Any] = {"classifier": "resnet18", "width": 4, "in_channels": 1}
IMAGES = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
CHANCES = torch.tensor([[0.2, 0.5], [0.6, 0.9]]).reshape(1, 1, 2, 2)


class Given(nn.Module):
    """Answers with a map that does not hang on the images, but on a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * CHANCES.logit().to(images)


def model_by_hand(**options: Any) -> SegmentClassify:
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False))
    nn.init.ones_(classifier[1].weight)
    return SegmentClassify(Given(), classifier, **options)


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.1, 10.0), (0.3, 2.0 + 3 + 4), (0.5, 2.0 + 3 + 4), (0.55, 3.0 + 4), (0.95, 0.0)]
)
def test_pixels_whose_chance_reaches_the_threshold_are_kept(threshold: float, expected: float) -> None:
    model = model_by_hand(threshold=threshold)
    assert model(IMAGES).item() == expected
    assert model.answer(IMAGES).logits.item() == expected
    torch.testing.assert_close(model.answer(IMAGES).maps.sigmoid(), CHANCES)


def test_without_erasing_the_classifier_sees_all_and_nothing_is_segmented() -> None:
    model = model_by_hand(erase=False)
    assert model.answer(IMAGES).logits.item() == 10

    def refuse(*_: object) -> None:
        raise AssertionError("segmented")

    model.segmenter.register_forward_pre_hook(refuse)
    assert model(IMAGES).item() == 10


def test_the_mask_passes_no_gradient() -> None:
    model, images = model_by_hand(threshold=0.55), IMAGES.clone().requires_grad_()
    for logits in (model(images), model.answer(images).logits):
        gradient, weights, segmenter = torch.autograd.grad(
            logits, [images, model.classifier[1].weight, model.segmenter.scale], allow_unused=True
        )
        assert torch.equal(gradient, (CHANCES > 0.55).float())
        assert weights.tolist() == [[0, 0, 3, 4]]
        assert segmenter is None
    assert torch.autograd.grad(model.answer(images).maps.sum(), model.segmenter.scale)[0] != 0


def test_parameters_are_those_of_the_two_networks_of_the_paper() -> None:
    with torch.device("meta"):
        model = segment_classify(1000)
    planes = [64, 128, 256, 512, 1024]
    blocks = [*zip([3, *planes], planes, strict=False), *((2 * o, o) for o in planes[:-1])]
    unet = sum(9 * i * o + 9 * o * o + 4 * o for i, o in blocks) + sum(8 * o * o + o for o in planes[:-1]) + 64 + 1
    assert sum(p.numel() for p in model.segmenter.parameters()) == unet == 31_037_633
    assert sum(p.numel() for p in model.classifier.parameters()) == 7_978_856
    assert round((unet + 7_978_856) / 1e6) == 39  # "the combined U-Net and DenseNet121 have 39M", section 2.4


def test_any_classifier_by_name() -> None:
    settings = ModelSettings("segment_classify", dropout=0.5, width=4, options={"classifier": "vgg11"})
    first, second, other = (build_model(settings, num_classes=3, seed=seed) for seed in (1, 1, 2))
    assert type(first.classifier).__name__ == "VGG"
    assert first.segmenter.down[0][0].out_channels == 4
    assert first.classifier.classifier[2].p == 0.5
    pairs = list(zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.classifier.features[0].weight, other.classifier.features[0].weight)
    with pytest.raises(SettingsError, match=r"model must be one of .*did you mean 'resnet18'"):
        segment_classify(3, classifier="resnet19")
    options = {"classifier": "vit_tiny", "classifier_options": {"image_size": 32}, "width": 4}
    assert segment_classify(3, **options)(torch.rand(1, 3, 32, 32)).shape == (1, 3)


def test_volumes_too() -> None:
    model = segment_classify(3, **SMALL, dimensions=3).eval()
    assert model(torch.rand(1, 1, 32, 33, 34)).shape == (1, 3)


def test_the_threshold_is_saved_with_the_weights() -> None:
    model = segment_classify(3, **SMALL)
    model.threshold.fill_(0.4)
    other = segment_classify(3, **SMALL, erase=False)
    other.load_state_dict(model.state_dict())
    assert other.threshold == model.threshold


def test_relevance_is_that_of_the_classifier_and_none_of_it_is_erased() -> None:
    model = segment_classify(3, **SMALL).double().eval()
    images = torch.rand(2, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        chances = model.segmenter(images).sigmoid()
        model.threshold.copy_(chances.median())
    mask = (chances >= model.threshold).double()
    lrp = LRP(input_rule=None)
    explanation, alone = lrp(model, images, EveryClass()), lrp(model.classifier, images * mask, EveryClass())
    torch.testing.assert_close(explanation.logits, alone.logits)
    torch.testing.assert_close(explanation.attribution, alone.attribution)
    assert (explanation.attribution * (1 - mask).unsqueeze(1) == 0).all()
    assert explanation.attribution.abs().sum() > 0


@pytest.mark.parametrize("threshold", [0.0, 1.0, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(SettingsError, match=r"^threshold must lie in \(0, 1\), got"):
        model_by_hand(threshold=threshold)
