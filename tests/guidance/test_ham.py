from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.guidance import HierarchicalAttention, HierarchicalAttentionSettings
from sightline.guidance.ham import any_abnormal
from sightline.guidance.ham_losses import adaptive_squared_error, attention_bound, attention_union
from sightline.models import HAM, refine_maps
from sightline.models.resnet import Bottleneck, ResNet

NAN = float("nan")
SEVERAL = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [NAN, 1.0, NAN], [0.0, NAN, 0.0]])
LABELS = torch.tensor([0, 2, 1, 2])


def make_model(normal_class: int | None = None) -> HAM:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = HAM(3, ResNet(1, Bottleneck, (1, 1, 1, 1), width=4, in_channels=1), normal_class=normal_class)
        for head in (model.classes, model.anomaly):  # no map of zeros
            nn.init.uniform_(head.weight, 0, 1)
    return model.eval()


def drawn() -> tuple[Tensor, Tensor]:
    """Images, and regions of each of three classes, one of them unknown."""
    generator = torch.Generator().manual_seed(1)
    images, regions = torch.rand(4, 1, 32, 32, generator=generator), torch.rand(4, 3, 32, 32, generator=generator)
    regions[2, 1] = NAN
    return images, regions


def test_the_loss_is_that_of_the_source_for_several_labels() -> None:
    model, (images, regions) = make_model(), drawn()
    answer, present = model.answer(images), SEVERAL == 1
    known = ~SEVERAL.isnan()
    parts = {
        "classification": F.binary_cross_entropy_with_logits(answer.classes[known], SEVERAL[known]),
        "anomaly": F.binary_cross_entropy_with_logits(answer.anomaly[:3, 0], torch.tensor([1.0, 0.0, 1.0])),
        "supervision": adaptive_squared_error(
            refine_maps(answer.class_maps, (32, 32)), regions, present & ~regions.isnan().any(3).any(2)
        ),
        "bound": attention_bound(answer.class_maps, answer.anomaly_map, present),
        "union": attention_union(answer.class_maps, answer.anomaly_map, present),
    }
    guided = HierarchicalAttention()(model, images, SEVERAL, regions)
    assert guided.parts.keys() == parts.keys()
    for name, part in parts.items():
        torch.testing.assert_close(guided.parts[name], part.detach())
        assert part > 0
    weights = (1, 0.01, 0.5, 0.001, 0.001)
    torch.testing.assert_close(guided.loss, sum(w * part for w, part in zip(weights, parts.values(), strict=True)))
    torch.testing.assert_close(guided.logits, model(images))


@pytest.mark.parametrize("normal", [None, 0, 2])
def test_one_label_is_written_as_several(normal: int | None) -> None:
    model, (images, regions) = make_model(normal), drawn()
    one = HierarchicalAttention()(model, images, LABELS, regions)
    several = HierarchicalAttention()(model, images, F.one_hot(LABELS, 3).float(), regions)
    torch.testing.assert_close(one.loss, several.loss)
    assert one.parts == several.parts


@pytest.mark.parametrize("normal", [0, 1, 2])
def test_the_normal_class_has_no_map_and_no_region_and_says_what_is_abnormal(normal: int) -> None:
    model, (images, regions) = make_model(normal), drawn()
    answer = model.answer(images)
    others = [k for k in range(3) if k != normal]
    truth = (normal != LABELS).float()
    parts = HierarchicalAttention()(model, images, LABELS, regions).parts
    torch.testing.assert_close(
        parts["anomaly"], F.binary_cross_entropy_with_logits(answer.anomaly[:, 0], truth).detach()
    )
    torch.testing.assert_close(
        parts["classification"],
        F.binary_cross_entropy_with_logits(answer.classes, F.one_hot(LABELS, 3)[:, others].float()).detach(),
    )
    changed = regions.clone()
    changed[:, normal] = 1 - changed[:, normal]
    torch.testing.assert_close(HierarchicalAttention()(model, images, LABELS, changed).parts, parts)


