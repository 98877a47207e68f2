"""What the docs say of methods and of weights that they do not see, on classifiers that have learned their task.

Guided backpropagation and DeconvNet keep the map, sign and all, when the upper half of the layers is random. The signs
of gradients and of LRP-epsilon are then unrelated, and so is the order of places in Grad-CAM. Rules for positive
contributions, as in epsilon-plus, keep the magnitude. `docs/experiments/randomisation.md` has the measurement.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    CompositeLRP,
    DeconvNet,
    Explainer,
    GradCAM,
    GuidedBackpropagation,
    Label,
    Saliency,
    upsample_to,
)
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.metrics import cascading_randomisation
from sightline.metrics.correlation import spearman
from sightline.models import resnet18

Trained = tuple[nn.Module, Tensor, Tensor, str | None]  # model, images, labels, layer of Grad-CAM


def shapes(count: int, *, seed: int, side: int = 24) -> tuple[Tensor, Tensor]:
    """A disc, a cross or a ring, by class, anywhere on noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centre = torch.randint(7, side - 7, (count, 2, 1, 1), generator=generator)
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    down, across = (down - centre[:, 0]).abs(), (across - centre[:, 1]).abs()
    far = (down.square() + across.square()).sqrt()
    cross = (torch.minimum(down, across) < 2) & (torch.maximum(down, across) < 6)
    shape = torch.stack([far < 5, cross, (far > 3) & (far < 6)], 1)[torch.arange(count), labels]
    return (0.3 * torch.rand(shape.shape, generator=generator) + 0.5 * shape)[:, None], labels


def plain_cnn() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 1
    for width in (16, 32, 32):
        for _ in range(2):
            convolution = nn.Conv2d(channels, width, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
            layers += [convolution, nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


def train(model: nn.Module, images: Tensor, labels: Tensor, *, epochs: int, rate: float) -> None:
    optimiser = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * -(-len(images) // 16))
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(16):
            optimiser.zero_grad()
            F.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    model.eval()


def of_shapes(seed: int = 0) -> Trained:
    torch.manual_seed(seed)
    model = plain_cnn()
    train(model, *shapes(480, seed=seed), epochs=6, rate=3e-3)
    return model, *shapes(18, seed=seed + 1000), None


def of_phantoms(seed: int = 0) -> Trained:
    hospitals = (RIVERSIDE, HILLCREST, NORTHGATE)
    films = [render_phantom((seed, row), FINDINGS[row % 3], hospitals[row % 3], 64).image for row in range(264)]
    images = torch.stack([torch.from_numpy(film)[None] / 255 for film in films])
    labels = torch.arange(264) % 3
    torch.manual_seed(seed)
    model = resnet18(3, in_channels=1, width=8)
    train(model, images[24:], labels[24:], epochs=6, rate=2e-3)
    return model, images[:24], labels[:24], "layer3"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(of_shapes, id="plain CNN, shapes"),
        pytest.param(of_phantoms, id="ResNet-18, phantoms", marks=pytest.mark.slow),
    ],
)
def trained(request: pytest.FixtureRequest) -> Trained:
    with torch.random.fork_rng(devices=[]):
        return request.param()


def likeness(explainer: Explainer, trained: Trained, *, draws: int = 2) -> tuple[Tensor, Tensor]:
    """Rank correlation with the map of the trained model at each stage, of magnitudes and of signed maps."""
    model, images, labels, _ = trained
    magnitudes, signs = [], []
    for seed in range(draws):
        maps: list[Tensor] = []

        def explain(model: nn.Module, images: Tensor, maps: list[Tensor] = maps) -> Tensor:
            with torch.no_grad():
                maps.append(upsample_to(explainer(model, images, Label(labels)).attribution, images.shape[2:]))
            return maps[-1]

        magnitudes.append(cascading_randomisation(explain, model, images, seed=seed).similarity.nanmean(1))
        signs.append(torch.stack([spearman(maps[0].flatten(1), after.flatten(1)).nanmean() for after in maps[1:]]))
    return torch.stack(magnitudes).mean(0), torch.stack(signs).mean(0)


def upper_half(stages: Tensor) -> float:
    return float(stages[len(stages) // 2 - 1])


def test_the_classifier_has_learned(trained: Trained) -> None:
    model, images, labels, _ = trained
    assert (model(images).argmax(1) == labels).double().mean() > 0.9


@pytest.mark.parametrize("explainer", [Saliency(), LRP(), CompositeLRP("epsilon")], ids=["saliency", "lrp", "epsilon"])
def test_gradients_and_lrp_change_when_the_upper_half_is_random(explainer: Explainer, trained: Trained) -> None:
    magnitude, sign = likeness(explainer, trained)
    assert abs(upper_half(sign)) < 0.4
    assert upper_half(magnitude) < 0.75


def test_grad_cam_changes_when_the_upper_half_is_random(trained: Trained) -> None:
    _, sign = likeness(GradCAM(trained[-1]), trained)
    assert upper_half(sign) < 0.5


@pytest.mark.parametrize(("explainer", "least"), [(GuidedBackpropagation(), 0.8), (DeconvNet(), 0.4)])
def test_guided_backpropagation_and_deconvnet_stay_when_the_upper_half_is_random(
    explainer: Explainer, least: float, trained: Trained
) -> None:
    _, sign = likeness(explainer, trained)
    assert upper_half(sign) > least


def test_positive_contributions_alone_keep_their_magnitude(trained: Trained) -> None:
    magnitude, _ = likeness(CompositeLRP("epsilon_plus"), trained)
    assert upper_half(magnitude) > 0.75
