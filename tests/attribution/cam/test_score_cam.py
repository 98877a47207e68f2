import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Predicted, Selection, Target
from sightline.attribution.cam import ScoreCAM
from sightline.errors import SettingsError


class Watches(nn.Module):
    """Counts the images of each forward pass."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.counts = net, []

    def forward(self, images: Tensor) -> Tensor:
        self.counts.append((len(images), self.training, torch.is_grad_enabled()))
        return self.net(images)


def test_score_cam_by_hand(flat: type[nn.Module]) -> None:
    images = torch.tensor([[[0.0, 1.0, 4.0], [6.0, 2.0, 4.0], [5.0, 5.0, 5.0]]], dtype=torch.float64)
    weight = torch.tensor([[[1.0, -2.0, 0.5], [0.5, 1.0, -1.0], [0.25, 1.0, 2.0]]], dtype=torch.float64)
    masks = torch.tensor([[0, 1 / 4, 1], [1, 0, 1 / 2], [0, 0, 0]], dtype=torch.float64)  # the last one is flat
    scores = torch.stack([(weight * images * mask).sum() for mask in masks])
    alpha = scores.softmax(0)
    expected = (alpha[:, None] * images[0]).sum(0)
    explanation = ScoreCAM("features")(flat(weight), images, Class(0))
    torch.testing.assert_close(explanation.attribution[0, 0], expected)
    negative = ScoreCAM("features", rectify=False)(flat(weight), -images, Class(0)).attribution
    assert (negative <= 0).all()
    assert negative.any()
    assert not ScoreCAM("features")(flat(weight), -images, Class(0)).attribution.any()


def test_a_feature_map_is_enlarged_before_its_values_are_brought_to_0_to_1() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.fc = nn.AvgPool1d(2), nn.Linear(6, 1).double()

        def forward(self, images: Tensor) -> Tensor:
            return self.fc(self.pool(images).flatten(1))

    model = Two()
    images = torch.tensor(
        [[[0.0, 0, 2, 2, 0, 0], [1, 1, 1, 1, 3, 3]]], dtype=torch.float64
    )  # pooled (0, 2, 0), (1, 1, 3)
    # enlarged (0, 1/2, 3/2, 3/2, 1/2, 0), (1, 1, 1, 3/2, 5/2, 3)
    masks = torch.tensor([[0, 1 / 3, 1, 1, 1 / 3, 0], [0, 0, 0, 1 / 4, 3 / 4, 1]], dtype=torch.float64)
    alpha = torch.cat([model(images * mask) for mask in masks]).softmax(0)
    expected = (alpha * torch.tensor([[0, 2, 0], [1, 1, 3]])).sum(0)
    torch.testing.assert_close(ScoreCAM("pool")(model, images, Class(0)).attribution[0, 0], expected)


def test_a_baseline_changes_no_weight(pooled: type[nn.Module], make_images: Callable[..., Tensor]) -> None:
    class Shifted(nn.Module):
        """Subtracts the scores of a black image."""

        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net
            self.black = net(torch.zeros(1, 2, 8, 8, dtype=torch.float64)).detach()

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images) - self.black

    net, images = pooled(), make_images()
    plain = ScoreCAM("features")(net, images, Class(1)).attribution
    torch.testing.assert_close(ScoreCAM("net.features")(Shifted(net), images, Class(1)).attribution, plain)


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_the_size_of_a_chunk_changes_nothing_but_the_memory(
    pooled: type[nn.Module], make_images: Callable[..., Tensor], batch_size: int
) -> None:
    model, images = Watches(pooled()).train(), make_images()  # 3 images of 4 feature maps
    expected = ScoreCAM("net.features")(model, images, EveryClass()).attribution
    model.counts.clear()
    explanation = ScoreCAM("net.features", batch_size=batch_size)(model, images, EveryClass())
    torch.testing.assert_close(explanation.attribution, expected)
    (first, *further) = model.counts
    assert first == (3, True, True)
    assert sum(count for count, _, _ in further) == 12
    assert all(count <= batch_size and not training for count, training, _ in further)
    model.counts.clear()
    with torch.no_grad():
        ScoreCAM("net.features", batch_size=batch_size)(model, images, EveryClass())
    assert not any(grad for _, _, grad in model.counts[1:])


def test_further_passes_explain_the_class_of_the_first(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net(seed=2), make_images()
    predicted = ScoreCAM()(net, images, Predicted())
    every = ScoreCAM()(net, images, EveryClass()).attribution
    torch.testing.assert_close(predicted.attribution, every[torch.arange(3), predicted.target])


def test_images_do_not_mix(make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]) -> None:
    net, images = make_net(), make_images()
    together = ScoreCAM(batch_size=4)(net, images, Class(0)).attribution
    for n in range(3):
        alone = ScoreCAM()(net, images[n : n + 1], Class(0)).attribution
        torch.testing.assert_close(alone, together[n : n + 1])


def test_running_statistics_see_the_images_alone(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net().train(), make_images()
    reference = copy.deepcopy(net)
    ScoreCAM()(net, images, Class(0))
    reference(images)
    for ours, expected in zip(net.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(ours, expected)
    assert all(part.training for part in net.modules())


def test_options_and_targets_that_cannot_be_are_refused(
    pooled: type[nn.Module], make_images: Callable[..., Tensor]
) -> None:
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        ScoreCAM(batch_size=0)

    class Once(Target):
        def select(self, logits: Tensor) -> Selection:
            return Selection(logits[None, :, 0])

    with pytest.raises(SettingsError, match="classifies changed images"):
        ScoreCAM()(pooled(), make_images(), Once())
