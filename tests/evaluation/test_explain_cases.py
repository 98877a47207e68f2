from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.attribution import (
    CAM,
    RISE,
    Class,
    EveryClass,
    Explainer,
    GradCAM,
    GradientTimesInput,
    IntegratedGradients,
    Label,
    Predicted,
    Saliency,
)
from sightline.data.cohort import Task
from sightline.errors import DataError, SettingsError, ShapeError, SightlineError
from sightline.evaluation.explain_cases import Aim, Piece, explain_cases, images_at_once
from sightline.types import Batch, Explanation

METHODS = {"gradient_times_input": GradientTimesInput(), "grad_cam": GradCAM(rectify=False)}


class Counted(nn.Sequential):
    """Counts its forward passes."""

    calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(images)


def make_net(classes: int = 5, channels: int = 2) -> Counted:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layers = [nn.Conv2d(channels, 6, 3, stride=2, padding=1), nn.ReLU()]
        return Counted(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes)).double().eval()


@pytest.fixture
def net() -> Counted:
    return make_net()


def make_batch(count: int = 3, *, regions: Tensor | None = None, channels: int = 2) -> Batch:
    images = torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    unknown = torch.full((count, 1, 8, 8), torch.nan)
    names = tuple(f"case-{row}" for row in range(count))
    return Batch(images, torch.arange(count), unknown if regions is None else regions, names)


def explain(
    net: nn.Module,
    batch: Batch,
    methods: dict[str, Explainer] = METHODS,
    *,
    aim: Aim = "predicted",
    task: Task = "multiclass",
    num_classes: int = 5,
    at_once: int = 8,
    **keywords: object,
) -> list[Piece]:
    options = {"aim": aim, "task": task, "num_classes": num_classes, "maps_at_once": at_once, **keywords}
    return list(explain_cases(net, [batch], methods, **options))


@pytest.mark.parametrize(
    ("aim", "target"), [("predicted", Predicted()), ("label", Label(torch.arange(3))), (3, Class(3))]
)
def test_maps_are_those_of_the_explainers(net: Counted, aim: Aim, target: object) -> None:
    batch = make_batch()
    pieces = explain(net, batch, aim=aim)
    assert [(piece.method, piece.case) for piece in pieces] == [
        (method, case) for method in METHODS for case in batch.cases
    ]
    for method, explainer in METHODS.items():
        explanation = explainer(net, batch.images, target)
        maps = explanation.attribution.sum(1, keepdim=True).detach()
        maps = F.interpolate(maps, size=(8, 8), mode="bilinear", align_corners=False)[:, 0]
        for row, piece in enumerate(piece for piece in pieces if piece.method == method):
            assert piece.maps.dtype == np.float32
            np.testing.assert_allclose(piece.maps, maps[row : row + 1].numpy(), rtol=1e-5, atol=1e-8)
            classes = [3] if aim == 3 else explanation.target[row : row + 1].tolist()
            assert piece.classes.tolist() == classes
            np.testing.assert_allclose(piece.logits, explanation.logits[row].detach())
            np.testing.assert_allclose(piece.probabilities, explanation.logits[row].detach().softmax(0))
            np.testing.assert_allclose(piece.image, batch.images[row], atol=1e-7)
            assert piece.drawn_at == ((4, 4) if method == "grad_cam" else (8, 8))


@pytest.mark.parametrize("at_once", [1, 2, 4, 5, 100])
def test_all_classes_come_in_pieces_of_bounded_size_and_are_those_of_one_go(net: Counted, at_once: int) -> None:
    count = images_at_once(at_once, "every", 5)
    batch = make_batch(min(count, 3))
    methods = {"rise": RISE(masks=4), "integrated_gradients": IntegratedGradients(steps=2), **METHODS}
    pieces = explain(net, batch, methods, aim="every", at_once=at_once)
    for method, explainer in methods.items():
        explanation = explainer(net, batch.images, EveryClass())
        whole = explanation.attribution.sum(2).detach()
        whole = whole if whole.shape[2:] == (8, 8) else F.interpolate(whole, size=(8, 8), mode="bilinear")
        for row, case in enumerate(batch.cases):
            own = [piece for piece in pieces if (piece.method, piece.case) == (method, case)]
            assert all(len(piece.maps) * len(batch.images) <= max(at_once, len(batch.images)) for piece in own)
            assert np.concatenate([piece.classes for piece in own]).tolist() == [0, 1, 2, 3, 4]
            assert {piece.total for piece in own} == {5}
            maps = np.concatenate([piece.maps for piece in own])
            np.testing.assert_allclose(maps, whole[row].numpy(), rtol=1e-5, atol=1e-7)
            if explanation.gap is None:
                assert own[0].gap is None
            else:
                gaps = np.concatenate([piece.gap for piece in own])
                np.testing.assert_allclose(gaps, explanation.gap[row].detach(), atol=1e-12)


def test_images_at_once_leave_room_for_all_classes() -> None:
    assert images_at_once(8, "predicted", 5) == 8
    assert images_at_once(16, "every", 5) == 3
    assert images_at_once(2, "every", 5) == 1


def test_pieces_are_made_when_they_are_asked_for(net: Counted) -> None:
    stream = explain_cases(net, [make_batch(1)], METHODS, aim="every", task="multiclass", num_classes=5, maps_at_once=2)
    assert net.calls == 0
    next(stream)
    assert net.calls == 2, "one to see how many outputs there are, one for the first two classes"
    next(stream)
    assert net.calls == 3


