"""The ISNet loss on a vision transformer, through the rules of attention, in float64."""

import pytest
import torch
from torch import Tensor, nn

from sightline.guidance import BackgroundRelevance
from sightline.models import ModelSettings, build_model


def network() -> nn.Module:
    """A tiny transformer of 4 x 4 patches."""
    options = {"depth": 2, "heads": 2, "patch": 4, "image_size": 16}
    return build_model(
        ModelSettings("vit_tiny", in_channels=1, width=8, options=options), num_classes=3, seed=0
    ).double()


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    regions = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    regions[:, :, 4:12, 4:12] = 1
    return images, torch.tensor([0, 2]), regions


@pytest.mark.parametrize("variant", ["original", "stochastic", "selective", "dual"])
@pytest.mark.parametrize("layers", [(), ("blocks.0",)])
def test_the_gradient_is_finite_and_that_of_the_loss(variant: str, layers: tuple[str, ...]) -> None:
    model, (images, labels, regions) = network().eval(), drawn()
    options = {"strength": 0.9, "pooled_share": 0.3, "least": 30.0, "most": 40.0, "tolerance": 0.0, "layers": layers}
    guidance = BackgroundRelevance(variant=variant, **options).eval()

    def loss() -> Tensor:
        return guidance(model, images, labels, regions).loss

    loss().backward()
    for name in (
        "patch_embed.proj.weight",
        "blocks.0.attn.qkv.weight",
        "blocks.1.mlp.fc1.weight",
        "blocks.1.norm1.weight",
    ):
        weight = model.get_parameter(name)
        assert weight.grad is not None
        assert weight.grad.isfinite().all()
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        values = []
        with torch.no_grad():
            direction /= direction.norm()
            for step in (1e-7, -2e-7):  # the loss has kinks nearby
                weight.add_(direction, alpha=step)
                values.append(float(loss()))
            weight.add_(direction, alpha=1e-7)
        slope = float((weight.grad * direction).sum())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-7, rel=1e-5, abs=1e-8), name


def test_training_on_the_maps_moves_relevance_into_the_region() -> None:
    model, (images, labels, regions) = network().float(), drawn()
    images, regions = images.float(), regions.float()
    guidance = BackgroundRelevance(strength=0.9)
    outside = []
    for _ in range(50):
        guided = guidance(model, images, labels, regions)
        weights = list(model.parameters())
        gradients = torch.autograd.grad(guided.loss, weights)
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= 0.1 * gradient / norm
        outside.append(float(guided.parts["outside"]))
    assert outside[-1] < 0.8 * outside[0]
