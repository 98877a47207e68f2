from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    RISE,
    Class,
    EveryClass,
    Explainer,
    GradCAM,
    IntegratedGradients,
    Label,
    LogOdds,
    Predicted,
    RandomClass,
    Saliency,
    SmoothGrad,
    Target,
)
from sightline.attribution.streaming import Part, explain_in_parts, parts
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]

MAP = 2 * 8 * 8 * 8 / 2**20  # of pixels, in float64, in MiB
LABELS = torch.tensor([2, 0, 1, 1, 2])
EXPLAINERS = [
    Saliency(),
    LRP(layers=("4",)),
    GradCAM(rectify=False),
    IntegratedGradients(steps=2),
    SmoothGrad(LRP(), samples=2, noise=0.0),
    RISE(masks=3),
]
TARGETS = [Predicted(), Class(1), Label(LABELS), EveryClass(), LogOdds(EveryClass()), LogOdds(Label(LABELS))]


def tensors(explanation: Explanation) -> list[Tensor]:
    return [explanation.attribution, *explanation.hidden, *explanation.layers.values()]


def put_together(found: list[Part], like: Tensor, of: Callable[[Explanation], Tensor]) -> Tensor:
    """Write each part where it says that it belongs."""
    whole = torch.full_like(like, torch.nan)
    for part in found:
        place = (part.rows,) if part.classes is None else (part.rows, part.classes)
        assert whole[place].isnan().all(), "drawn twice"
        whole[place] = of(part.explanation)
    return whole


