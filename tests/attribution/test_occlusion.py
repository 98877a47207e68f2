from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Label
from sightline.attribution.occlusion import Occlusion
from sightline.errors import ShapeError


class Linear(nn.Module):
    """Whole-number or given weights over all pixels; logit 1 is logit 0 times -2."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        score = (images * self.weight).flatten(1).sum(1) + 5
        return torch.stack([score, -2 * score], 1)


def test_occlusion_by_hand() -> None:
    model = Linear(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]))
    image = torch.tensor([[[1.0, 1.0, -1.0, 0.0, 2.0]]])  # parts 1, 2, -3, 0, 10
    explanation = Occlusion(window=2, stride=1)(model, image, EveryClass())  # drops 3, -1, -3, 10
    expected = [3, (3 - 1) / 2, (-1 - 3) / 2, (-3 + 10) / 2, 10]
    assert explanation.attribution.tolist() == [[[expected], [[-2 * drop for drop in expected]]]]
    assert explanation.logits.tolist() == [[15, -30]]
    cut = Occlusion(window=3, stride=2)(model, image, Class(0)).attribution  # windows 0 to 2 and 2 to 4, drops 0 and 7
    assert cut.tolist() == [[[0, 0, 3.5, 7, 7]]]
    cut = Occlusion(window=2, stride=2)(model, image, Class(0)).attribution  # the last window is cut off at the border
    assert cut.tolist() == [[[3, 3, -3, -3, 10]]]
    assert Occlusion(window=5, stride=9)(model, image, Class(0)).attribution.tolist() == [[[10] * 5]]


def test_hidden_pixels_take_the_value_or_the_mean_of_their_channel() -> None:
    model = Linear(torch.tensor([[1.0, 2.0], [10.0, 20.0]]))
    image = torch.tensor([[[1.0, 3.0], [0.0, 8.0]]])  # means 2 and 4
    maps = [Occlusion(1, 1, value)(model, image, Class(0)).attribution.tolist() for value in (1.0, "mean")]
    assert maps[0] == [[[(1 - 1) + 10 * (0 - 1), 2 * (3 - 1) + 20 * (8 - 1)]]]
    assert maps[1] == [[[(1 - 2) + 10 * (0 - 4), 2 * (3 - 2) + 20 * (8 - 4)]]]


@given(st.data())
@settings(max_examples=20)
def test_the_map_of_a_linear_model_is_the_mean_of_windowed_sums(data: st.DataObject) -> None:
    sides = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    window = tuple(data.draw(st.integers(1, side)) for side in sides)
    stride = tuple(data.draw(st.integers(1, width)) for width in window)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    weight, image = torch.randn(2, 2, *sides, generator=generator, dtype=torch.float64)
    parts = (weight * image).sum(0)
    total, count = torch.zeros_like(parts), torch.zeros_like(parts)
    corners = [range(0, side - width + step, step) for side, width, step in zip(sides, window, stride, strict=True)]
    for corner in torch.cartesian_prod(*map(torch.tensor, corners)).view(-1, len(sides)).tolist():
        place = tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))
        total[place] += parts[place].sum()
        count[place] += 1
    assert count.min() >= 1
    found = Occlusion(window, stride, batch_size=5)(Linear(weight), image[None], Class(0)).attribution
    torch.testing.assert_close(found[0, 0], total / count)


def captum_occlusion(model: nn.Module, images: Tensor, labels: Tensor, ours: Occlusion) -> Tensor:
    """What captum has; it divides by the number of windows in float32, which is done here in float64."""
    captum = pytest.importorskip("captum.attr")
    window, strides = (images.shape[1], *ours.window), (images.shape[1], *ours.stride)
    theirs = captum.Occlusion(model)
    rounded = theirs.attribute(images, window, strides, ours.value, labels, perturbations_per_eval=4)
    theirs.use_weights = False
    drops = theirs.attribute(images, window, strides, ours.value, labels, perturbations_per_eval=4)
    counter = captum.Occlusion(lambda images: images.flatten(1).amin(1))  # drops by 1 whatever is hidden
    counter.use_weights = False
    expected = drops / counter.attribute(torch.ones_like(images), window, strides, perturbations_per_eval=4)
    torch.testing.assert_close(rounded.double(), expected, rtol=1e-6, atol=0)
    return expected


@pytest.mark.parametrize(("window", "stride"), [((3, 3), (2, 2)), ((4, 2), (3, 1)), ((8, 5), (1, 5)), ((1, 1), (1, 1))])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_occlusion_equals_that_of_captum(
    make_net: Callable[..., nn.Module],
    make_images: Callable[..., Tensor],
    window: tuple[int, int],
    stride: tuple[int, int],
    value: float,
) -> None:
    net, images, labels, method = make_net(), make_images(), torch.tensor([2, 0, 1]), Occlusion(window, stride, value)
    expected = captum_occlusion(net, images, labels, method)
    found = method(net, images, Label(labels)).attribution
    torch.testing.assert_close(found.expand_as(expected), expected, rtol=0, atol=1e-10)


def test_occlusion_of_volumes_equals_that_of_captum(make_images: Callable[..., Tensor]) -> None:
    net = nn.Sequential(nn.Conv3d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 3 * 4 * 2, 2)).double()
    volumes, labels, method = make_images(2, 2, 5, 6, 4), torch.tensor([1, 0]), Occlusion((2, 3, 2), (1, 2, 2))
    expected = captum_occlusion(net, volumes, labels, method)
    found = method(net, volumes, Label(labels)).attribution
    torch.testing.assert_close(found.expand_as(expected), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("sides", "windows"), [((224,), 15), ((100, 7), 16 * 7), ((16, 3, 9), 15 * 3 * 8)])
def test_by_default_a_window_is_an_eighth_of_the_side_and_a_stride_half_of_that(
    sides: tuple[int, ...], windows: int
) -> None:
    counts: list[int] = []
    model, image = Linear(torch.ones(1, *sides)), torch.ones(1, 1, *sides)
    explanation = Occlusion(progress=lambda done, total: counts.append(total))(model, image, Class(0))
    assert counts[0] == windows + 1
    area = torch.tensor([-(-side // 8) for side in sides]).prod()
    assert explanation.attribution.max() == area  # of a window that is not cut off


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 9}, r"window must fit into images of \(8, 8\) pixels, got \(9, 9\)"),
        ({"window": (2, 2, 2)}, r"window must have a length for each of the 2 spatial axes, got \(2, 2, 2\)"),
        ({"stride": (2,)}, r"stride must have a length for each of the 2 spatial axes, got \(2,\)"),
        ({"window": 2, "stride": 3}, r"stride must be at most the window \(2, 2\), .* got \(3, 3\)"),
    ],
)
def test_windows_that_do_not_fit_are_refused(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        Occlusion(**options)(make_net(), make_images(), Class(0))