def test_only_what_is_wanted_is_drawn(net: Counted) -> None:
    wanted = {("case-0", "grad_cam"), ("case-2", "grad_cam"), ("case-1", "gradient_times_input")}
    pieces = explain(net, make_batch(), wanted=lambda case, method: (case, method) in wanted)
    assert {(piece.case, piece.method) for piece in pieces} == wanted
    alone = {(piece.case, piece.method): piece.maps for piece in explain(net, make_batch())}
    for piece in pieces:
        np.testing.assert_array_equal(piece.maps, alone[piece.case, piece.method])


def test_share_inside_is_of_the_region_of_the_class(net: Counted) -> None:
    regions = torch.zeros(2, 5, 8, 8)
    regions[:, 1], regions[:, 2, :, :4], regions[:, 3] = 1, 1, torch.nan
    pieces = explain(net, make_batch(2, regions=regions), {"s": Saliency()}, aim="every", at_once=10)
    explanation = Saliency()(net, make_batch(2).images, Class(2)).attribution.detach().abs()
    for row, piece in enumerate(pieces):
        assert piece.relevance_inside[:2].tolist() == [0, 1]
        share = explanation[row, ..., :4].sum() / explanation[row].sum()
        assert piece.relevance_inside[2] == pytest.approx(float(share), rel=1e-6)
        assert np.isnan(piece.relevance_inside[3])
        np.testing.assert_array_equal(piece.regions, regions[row].numpy())


def test_equal_channels_are_shown_as_one(net: Counted) -> None:
    batch = make_batch(1)
    batch.images[:, 1] = batch.images[:, 0]
    assert explain(net, batch)[0].image.shape == (1, 8, 8)


def test_one_output_speaks_for_the_second_of_two_classes() -> None:
    net = make_net(1)
    for aim in ("predicted", 1, "every"):
        (piece,) = explain(net, make_batch(1), {"s": Saliency()}, aim=aim, task="binary", num_classes=2)
        assert piece.classes.tolist() == [1]
        assert piece.total == 1
        assert piece.logits.shape == (1,)
        assert piece.probabilities[1] == pytest.approx(1 / (1 + np.exp(-piece.logits[0])))
    with pytest.raises(SettingsError, match="class must lie in 1 to 1, got 0"):
        explain(net, make_batch(1), aim=0, task="binary", num_classes=2)
    with pytest.raises(SettingsError, match="each class an output"):
        explain(net, make_batch(1), aim="label", task="binary", num_classes=2)


@pytest.mark.parametrize("labels", [torch.tensor([0, -1, 2]), torch.rand(3, 5)])
def test_labels_that_are_not_one_class_an_image_cannot_be_explained(net: Counted, labels: Tensor) -> None:
    batch = make_batch()
    with pytest.raises(SettingsError, match="where each image has one"):
        explain(net, Batch(batch.images, labels, batch.regions, batch.cases), aim="label")


def test_a_method_that_does_not_fit_is_left_out_where_that_is_allowed() -> None:
    net = nn.Sequential(*list(make_net())[:3], nn.Flatten(), nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 5)).double()
    methods = {"cam": CAM(), "saliency": Saliency()}
    told: list[str] = []
    pieces = list(
        explain_cases(
            net,
            [make_batch(), make_batch()],
            methods,
            aim="predicted",
            task="multiclass",
            num_classes=5,
            maps_at_once=3,
            unfit=lambda method, error: told.append(f"{method}: {error}"),
        )
    )
    assert {piece.method for piece in pieces} == {"saliency"}
    assert len(pieces) == 6
    assert len(told) == 1, "and not tried again"
    assert told[0].startswith("cam: CAM needs a feature map")
    with pytest.raises(SightlineError, match="CAM needs a feature map"):
        explain(net, make_batch(), methods)


def answer(maps: Tensor) -> Callable[..., Explanation]:
    return lambda model, images, target: Explanation(torch.zeros(len(images), 5), maps, torch.zeros(len(images)).long())


def test_a_map_that_is_not_finite_is_named(net: Counted) -> None:
    maps = torch.ones(3, 1, 8, 8)
    maps[1, 0, 2, 2] = torch.inf
    with pytest.raises(DataError, match="the map by broken of case case-1 is not finite"):
        explain(net, make_batch(), {"broken": answer(maps)})


def test_too_little_memory_is_said_in_words(net: Counted) -> None:
    def exhausted(*_: object) -> Explanation:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SightlineError, match="hold fewer maps at once with a smaller batch size"):
        explain(net, make_batch(), {"large": exhausted})


def test_images_of_other_axes_are_refused(net: Counted) -> None:
    batch = make_batch(1)
    volumes = batch.images[:, :, None].expand(-1, -1, 8, -1, -1)
    with pytest.raises(ShapeError, match="the model takes images of 2 axes, but those prepared for it have 3"):
        explain(net, Batch(volumes, batch.labels, batch.regions, batch.cases))


def test_a_model_of_other_classes_is_refused(net: Counted) -> None:
    with pytest.raises(ShapeError, match="one for each class of the cohort"):
        explain(net, make_batch(), num_classes=4)
