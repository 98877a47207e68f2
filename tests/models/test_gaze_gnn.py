from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, CompositeLRP, Predicted, Saliency
from sightline.errors import SettingsError, ShapeError
from sightline.models.gaze_gnn import PyramidViG, gaze_gnn, gaze_of_nodes, pvig_ti
from sightline.models.graph_blocks import place_bias
from sightline.models.weights import save_weights

# entries of the state dict, digest of their names and shapes: of the public Pyramid ViG-Ti, 10.7 M in its paper
PUBLIC = (484, "1dbd68fef1b00c84")


@pytest.fixture
def gazed() -> Tensor:
    """Two images `(2, 4, 64, 64)`, the last channel a few points of gaze."""
    images = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(1))
    images[:, 3] = (images[:, 3] > 0.99).float()
    return images


def test_state_dict_has_the_public_names_and_shapes(fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = pvig_ti(1000)
    assert (len(model.state_dict()), fingerprint(model)) == PUBLIC


def test_parameters_are_those_of_the_layer_table() -> None:
    def convolution(read: int, out: int, side: int = 1, groups: int = 1) -> int:
        return read // groups * out * side**2 + out

    def norm(channels: int) -> int:
        return 2 * channels

    widths, depths = (48, 96, 240, 384), (2, 2, 6, 2)
    count = convolution(3, 24, 3) + convolution(24, 48, 3) + convolution(48, 48, 3) + norm(24) + 2 * norm(48)
    count += 48 * 56**2  # places
    for stage, (c, depth) in enumerate(zip(widths, depths, strict=True)):
        count += convolution(widths[stage - 1], c, 3) + norm(c) if stage else 0
        grapher = convolution(c, c) + convolution(2 * c, 2 * c, groups=4) + convolution(2 * c, c) + 2 * norm(c)
        forward = convolution(c, 4 * c) + convolution(4 * c, c) + norm(4 * c) + norm(c)
        count += depth * (grapher + norm(2 * c) + forward)
    count += convolution(384, 1024) + norm(1024)
    with torch.device("meta"):
        plain, gaze = pvig_ti(1000), gaze_gnn(3)
    assert sum(p.numel() for p in plain.parameters()) == count + convolution(1024, 1000) == 10_714_376
    assert sum(p.numel() for p in gaze.parameters()) == count + convolution(1024, 3) + norm(1) == 9_692_453


@torch.no_grad()
def test_logits_are_the_paper_written_out(
    images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = pvig_ti(4, width=8)
    nn.init.normal_(model.pos_embed)
    norm, state = weights(model), model.state_dict()

    def normalised(x: Tensor, name: str, *, groups: int = 1, **options: int) -> Tensor:
        convolution, _, index = name.rpartition(".")
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], groups=groups, **options)
        return F.batch_norm(x, *norm(f"{convolution}.{int(index) + 1}"))

    def grapher(x: Tensor, name: str, reduced: int, dilation: int) -> Tensor:
        nodes = normalised(x, f"{name}.fc1.0")
        y = F.avg_pool2d(nodes, reduced).flatten(2)
        one, other = (F.normalize(of, dim=1).transpose(1, 2) for of in (nodes.flatten(2), y))
        distances = torch.cdist(one, other) ** 2 + place_bias(x.shape[1], (x.shape[2], x.shape[3]), reduced)
        kept = min(9, y.shape[2])
        order = distances.argsort(2)[:, :, :: min(dilation, y.shape[2] // kept)][:, :, :kept]
        flat, relative = nodes.flatten(2), torch.empty_like(nodes.flatten(2))
        for image in range(len(x)):
            for node in range(flat.shape[2]):
                chosen = y[image][:, order[image, node]]
                relative[image, :, node] = (chosen - flat[image, :, node, None]).max(1).values
        pairs = torch.stack((flat, relative), 2).reshape(len(x), -1, *x.shape[2:])  # a channel and its relative in turn
        pairs = F.gelu(normalised(pairs, f"{name}.graph_conv.gconv.nn.0", groups=4))
        return x + normalised(pairs, f"{name}.fc2.0")

    x = F.gelu(normalised(images.double(), "stem.convs.0", stride=2, padding=1))
    x = F.gelu(normalised(x, "stem.convs.3", stride=2, padding=1))
    x = normalised(x, "stem.convs.6", padding=1)
    x = x + F.interpolate(state["pos_embed"], size=(16, 16), mode="bicubic", align_corners=False)
    block = part = 0
    for stage, depth in enumerate((2, 2, 6, 2)):
        if stage:
            x = normalised(x, f"backbone.{part}.conv.0", stride=2, padding=1)
            part += 1
        for _ in range(depth):
            x = grapher(x, f"backbone.{part}.0", (4, 2, 1, 1)[stage], block // 4 + 1)
            x = x + normalised(F.gelu(normalised(x, f"backbone.{part}.1.fc1.0")), f"backbone.{part}.1.fc2.0")
            block, part = block + 1, part + 1
    x = F.gelu(normalised(x.mean((2, 3), keepdim=True), "prediction.0"))
    x = F.conv2d(x, state["prediction.4.weight"], state["prediction.4.bias"]).flatten(1)
    torch.testing.assert_close(model(images.double()), x)


def test_a_node_takes_the_gaze_of_its_patch_scaled_by_the_image(gazed: Tensor) -> None:
    gazed[1, 3] *= 7
    drawn = gaze_of_nodes(gazed)
    for image, found in zip(gazed[:, 3], drawn[:, 0], strict=True):
        sums = torch.empty(16, 16)
        for i in range(16):
            for j in range(16):
                sums[i, j] = image[max(4 * i - 7, 0) : 4 * i + 7, max(4 * j - 7, 0) : 4 * j + 7].sum()
        torch.testing.assert_close(found, (sums - sums.min()) / (sums.max() - sums.min()))


def test_an_image_without_gaze_is_answered_from_the_image_alone(gazed: Tensor) -> None:
    """GazeGNN's code divides 0 by 0 there."""
    gazed[:, 3] = 0
    assert (gaze_of_nodes(gazed) == 0).all()
    model, plain = gaze_gnn(3, width=8).eval(), pvig_ti(3, width=8).eval()
    missing = plain.load_state_dict({k: v for k, v in model.state_dict().items() if "gaze" not in k})
    assert not missing.missing_keys
    torch.testing.assert_close(model(gazed), plain(gazed[:, :3]))


def test_weights_of_the_graph_network_are_where_gaze_gnn_starts(tmp_path: Path) -> None:
    published = pvig_ti(7, width=8)
    save_weights(published, tmp_path / "vig.safetensors")
    first, last = "stem.convs.0.weight", "prediction.4"
    for channels in (1, 3):
        model = gaze_gnn(3, width=8, in_channels=channels + 1, vig_weights=str(tmp_path / "vig.safetensors"))
        started = model.state_dict()
        for name, tensor in published.state_dict().items():
            if name == first and channels == 1:
                torch.testing.assert_close(started[name], tensor.sum(1, keepdim=True))
            elif not name.startswith(last):  # that of other classes
                assert torch.equal(started[name], tensor), name


def test_gaze_moves_the_answer_and_that_of_its_own_image_alone(gazed: Tensor) -> None:
    model = gaze_gnn(3, width=8).eval()
    looked_elsewhere = gazed.clone()
    looked_elsewhere[0, 3] = gazed[0, 3].flip(1)
    before, after = model(gazed), model(looked_elsewhere)
    assert not torch.allclose(before[0], after[0])
    torch.testing.assert_close(before[1], after[1])


def test_gradients_reach_every_weight_and_the_gaze(gazed: Tensor) -> None:
    model, images = gaze_gnn(3, width=8), gazed.requires_grad_()
    model(images).square().sum().backward()
    assert images.grad is not None
    assert (images.grad[:, 3] != 0).any()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize("size", [(32, 32), (96, 64), (224, 224)])
def test_any_multiple_of_32_pixels_is_answered(size: tuple[int, int]) -> None:
    images = torch.rand(2, 4, *size, generator=torch.Generator().manual_seed(0))
    assert gaze_gnn(3, width=4)(images).isfinite().all()


@pytest.mark.parametrize("explainer", [LRP(), LRP(epsilon=1e-2, input_rule="zb"), CompositeLRP(), Saliency()])
def test_explanations_reach_the_image_and_the_gaze(gazed: Tensor, explainer: LRP | CompositeLRP | Saliency) -> None:
    model = gaze_gnn(3, width=8).eval()
    explanation = explainer(model, gazed, Predicted())
    torch.testing.assert_close(explanation.logits, model(gazed))
    assert explanation.attribution.shape == gazed.shape
    assert explanation.attribution.isfinite().all()
    assert (explanation.attribution.abs().sum((2, 3)) > 0).all()


def test_relevance_is_conserved_where_nothing_but_the_image_speaks(images: Tensor) -> None:
    """Without biases and with batch statistics of 0 and 1, relevance is what is passed on but for epsilon."""
    model = pvig_ti(3, width=8).double().eval()
    explanation = LRP(epsilon=1e-9, input_rule=None)(model, images.double(), Class(0))
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), explanation.logits[:, 0], rtol=1e-5, atol=0)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError, match="width must be a multiple of 4, got 6"):
        pvig_ti(3, width=6)
    with pytest.raises(SettingsError, match="in_channels must be at least 2"):
        gaze_gnn(3, in_channels=1)
    model = PyramidViG(3, gaze=True, in_channels=2, width=4)
    message = r"images must be \(N, 2, H, W\) with H and W multiples of 32, the last of them gaze, got"
    for shape in [(1, 2, 48, 32), (1, 3, 32, 32)]:
        with pytest.raises(ShapeError, match=message):
            model(torch.rand(shape))
