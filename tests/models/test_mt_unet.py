from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import ShapeError
from sightline.models.build import ModelSettings, build_model
from sightline.models.mt_unet import MTUNet, mt_unet, res_se_unet

PLANES = [64, 128, 256, 512, 1024]


def conv(i: int, o: int, side: int = 3) -> int:
    return (side * side * i + 1) * o


def plain(i: int, o: int) -> int:
    return conv(i, o) + conv(o, o) + 4 * o


def gated(i: int, o: int) -> int:
    return 2 * conv(i, o) + conv(o, o) + 4 * o + 2 * o * (o // 16)


@pytest.mark.parametrize(("build", "block", "count"), [(mt_unet, plain, 34_632_836), (res_se_unet, gated, 41_076_868)])
def test_parameters_follow_from_the_layer_table(
    build: Callable[..., MTUNet], block: Callable[[int, int], int], count: int
) -> None:
    with torch.device("meta"):
        model = build(3, in_channels=1)
    encoder = sum(map(block, [1, *PLANES[:-1]], PLANES))
    steps = [(1024, 512), (512, 256), (256, 128), (128, 64)]
    decoder = sum(conv(i, o) + 2 * o + plain(2 * o, o) for i, o in steps)
    saliency = conv(64, 64) + 2 * 64 + conv(64, 1, 1)
    head = (1024 + 64 + 1) * 64 + 65 * 3
    assert sum(p.numel() for p in model.parameters()) == encoder + decoder + saliency + head == count


@torch.no_grad()
def test_answers_are_the_paper_written_out(randomise: Callable[[nn.Module], None]) -> None:
    model = build_model(ModelSettings("mt_unet", in_channels=1, width=4), num_classes=3, seed=0).double().eval()
    randomise(model)
    s = model.state_dict()
    images = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def normalised(x: Tensor, conv: str, norm: str) -> Tensor:
        y = F.conv2d(x, s[f"{conv}.weight"], s[f"{conv}.bias"], padding=1)
        parts = (s[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(y, *parts).clamp(min=0)

    def block(x: Tensor, name: str) -> Tensor:
        return normalised(normalised(x, f"{name}.0", f"{name}.1"), f"{name}.3", f"{name}.4")

    e = [block(images, "encoder.stages.0")]
    for stage in range(1, 5):
        e.append(block(F.max_pool2d(e[-1], 2), f"encoder.stages.{stage}"))
    d = e[4]
    for step in range(4):
        up = d.repeat_interleave(2, 2).repeat_interleave(2, 3)
        up = normalised(up, f"decoder.enlarge.{step}.1", f"decoder.enlarge.{step}.2")
        d = block(torch.cat([e[3 - step], up], 1), f"decoder.blocks.{step}")
    maps = normalised(d, "saliency.0", "saliency.1")
    maps = F.conv2d(maps, s["saliency.3.weight"], s["saliency.3.bias"])
    features = torch.cat([e[4].mean((2, 3)), d.mean((2, 3))], 1)
    hidden = (features @ s["classifier.0.weight"].T + s["classifier.0.bias"]).clamp(min=0)
    logits = hidden @ s["classifier.3.weight"].T + s["classifier.3.bias"]
    answer = model.answer(images)
    torch.testing.assert_close(answer.logits, logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(answer.maps, maps, rtol=1e-10, atol=1e-10)
    assert answer.maps.shape == (2, 1, 32, 48)
    assert torch.equal(model(images), answer.logits)


@pytest.mark.parametrize("build", [mt_unet, res_se_unet])
def test_the_logits_alone_need_no_map(build: Callable[..., MTUNet]) -> None:
    model = build(2, width=2)
    model.saliency.register_forward_pre_hook(lambda *_: pytest.fail("the map was drawn"))
    model(torch.rand(1, 3, 16, 32)).sum().backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if not n.startswith("saliency"))


@torch.no_grad()
@pytest.mark.parametrize("build", [mt_unet, res_se_unet])
def test_3d_answers_of_a_stack_of_equal_slices_are_the_2d_ones(
    build: Callable[..., MTUNet],
    randomise: Callable[[nn.Module], None],
    embed: Callable[[nn.Module, nn.Module], None],
) -> None:
    flat, deep = build(3, width=2).eval(), build(3, width=2, dimensions=3).eval()
    randomise(flat)
    embed(flat, deep)
    images = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(1))
    expected, found = flat.answer(images), deep.answer(images.unsqueeze(2).expand(-1, -1, 16, -1, -1))
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.maps[:, :, 7], expected.maps, rtol=1e-4, atol=1e-5)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"multiples of 16, got \(1, 3, 16, 24\); resize or pad them$"):
        mt_unet(2, width=2)(torch.zeros(1, 3, 16, 24))


def test_nothing_is_written_in_place() -> None:
    assert not any(getattr(layer, "inplace", False) for layer in res_se_unet(2, width=2).modules())
