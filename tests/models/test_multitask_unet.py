from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models.multitask_unet import multitask_unet

PLANES = [64, 128, 256, 512, 1024]


def block(i: int, o: int) -> int:
    return 9 * i * o + 9 * o * o + 4 * o


def test_parameters_follow_from_the_layer_table() -> None:
    with torch.device("meta"):
        model = multitask_unet(3)
    down = sum(map(block, [3, *PLANES[:-1]], PLANES))
    up = sum(4 * 2 * o * o + o + block(2 * o, o) for o in PLANES[:-1])
    head = (50_176 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 3
    assert model.classifier[0].in_features == 50_176 == 1024 * 7 * 7
    assert sum(p.numel() for p in model.parameters()) == down + up + 64 * 2 + 2 + head == 253_356_293


@torch.no_grad()
def test_answers_are_the_paper_written_out(weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]) -> None:
    model = multitask_unet(3, width=2, depth=2, in_channels=1)
    norm, s = weights(model), model.state_dict()
    images = torch.rand(2, 1, 16, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def convolved(x: Tensor, name: str) -> Tensor:
        for first in (0, 3):
            x = F.conv2d(x, s[f"unet.{name}.{first}.weight"], padding=1)
            x = F.batch_norm(x, *norm(f"unet.{name}.{first + 1}")).clamp(min=0)
        return x

    maps = [convolved(images, "down.0")]
    for stage in (1, 2):
        maps.append(convolved(F.max_pool2d(maps[-1], 2), f"down.{stage}"))
    x = F.adaptive_avg_pool2d(maps[-1], 7).flatten(1)
    for layer in (0, 3, 6):
        x = x @ s[f"classifier.{layer}.weight"].T + s[f"classifier.{layer}.bias"]
        x = x.clamp(min=0) if layer < 6 else x
    up = maps.pop()
    for step in (0, 1):
        up = F.conv_transpose2d(up, s[f"unet.enlarge.{step}.weight"], s[f"unet.enlarge.{step}.bias"], stride=2)
        up = convolved(torch.cat([maps.pop(), up], 1), f"up.{step}")
    answer = model.answer(images)
    torch.testing.assert_close(answer.logits, x)
    torch.testing.assert_close(answer.maps, F.conv2d(up, s["unet.head.weight"], s["unet.head.bias"]))


@torch.no_grad()
@pytest.mark.parametrize("size", [(33, 20), (16, 17, 18)])
def test_images_of_any_size_and_volumes_too(size: tuple[int, ...]) -> None:
    model = multitask_unet(3, width=2, in_channels=1, dimensions=len(size)).eval()
    answer = model.answer(torch.rand(2, 1, *size))
    assert answer.maps.shape == (2, 2, *size)
    assert answer.logits.shape == (2, 3)


def test_to_classify_segments_nothing_and_gives_the_same_logits() -> None:
    model, images = multitask_unet(3, width=2).eval(), torch.rand(2, 3, 32, 32)
    answer = model.answer(images)
    torch.testing.assert_close(model(images), answer.logits, rtol=0, atol=0)
    model(images).sum().backward()
    silent = [model.unet.up, model.unet.enlarge, model.unet.head]
    assert all(weight.grad is None for part in silent for weight in part.parameters())


def test_dropout_follows_the_first_two_layers_of_the_classifier() -> None:
    model = multitask_unet(3, width=2, dropout=0.5)
    assert [type(layer).__name__ for layer in model.classifier] == [
        *("Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear")
    ]
    assert {layer.p for layer in model.classifier if isinstance(layer, nn.Dropout)} == {0.5}
