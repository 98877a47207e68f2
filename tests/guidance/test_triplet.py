import pytest
import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import Triplet, TripletSettings, make_guidance, triplet_loss
from sightline.models.densenet import DenseNet
from sightline.models.dual_encoder import DualEncoder

TINY = {"block_config": (1, 1, 1, 1), "width": 4}
LABELS = torch.tensor([0, 0, 1, 1])


class Network(nn.Module):
    """Features `(N, 2, 2, 2)` are the image twice; the logits come from a head that the features do not need."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("denseblock4", nn.Conv2d(1, 2, 1))
        self.head = nn.Linear(8, 2)
        nn.init.ones_(self.features.denseblock4.weight)
        nn.init.zeros_(self.features.denseblock4.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


@pytest.fixture
def images() -> Tensor:
    return torch.tensor([[0.0, 0, 0, 0], [1, 1, 1, 1], [0, 2, 0, 2], [0, 0, 4, 4]]).reshape(4, 1, 2, 2)


def test_pooled_features_by_hand(images: Tensor) -> None:
    # means 0, 1, 1, 2 in two channels: i = 0: 1, j = 1, k = 2, 3: distances 1 - 1 and 1 - 2, times sqrt(2)
    guided = Triplet()(Network(), images, LABELS, torch.ones(4, 1, 2, 2))
    near_far = [(1, 1), (1, 2), (1, 0), (1, 1), (1, 1), (1, 0), (1, 2), (1, 1)]
    expected = [max(0.0, (near - far) * 2**0.5 + 1) for near, far in near_far]
    assert guided.loss.item() == pytest.approx(sum(expected) / 8)
    assert guided.parts["triplet"] == guided.loss
    assert guided.parts.keys() == {"classification", "triplet"}


def test_lines_of_the_map_by_hand(images: Tensor) -> None:
    settings = TripletSettings(embedding="map_lastdim", reduction="sum", margin=0.5)
    guided = Triplet(settings)(Network(), images, LABELS, torch.ones(4, 1, 2, 2))
    lines = images[:, 0]  # both channels hold the same
    expected = triplet_loss(lines, LABELS, margin=0.5, reduction="sum")
    pooled = triplet_loss(lines.mean((1, 2))[:, None].expand(-1, 2), LABELS, margin=0.5, reduction="sum")
    torch.testing.assert_close(guided.loss, expected)
    assert guided.loss != pooled


def test_tokens_are_pooled_over_their_number(images: Tensor) -> None:
    class Tokens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).transpose(1, 2).expand(-1, -1, 2)  # (N, T, D)

    model = nn.Sequential(Tokens(), nn.Flatten(), nn.Linear(8, 2))
    guided = Triplet(layer="0")(model, images, LABELS, torch.ones(4, 1, 2, 2))
    torch.testing.assert_close(guided.loss, Triplet()(Network(), images, LABELS, torch.ones(4, 1, 2, 2)).loss)


def test_it_reaches_the_features_and_neither_the_head_nor_the_labels(images: Tensor) -> None:
    model = Network()
    guided = Triplet()(model, images, LABELS, torch.ones(4, 1, 2, 2))
    guided.loss.backward()
    assert model.features.denseblock4.weight.grad.abs().sum() > 0
    assert model.features.denseblock4.bias.grad.abs().max() < 1e-6  # it moves all alike
    assert model.head.weight.grad is None
    assert guided.logits.requires_grad
    assert not any(part.requires_grad for part in guided.parts.values())
    torch.testing.assert_close(
        guided.parts["classification"], nn.functional.cross_entropy(guided.logits, LABELS).detach()
    )
    assert not model.features.denseblock4._forward_hooks


def test_a_batch_of_one_class_costs_nothing_and_is_not_measured(images: Tensor) -> None:
    model = Network()
    guided = Triplet()(model, images, torch.zeros(4, dtype=torch.int64), torch.ones(4, 1, 2, 2))
    guided.loss.backward()
    assert guided.loss == 0
    assert guided.parts["triplet"].isnan()
    assert (model.features.denseblock4.weight.grad == 0).all()


def test_permuting_the_images_changes_nothing_and_regions_are_not_looked_at(images: Tensor) -> None:
    model, order = Network(), torch.tensor([2, 0, 3, 1])
    first = Triplet()(model, images, LABELS, torch.ones(4, 1, 2, 2))
    second = Triplet()(model, images[order], LABELS[order], torch.full((4, 1, 2, 2), float("nan")))
    torch.testing.assert_close(second.loss, first.loss)
    torch.testing.assert_close(second.logits, first.logits[order])


def test_a_part_runs_alone() -> None:
    model = DualEncoder(2, **TINY)
    for name in ("encoder", "decoder", "classifier"):
        model.get_submodule(name).register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    images = torch.rand(4, 3, 32, 32)
    guided = Triplet(part="densenet")(model, images, LABELS, torch.ones(4, 1, 32, 32))
    guided.loss.backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {
        f"densenet.features.{n}" for n, _ in model.densenet.features.named_parameters() if not n.startswith("norm5")
    }
    alone = DenseNet(2, TINY["block_config"], width=4)
    alone.load_state_dict(model.densenet.state_dict())
    torch.testing.assert_close(Triplet()(alone, images, LABELS, torch.ones(4, 1, 32, 32)).loss, guided.loss)


def test_parts_and_layers_that_are_not_there_are_refused(images: Tensor) -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.unused, self.head = Pair(), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.head(self.pair(x)[0].flatten(1))
            return logits

    regions = torch.ones(4, 1, 2, 2)
    with pytest.raises(SettingsError, match=r"^part must name a part of Model, which has pair, unused, head; got 'x'"):
        Triplet(part="x", layer="pair")(Model(), images, LABELS, regions)
    with pytest.raises(SettingsError, match=r"^layer must name a part of Model"):
        Triplet(layer="")(Model(), images, LABELS, regions)
    with pytest.raises(SettingsError, match=r"^layer must name a part of Model"):
        Triplet()(Model(), images, LABELS, regions)
    with pytest.raises(SettingsError, match=r"^layer must answer with features .*; pair gave tuple$"):
        Triplet(layer="pair")(Model(), images, LABELS, regions)
    with pytest.raises(SettingsError, match=r"^layer must answer with features .*; unused gave nothing$"):
        Triplet(layer="unused")(Model(), images, LABELS, regions)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"embedding": "max"}, "embedding must be one of pooled, map_lastdim, got 'max'"),
        ({"reduction": "max"}, "reduction must be one of mean, sum, got 'max'"),
        ({"margin": -1.0}, "margin must be at least 0, got -1.0"),
        ({"p": 0.5}, "p must be at least 1, got 0.5"),
    ],
)
def test_settings_are_checked(options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{words}$"):
        TripletSettings(**options)  # type: ignore[arg-type]


def test_settings_make_it() -> None:
    assert isinstance(make_guidance(TripletSettings()), Triplet)