@pytest.mark.parametrize("memory", [1.5, 7, 1000])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target)[:20])
@pytest.mark.parametrize("explainer", EXPLAINERS, ids=lambda explainer: str(explainer)[:20])
def test_parts_are_the_maps_of_all_at_once(
    explainer: Explainer, target: Target, memory: float, make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net(), make_images(5, 2, 8, 8)
    with torch.no_grad():
        whole = explainer(net, images, target)
        one = sum(tensor[0].numel() for tensor in tensors(explainer(net, images[:1], Class(0)))) * 8 / 2**20
    found = list(explain_in_parts(explainer, net, images, target, memory_mib=memory * one))
    for index, expected in enumerate(tensors(whole)):
        torch.testing.assert_close(put_together(found, expected, lambda e, i=index: tensors(e)[i]), expected)
    if whole.gap is not None:
        torch.testing.assert_close(put_together(found, whole.gap, lambda e: e.gap), whole.gap)
    for part in found:
        torch.testing.assert_close(part.explanation.logits, whole.logits[part.rows])
        assert (part.explanation.target is None) == (whole.target is None)
        assert whole.target is None or torch.equal(part.explanation.target, whole.target[part.rows])
        assert not part.explanation.attribution.requires_grad
        assert sum(tensor.numel() for tensor in tensors(part.explanation)) * 8 / 2**20 <= memory * one


class Counted(nn.Module):
    """Counts forward passes, and the most images in one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.calls, self.most = net, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls, self.most = self.calls + 1, max(self.most, len(images))
        return self.net(images)


def test_a_thousand_classes_of_one_image_are_drawn_a_few_at_a_time(make_net: MakeNet, make_images: MakeImages) -> None:
    net, image = Counted(make_net(classes=1000)), make_images(1, 2, 8, 8)
    seen = []
    for part in explain_in_parts(Saliency(), net, image, EveryClass(), memory_mib=64 * MAP):
        maps = part.explanation.attribution
        assert maps.shape[0] == 1
        assert maps.shape[1] <= 64
        seen += range(part.classes.start, part.classes.stop)
        if part.classes.start in (0, 1, 961):
            for k in (part.classes.start, part.classes.stop - 1):
                expected = Saliency()(net.net, image, Class(k)).attribution
                torch.testing.assert_close(maps[:, k - part.classes.start], expected)
    assert seen == list(range(1000))
    assert net.calls == 1 + -(-999 // 64)


def test_the_memory_is_used(make_net: MakeNet, make_images: MakeImages) -> None:
    images = make_images(20, 2, 8, 8)

    def sizes(target: Target, memory: float, **options: Any) -> list[tuple[int, ...]]:
        found = explain_in_parts(Saliency(), make_net(), images, target, memory_mib=memory * MAP, **options)
        return [tuple(part.explanation.attribution.shape[: 1 + (part.classes is not None)]) for part in found]

    assert sizes(Predicted(), 9) == [(1,), (9,), (9,), (1,)]
    assert sizes(Predicted(), 1000, batch_size=10) == [(1,), (10,), (9,)]
    assert sizes(EveryClass(), 30) == [(1, 1), (1, 2), (10, 3), (9, 3)]
    assert sizes(EveryClass(), 2.5)[:5] == [(1, 1), (1, 2), (1, 2), (1, 1), (1, 2)]
    assert sizes(EveryClass(), 1) == [(1, 1)] * 60


def test_relevance_inside_the_model_counts_too(make_net: MakeNet, make_images: MakeImages) -> None:
    found = list(explain_in_parts(LRP(), make_net(), make_images(9, 2, 8, 8), Class(0), memory_mib=9 * MAP))
    assert found[0].explanation.hidden[0].shape == (1, 4, 8, 8)
    assert [len(part.explanation.attribution) for part in found] == [1, 3, 3, 2], "2 channels of pixels, 4 inside"


def test_batches_are_one_long_set(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images(5, 2, 8, 8)
    batches = (images[rows] for rows in (slice(0, 0), slice(0, 2), slice(2, 2), slice(2, 5)))
    found = list(explain_in_parts(Saliency(), net, batches, Label(LABELS)))
    assert [part.rows for part in found] == [slice(0, 1), slice(1, 2), slice(2, 5)]
    expected = Saliency()(net, images, Label(LABELS)).attribution.detach()
    torch.testing.assert_close(put_together(found, expected, lambda e: e.attribution), expected)
    assert list(explain_in_parts(Saliency(), net, images[:0], Predicted())) == []


def test_random_classes_are_drawn_once_an_image(make_net: MakeNet, make_images: MakeImages) -> None:
    target = RandomClass(torch.Generator().manual_seed(0))
    found = explain_in_parts(Saliency(), make_net(), make_images(5, 2, 8, 8), target, memory_mib=2 * MAP)
    drawn = torch.cat([part.explanation.target for part in found])
    assert torch.equal(drawn, torch.randint(3, (5,), generator=torch.Generator().manual_seed(0)))


def test_a_part_is_drawn_when_it_is_asked_for(make_net: MakeNet, make_images: MakeImages) -> None:
    net = Counted(make_net())
    stream = explain_in_parts(Saliency(), net, make_images(5, 2, 8, 8), EveryClass(), memory_mib=6 * MAP)
    assert net.calls == 0
    for calls in (1, 2, 3, 4):
        next(stream)
        assert net.calls == calls
        assert torch.is_grad_enabled(), "nothing of the caller's is changed in between"
    assert net.most == 2


def test_what_cannot_be_divided_is_refused(make_net: MakeNet, make_images: MakeImages) -> None:
    net, images = make_net(), make_images(5, 2, 8, 8)

    def drawn(target: Target = Class(0), **options: Any) -> list[Part]:  # noqa: B008 - frozen
        return list(explain_in_parts(Saliency(), net, images, target, **options))

    with pytest.raises(SettingsError, match=r"memory_mib must be at least 0.000977, what one map takes, got 0.0004"):
        drawn(memory_mib=0.0004)
    with pytest.raises(SettingsError, match="memory_mib must be at least"):
        drawn(memory_mib=float("nan"))
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        drawn(batch_size=0)
    for target in (Label(LABELS[:4]), LogOdds(Label(LABELS[:4]))):
        with pytest.raises(ShapeError, match=r"labels must be \(5,\), one for each image of all batches, got 4"):
            drawn(target)
    batches = [images[:2], images[2:4]]
    with pytest.raises(ShapeError, match=r"labels must be \(4,\), one for each image of all batches, got 5"):
        list(explain_in_parts(Saliency(), net, batches, Label(LABELS)))


@given(images=st.integers(0, 30), maps=st.integers(1, 30), at_once=st.integers(1, 60), most=st.integers(1, 9))
def test_every_map_is_in_one_part_and_in_order(images: int, maps: int, at_once: int, most: int) -> None:
    for limit in (most, None):
        drawn = []
        for rows, classes in parts(images, maps, at_once, most=limit):
            count = rows.stop - rows.start
            assert count * (classes.stop - classes.start) <= at_once
            assert limit is None or count <= limit
            assert count == 1 or classes == slice(0, maps), "an image's maps come right after each other"
            drawn += [(row, k) for row in range(rows.start, rows.stop) for k in range(classes.start, classes.stop)]
        assert drawn == [(row, k) for row in range(images) for k in range(maps)]
