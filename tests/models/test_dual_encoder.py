from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataNotFoundError, ShapeError
from sightline.guidance.model_parts import output_of
from sightline.models.build import ModelSettings, build_model
from sightline.models.densenet import DenseNet, densenet201
from sightline.models.dual_encoder import DualEncoder, dual_encoder
from sightline.models.weights import save_weights

from .test_mt_unet import PLANES, conv, gated, plain

TINY = {"block_config": (1, 1, 1, 1), "width": 4}


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 1, 64, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_parameters_follow_from_the_layer_table() -> None:
    with torch.device("meta"):
        model = dual_encoder(3, in_channels=1)
    dense = 20_013_928 - 1000 * 1921 + 3 * 1921 - 2 * 64 * 49  # torchvision's, with 3 classes and 1 channel
    encoder = sum(map(gated, [1, *PLANES[:-1]], PLANES))
    steps = [(1920, 1024, 512), (512, 512, 256), (256, 256, 128), (128, 128, 64), (64, 64, 64)]
    decoder = sum(conv(i, o) + 2 * o + plain(skip + o, o) for i, skip, o in steps)
    saliency = conv(64, 64) + 2 * 64 + conv(64, 1, 1)
    head = (1984 + 1) * 64 + 65 * 3
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counted == {
        "encoder": encoder,
        "densenet": dense,
        "decoder": decoder,
        "saliency": saliency,
        "pool": 0,
        "classifier": head,
    }
    assert sum(counted.values()) == 66_636_871
    assert [layer.out_features for layer in model.classifier if isinstance(layer, nn.Linear)] == [64, 3]


def test_the_densenet_has_the_names_of_the_one_alone() -> None:
    with torch.device("meta"):
        model, alone = dual_encoder(1000), densenet201(1000)
    shapes = [{n: t.shape for n, t in each.state_dict().items()} for each in (model.densenet, alone)]
    assert shapes[0] == shapes[1]


@torch.no_grad()
def test_answers_are_the_paper_written_out(randomise: Callable[[nn.Module], None], x: Tensor) -> None:
    settings = ModelSettings(
        "sightline.models.dual_encoder:DualEncoder", in_channels=1, width=8, options={"block_config": (1, 1, 1, 2)}
    )
    model = build_model(settings, num_classes=3, seed=0).double().eval()
    randomise(model)
    s = model.state_dict()
    for tensor in s.values():
        if tensor.dim() == 4:
            tensor *= 3  # or the deepest maps hardly show

    def normalised(y: Tensor, conv: str, norm: str) -> Tensor:
        y = F.conv2d(y, s[f"{conv}.weight"], s[f"{conv}.bias"], padding=1)
        return F.batch_norm(
            y, *(s[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        ).clamp(min=0)

    with output_of(model.densenet.features.denseblock4) as blocks:
        dense = model.densenet.features(x).clamp(min=0)  # tested by itself
    e = model.encoder(x)  # tested by itself
    d = blocks[0]
    assert d.shape[2:] == (2, 1)
    assert 0.1 < (dense == 0).double().mean() < 0.9  # the ReLU shows
    for step in range(5):
        up = d.repeat_interleave(2, 2).repeat_interleave(2, 3)
        up = normalised(up, f"decoder.enlarge.{step}.1", f"decoder.enlarge.{step}.2")
        d, name = torch.cat([e[4 - step], up], 1), f"decoder.blocks.{step}"
        d = normalised(normalised(d, f"{name}.0", f"{name}.1"), f"{name}.3", f"{name}.4")
    maps = F.conv2d(normalised(d, "saliency.0", "saliency.1"), s["saliency.3.weight"], s["saliency.3.bias"])
    features = torch.cat([dense.mean((2, 3)), d.mean((2, 3))], 1)
    hidden = (features @ s["classifier.0.weight"].T + s["classifier.0.bias"]).clamp(min=0)
    answer = model.answer(x)
    logits = hidden @ s["classifier.3.weight"].T + s["classifier.3.bias"]
    torch.testing.assert_close(answer.logits, logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(answer.maps, maps, rtol=1e-10, atol=1e-10)
    assert answer.maps.shape == (2, 1, 64, 32)
    assert torch.equal(model(x), answer.logits)


def test_the_logits_alone_need_neither_the_map_nor_the_head_of_the_densenet() -> None:
    model = DualEncoder(2, **TINY)
    for part in (model.saliency, model.densenet.classifier):
        part.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    model(torch.rand(2, 3, 32, 32)).sum().backward()
    unused = ("saliency", "densenet.classifier")
    assert all((p.grad is None) == n.startswith(unused) for n, p in model.named_parameters())


@torch.no_grad()
def test_the_densenet_starts_from_a_file(tmp_path: Path) -> None:
    source = DenseNet(7, TINY["block_config"], width=4)
    save_weights(source, tmp_path / "colour.safetensors")
    grey = DualEncoder(3, **TINY, in_channels=1, densenet_weights=str(tmp_path / "colour.safetensors")).eval()
    x = torch.rand(1, 1, 32, 32)
    expected = source.eval().features(x.expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey.densenet.features(x), expected)
    assert grey.densenet.classifier.out_features == 3  # as initialised: the file has another number of classes
    with pytest.raises(DataNotFoundError, match="does not exist"):
        dual_encoder(3, width=2, densenet_weights=tmp_path / "missing.safetensors")


@torch.no_grad()
def test_3d_answers_of_a_stack_of_equal_slices_are_the_2d_ones(
    randomise: Callable[[nn.Module], None], embed: Callable[[nn.Module, nn.Module], None]
) -> None:
    flat, deep = DualEncoder(3, **TINY).eval(), DualEncoder(3, **TINY, dimensions=3).eval()
    randomise(flat)
    embed(flat, deep)
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    expected, found = flat.answer(images), deep.answer(images.unsqueeze(2).expand(-1, -1, 32, -1, -1))
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.maps[:, :, 9], expected.maps, rtol=1e-4, atol=1e-5)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"multiples of 32, got \(1, 3, 48, 64\)"):
        DualEncoder(2, **TINY)(torch.zeros(1, 3, 48, 64))
