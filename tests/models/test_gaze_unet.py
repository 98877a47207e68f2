from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataNotFoundError
from sightline.models.efficientnet import efficientnet_b0
from sightline.models.gaze_unet import egd_classifier, egd_unet

ENCODER = 3_595_388  # EfficientNet-B0's 5,288,548 less its head: 409,600 + 2,560 + 1,281,000
STEPS = [(320 + 112, 256), (256 + 40, 128), (128 + 24, 64), (64 + 32, 32), (32, 16)]  # in + skip, out


def test_parameters_follow_from_the_layer_table() -> None:
    with torch.device("meta"):
        unet, twin = egd_unet(3), egd_classifier(3)
    decoder = sum(9 * i * o + 9 * o * o + 4 * o for i, o in STEPS)
    head, saliency = 320 * 3 + 3, 9 * 16 + 1
    assert sum(p.numel() for p in twin.parameters()) == ENCODER + head == 3_596_351
    assert sum(p.numel() for p in unet.parameters()) == ENCODER + decoder + saliency + head == 5_840_272
    # Segmentation Models PyTorch has 6,251,469: it keeps EfficientNet's last convolution, unused, and has no classes
    assert ENCODER + 409_600 + 2_560 + decoder + saliency == 6_251_469


@torch.no_grad()
def test_the_map_is_the_table_written_out(
    images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = egd_unet(3, width=8)
    norm, state = weights(model), model.state_dict()
    images = images.double()
    *skipped, x = model.encoder(images)
    logits = x.mean((2, 3)) @ state["classifier.3.weight"].T + state["classifier.3.bias"]
    for step in range(5):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        if skipped:
            x = torch.cat([x, skipped.pop()], 1)
        for conv in (0, 3):
            name = f"decoder.blocks.{step}"
            x = F.conv2d(x, state[f"{name}.{conv}.weight"], padding=1)
            x = F.batch_norm(x, *norm(f"{name}.{conv + 1}")).clamp(min=0)
    maps = F.conv2d(x, state["saliency.weight"], state["saliency.bias"], padding=1)
    answer = model.answer(images)
    torch.testing.assert_close(answer.logits, logits)
    torch.testing.assert_close(answer.maps, maps)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (45, 70), (1, 7)])
def test_images_of_any_size(size: tuple[int, int]) -> None:
    answer = egd_unet(3, width=8).eval().answer(torch.rand(2, 3, *size))
    assert answer.maps.shape == (2, 1, *size)
    assert answer.logits.shape == (2, 3)


@torch.no_grad()
def test_volumes_too() -> None:
    model = egd_unet(3, width=4, in_channels=1, dimensions=3).eval()
    volumes = torch.rand(1, 1, 18, 33, 20)
    answer = model.answer(volumes)
    assert answer.maps.shape == (1, 1, 18, 33, 20)
    torch.testing.assert_close(model(volumes), answer.logits)


def test_to_classify_draws_nothing_and_gives_the_same_logits(images: Tensor) -> None:
    model = egd_unet(3, width=8).eval()
    answer = model.answer(images)

    def refuse(*_: object) -> None:
        raise AssertionError("drawn")

    model.decoder.register_forward_pre_hook(refuse)
    torch.testing.assert_close(model(images), answer.logits, rtol=0, atol=0)
    model(images).sum().backward()
    assert all(weight.grad is None for weight in model.decoder.parameters())


def test_the_twin_has_the_same_encoder_and_head(images: Tensor) -> None:
    unet, twin = egd_unet(3, width=8).eval(), egd_classifier(3, width=8).eval()
    missing, unexpected = twin.load_state_dict(unet.state_dict(), strict=False)
    assert not missing
    assert {name.split(".")[0] for name in unexpected} == {"decoder", "saliency"}
    torch.testing.assert_close(twin(images), unet(images), rtol=0, atol=0)


def test_dropout_acts_before_the_last_layer_and_leaves_the_map_alone(images: Tensor) -> None:
    model = egd_unet(3, width=8, dropout=1.0)
    nn.init.constant_(model.classifier[3].bias, 7.0)
    answer = model.answer(images)
    assert (answer.logits == 7).all()
    assert answer.maps.std() > 0


def test_weights_are_drawn_as_listed() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = egd_unet(3)
    decoder = model.decoder.blocks[0][0].weight  # He, uniform, by the inputs
    limit = (6 / (9 * (320 + 112))) ** 0.5
    assert decoder.abs().max().item() == pytest.approx(limit, rel=1e-3)
    head = model.classifier[3].weight  # Glorot, uniform
    assert head.abs().max().item() == pytest.approx((6 / (320 + 3)) ** 0.5, rel=0.01)
    assert not model.classifier[3].bias.any()
    assert model.saliency.weight.abs().max().item() == pytest.approx((6 / (9 * 17)) ** 0.5, rel=0.05)
    assert not model.saliency.bias.any()


@pytest.mark.parametrize("build", [egd_unet, egd_classifier])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_encoder_starts_from_the_weights_of_an_efficientnet(
    build: Callable[..., nn.Module], channels: int, tmp_path: Path
) -> None:
    source = efficientnet_b0(7, width=8)
    torch.save(source.state_dict(), tmp_path / "timm.pt")
    model = build(3, width=8, in_channels=channels, encoder_weights=tmp_path / "timm.pt")
    expected = source.state_dict()
    if channels == 1:
        expected["conv_stem.weight"] = expected["conv_stem.weight"].sum(1, keepdim=True)
    state = model.get_submodule("encoder").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())
    with pytest.raises(DataNotFoundError):
        build(3, width=8, encoder_weights=tmp_path / "none.pt")