def test_what_is_abnormal_by_hand() -> None:
    labels = torch.tensor([[0.0, 0.2, 0.9], [NAN, 0.0, 1.0], [NAN, 0.0, 0.0], [0.0, 0.0, 0.0], [NAN] * 3])
    expected = torch.tensor([0.9, 1.0, NAN, 0.0, NAN])
    torch.testing.assert_close(any_abnormal(labels, None), expected, equal_nan=True)
    labels = torch.tensor([[0.0, 1.0, NAN], [1.0, NAN, 0.0], [0.0, NAN, NAN], [NAN, NAN, 0.0], [1.0, 0.0, 0.0]])
    expected = torch.tensor([1.0, 0.0, 1.0, NAN, 0.0])  # the first is the normal class
    torch.testing.assert_close(any_abnormal(labels, 0), expected, equal_nan=True)


def test_the_losses_of_the_maps_reach_the_features_and_not_the_heads() -> None:
    model, (images, regions) = make_model(), drawn()
    heads = [model.classes.weight, model.anomaly.weight]
    features = [model.conv1.weight, model.head[0].weight]
    off = {"supervision_weight": 0.0, "bound_weight": 0.0, "union_weight": 0.0}
    plain = HierarchicalAttention(**off)(model, images, SEVERAL, regions).loss
    without = torch.autograd.grad(plain, [*heads, *features])
    for name in off:
        loss = HierarchicalAttention(**off | {name: 10.0})(model, images, SEVERAL, regions).loss
        gradients = torch.autograd.grad(loss, [*heads, *features])
        for before, after in zip(without[:2], gradients[:2], strict=True):
            torch.testing.assert_close(after, before)
        for before, after in zip(without[2:], gradients[2:], strict=True):
            assert not torch.allclose(after, before)


def test_an_unknown_region_weighs_nothing() -> None:
    model, (images, regions) = make_model(), drawn()
    guided = HierarchicalAttention()(model, images, SEVERAL, NAN * regions)
    assert guided.parts["supervision"].isnan()
    measured = [guided.parts[name] for name in ("classification", "anomaly", "bound", "union")]
    weights = (1, 0.01, 0.001, 0.001)
    torch.testing.assert_close(guided.loss.detach(), sum(w * p for w, p in zip(weights, measured, strict=True)))


def test_without_a_present_class_images_are_classified_only() -> None:
    model, (images, regions) = make_model(), drawn()
    guided = HierarchicalAttention()(model, images, 0 * SEVERAL, regions)
    assert all(guided.parts[name].isnan() for name in ("supervision", "bound", "union"))
    torch.testing.assert_close(guided.loss.detach(), guided.parts["classification"] + 0.01 * guided.parts["anomaly"])


def test_one_region_for_all_classes_serves_each() -> None:
    model, (images, regions) = make_model(1), drawn()
    one, each = (
        HierarchicalAttention()(model, images, SEVERAL, given)
        for given in (regions[:, :1], regions[:, :1].expand(-1, 3, -1, -1))
    )
    torch.testing.assert_close(one.loss, each.loss)


def test_the_order_of_the_images_does_not_matter() -> None:
    model, (images, regions) = make_model(), drawn()
    order = torch.tensor([2, 0, 3, 1])
    one = HierarchicalAttention()(model, images, SEVERAL, regions)
    other = HierarchicalAttention()(model, images[order], SEVERAL[order], regions[order])
    torch.testing.assert_close(one.parts, other.parts)


def test_a_loss_that_is_not_a_number_is_not_hidden() -> None:
    model, (images, regions) = make_model(), drawn()
    nn.init.constant_(model.conv1.weight, NAN)
    assert HierarchicalAttention()(model, images, SEVERAL, regions).loss.isnan()


def test_other_models_and_labels_are_refused() -> None:
    images, regions = drawn()
    with pytest.raises(SettingsError, match="guidance ham needs the model ham_resnet50, got Linear"):
        HierarchicalAttention()(nn.Linear(2, 2), images, SEVERAL, regions)
    with pytest.raises(ShapeError, match=r"labels must be \(N,\) int64 or \(N, 3\) float, got \(4, 2\)"):
        HierarchicalAttention()(make_model(), images, SEVERAL[:, :2], regions)
    with pytest.raises(ShapeError, match="one for all or one for each of 3 classes, got 2"):
        HierarchicalAttention()(make_model(), images, SEVERAL, regions[:, :2])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bound_weight": -1.0}, "bound_weight must be at least 0, got -1"),
        ({"threshold": NAN}, "threshold must be at least 0, got nan"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        HierarchicalAttentionSettings(**options)
