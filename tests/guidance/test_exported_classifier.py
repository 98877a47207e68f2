"""A classifier trained with the ISNet loss is the plain classifier with other weights, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sightline.guidance import BackgroundRelevance
from sightline.models import ModelSettings, build_model, load_weights, save_weights

KINDS: dict[str, dict[str, Any]] = {
    "original": {"variant": "original"},
    "stochastic": {"variant": "stochastic"},
    "selective": {"variant": "selective"},
    "dual": {"variant": "dual"},
    "deep": {"layers": "auto"},
    "gradient x input": {"explanation": "gradient_x_input"},
}
MODELS = {
    "densenet121": ModelSettings("densenet121", in_channels=1, width=4),
    "resnet18": ModelSettings("resnet18", in_channels=1, width=4),
    "vgg11_bn": ModelSettings("vgg11_bn", in_channels=1, width=4),
    "vit_tiny": ModelSettings("vit_tiny", in_channels=1, width=8, options={"depth": 2, "heads": 2, "image_size": 32}),
}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def train(model: nn.Module, guidance: BackgroundRelevance) -> None:
    generator = torch.Generator().manual_seed(0)
    images, regions = torch.rand(4, 1, 32, 32, generator=generator), torch.zeros(4, 1, 32, 32)
    regions[:, :, 8:24, 8:24] = 1
    for _ in range(2):
        loss = guidance(model, images, torch.tensor([0, 1, 2, 1]), regions).loss
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    weight -= 1e-3 * gradient.clamp(-1, 1)


@pytest.mark.parametrize(
    ("name", "kind"), [*(("resnet18", kind) for kind in KINDS), *((name, "stochastic") for name in MODELS)]
)
def test_the_exported_classifier_is_the_plain_one_with_the_same_logits(name: str, kind: str, tmp_path: Path) -> None:
    trained, guidance = build_model(MODELS[name], num_classes=3, seed=0), BackgroundRelevance(**KINDS[kind])
    train(trained, guidance)
    save_weights(trained, tmp_path / "model.safetensors")
    plain = build_model(MODELS[name], num_classes=3, seed=1)
    assert not load_weights(plain, tmp_path / "model.safetensors").kept
    assert [(where, type(part)) for where, part in trained.named_modules()] == [
        (where, type(part)) for where, part in plain.named_modules()
    ]
    assert not any(getattr(part, hooks) for part in trained.modules() for hooks in HOOKS)
    for kept in ("named_buffers", "named_parameters"):
        assert [where for where, _ in getattr(trained, kept)()] == [where for where, _ in getattr(plain, kept)()]
    assert [vars(part).keys() for part in trained.modules()] == [vars(part).keys() for part in plain.modules()]
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    labels, regions = torch.tensor([0, 1, 2]), torch.ones(3, 1, 32, 32)
    during = guidance.eval()(trained.eval(), images, labels, regions).logits
    with torch.inference_mode():
        answered = plain.eval()(images)
        assert torch.equal(answered, trained(images))
    if name == "vit_tiny":  # while it is explained, attention runs in its parts, whose rounding differs
        torch.testing.assert_close(answered, during)
    else:
        assert torch.equal(answered, during)
