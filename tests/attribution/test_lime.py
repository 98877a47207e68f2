import builtins
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Label
from sightline.attribution.lime import LIME, ridge_solution, slic_segments
from sightline.errors import MissingExtraError, SettingsError, ShapeError

MakeImages = Callable[..., Tensor]


class Linear(nn.Module):
    def __init__(self, weight: Tensor, bias: float = 5.0) -> None:
        super().__init__()
        self.weight, self.bias, self.given = weight, bias, []

    def forward(self, images: Tensor) -> Tensor:
        self.given.append(images)
        score = (images * self.weight).flatten(1).sum(1) + self.bias
        return torch.stack([score, -2 * score], 1)


def shown_in(model: Linear, labels: Tensor) -> Tensor:
    """Which segments each copy of an image of ones shows."""
    copies = torch.cat(model.given[1:])[:, 0]
    return torch.stack([copies[:, labels == label].mean(1) for label in labels.unique()], 1)


def test_lime_by_hand() -> None:
    model = Linear(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64))
    image = torch.tensor([[[1.0, 1.0, -1.0, 0.0, 2.0]]], dtype=torch.float64)  # parts 1, 2, -3, 0, 10
    labels = torch.tensor([7, 7, -2, 7, 3])
    explanation = LIME(samples=50, ridge=1e-12, segmentation=labels)(model, image, EveryClass())
    expected = torch.tensor([3.0, 3.0, -3.0, 3.0, 10.0], dtype=torch.float64)
    torch.testing.assert_close(explanation.attribution[0, :, 0], torch.stack([expected, -2 * expected]))
    assert explanation.logits.tolist() == [[15, -30]]


def test_one_segment_by_hand() -> None:
    model, image = Linear(torch.tensor([3.0, 4.0])), torch.ones(1, 1, 2)  # 12 when shown, 5 when not
    labels = torch.zeros(2, dtype=torch.int64)
    options = {"samples": 64, "segmentation": labels, "seed": 1}
    LIME(**options)(model, image, Class(0))
    shown = shown_in(model, labels)
    on, off = shown.sum().item(), (1 - shown).sum().item() * np.exp(-1 / (2 * 0.5**2))  # nothing shown: distance 1
    variance = on * off / (on + off)
    found = LIME(ridge=3 * variance, kernel_width=0.5, **options)(model, image, Class(0)).attribution
    torch.testing.assert_close(found, torch.full((1, 1, 2), 7 / 4))  # variance / (variance + ridge) of the drop


@given(st.data())
def test_coefficients_of_a_linear_model_are_the_sums_over_segments(data: st.DataObject) -> None:
    sides = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    weight, image = torch.randn(2, 2, *sides, generator=generator, dtype=torch.float64)
    labels = torch.randint(data.draw(st.integers(1, 6)), sides, generator=generator)
    value = data.draw(st.sampled_from([0.0, 0.5, "mean"]))
    fill = image.flatten(1).mean(1).view(2, *[1] * len(sides)) if value == "mean" else value
    parts = (weight * (image - fill)).sum(0)
    expected = torch.zeros_like(parts)
    for label in labels.unique():
        expected[labels == label] = parts[labels == label].sum()
    method = LIME(samples=120, ridge=1e-11, segmentation=labels, value=value)
    found = method(Linear(weight), image[None], Class(0)).attribution[0, 0]
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 30.0])
def test_the_solver_is_scikit_learns_ridge_with_weights(ridge: float) -> None:
    rng = np.random.default_rng(0)
    x, y, weights = rng.standard_normal((40, 7)), rng.standard_normal((40, 2)), rng.uniform(0, 2, 40)
    expected = Ridge(alpha=ridge).fit(x, y, sample_weight=weights).coef_
    found = ridge_solution(torch.from_numpy(x), torch.from_numpy(weights), ridge).T @ torch.from_numpy(y)
    np.testing.assert_allclose(found.T, expected, rtol=0, atol=1e-8)


def test_the_map_is_scikit_learns_ridge_on_what_the_model_answered(
    make_net: Callable[..., nn.Module], make_images: MakeImages
) -> None:
    net, images = make_net(), make_images()
    labels = torch.arange(64).view(8, 8) // 6  # 11 segments
    method = LIME(samples=60, ridge=0.7, kernel_width=0.4, segmentation=labels, batch_size=25, value=0.2)
    probe = Linear(torch.ones(8, 8, dtype=torch.float64))
    LIME(samples=60, segmentation=labels)(probe, torch.ones(1, 1, 8, 8, dtype=torch.float64), Class(0))
    shown = shown_in(probe, labels)
    assert shown[0].all()
    copies = torch.where(shown[:, labels][None, :, None] == 1, images[:, None], 0.2)  # (N, B, C, H, W)
    distance = 1 - shown.sum(1) / (11 * shown.sum(1)).sqrt()
    weights = torch.exp(-distance.square() / (2 * 0.4**2)).numpy()
    for n in range(3):
        scores = net(copies[n]).detach().numpy()
        coefficients = Ridge(alpha=0.7).fit(shown.numpy(), scores, sample_weight=weights).coef_
        found = method(net, images[n : n + 1], EveryClass()).attribution[0, :, 0]
        np.testing.assert_allclose(found.detach().numpy(), coefficients[:, labels.numpy()], rtol=0, atol=1e-8)


def test_lime_equals_that_of_captum_on_the_same_samples(
    make_net: Callable[..., nn.Module], make_images: MakeImages
) -> None:
    captum = pytest.importorskip("captum.attr")
    linear = pytest.importorskip("captum._utils.models.linear_model")
    net, images = make_net(), make_images(1, 2, 8, 8)
    labels = torch.arange(64).view(8, 8) // 9  # 8 segments
    probe = Linear(torch.ones(8, 8, dtype=torch.float64))
    LIME(samples=60, segmentation=labels)(probe, torch.ones(1, 1, 8, 8, dtype=torch.float64), Class(0))
    samples = iter(shown_in(probe, labels))

    def similarity(original: Tensor, changed: Tensor, shown: Tensor, **_: Any) -> Tensor:
        return torch.exp(-((1 - nn.functional.cosine_similarity(shown, torch.ones_like(shown))) ** 2) / (2 * 0.25**2))

    theirs = captum.Lime(
        net,
        linear.SkLearnRidge(alpha=1.0),
        similarity_func=similarity,
        perturb_func=lambda *_, **__: next(samples)[None],
    )
    expected = theirs.attribute(images, target=2, feature_mask=labels.expand(1, 2, 8, 8), n_samples=60)
    found = LIME(samples=60, segmentation=labels)(net, images, Class(2)).attribution
    torch.testing.assert_close(found.expand_as(expected), expected.double(), rtol=0, atol=1e-6)  # theirs is in float32


def test_segments_may_be_labels_of_all_or_each_or_a_function(
    make_net: Callable[..., nn.Module], make_images: MakeImages
) -> None:
    net, images, target = make_net(), make_images(), Label(torch.tensor([0, 1, 2]))
    columns = torch.arange(8).expand(8, 8)
    each = torch.stack([columns, columns.T, columns // 2])
    found = LIME(samples=60, segmentation=each)(net, images, target).attribution
    for n, labels in enumerate(each):
        alone = LIME(samples=60, segmentation=labels)(net, images, target).attribution
        assert torch.equal(found[n], alone[n])
    numbered = LIME(samples=60, segmentation=5 * each - 7)(net, images, target).attribution
    assert torch.equal(numbered, found)
    by_function = LIME(samples=60, segmentation=lambda image: (image[0] > 0.5).long() * 9)(net, images, target)
    for map_, image in zip(by_function.attribution[:, 0], images[:, 0], strict=True):
        assert len(map_.unique()) == 2
        assert len(map_[image > 0.5].unique()) == 1


@pytest.mark.parametrize(
    ("segmentation", "came"),
    [
        (torch.zeros(8, 7, dtype=torch.int64), r"torch.int64 \(8, 7\)"),
        (torch.zeros(2, 8, 8, dtype=torch.int64), r"torch.int64 \(2, 8, 8\)"),
        (torch.zeros(8, 8), r"torch.float32 \(8, 8\)"),
        (lambda image: image, r"torch.float64 \(2, 8, 8\)"),
    ],
)
def test_segments_that_do_not_fit_are_refused(
    make_net: Callable[..., nn.Module],
    make_images: MakeImages,
    segmentation: Tensor | Callable[[Tensor], Tensor],
    came: str,
) -> None:
    with pytest.raises(ShapeError, match=rf"integer labels \(8, 8\) for each image, got {came}"):
        LIME(segmentation=segmentation)(make_net(), make_images(), Class(0))


def test_slic_follows_the_edges_whatever_the_range_of_the_image() -> None:
    pytest.importorskip("skimage")
    place = torch.arange(48)
    disc = ((place[:, None] - 20) ** 2 + (place - 26) ** 2 < 150).double()
    noise = torch.rand(48, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    image = torch.stack([disc, disc]) + 0.1 * noise
    labels = slic_segments(image, 25)
    assert 12 <= len(labels.unique()) <= 30
    purity = torch.stack([disc[labels == label].mean() for label in labels.unique()])
    astray = (purity[labels.unique(return_inverse=True)[1]] - disc).abs().mean()
    assert astray < 0.06  # a grid: 0.10
    assert torch.equal(slic_segments(1000 * image - 400, 25), labels)
    assert len(slic_segments(noise[None], 25).unique()) > 12  # and not one segment of noise


@pytest.mark.parametrize("sides", [(40,), (12, 9), (8, 9, 10)])
def test_slic_knows_signals_images_and_volumes(make_images: MakeImages, sides: tuple[int, ...]) -> None:
    pytest.importorskip("skimage")
    step = (torch.arange(sides[-1]) >= sides[-1] // 2).double().expand(sides)
    image = step.expand(2, *sides) * 0.8 + 0.1 * make_images(2, *sides)
    labels = slic_segments(image, 8)
    assert labels.shape == sides
    assert labels.dtype == torch.int64
    assert 4 <= len(labels.unique()) <= 12
    weight = torch.ones(2, *sides, dtype=torch.float64)
    found = LIME(segments=8, samples=60, ridge=1e-10)(Linear(weight), image[None], Class(0)).attribution[0, 0]
    for label in labels.unique():
        inside = labels == label
        torch.testing.assert_close(found[inside], image.sum(0)[inside].sum().expand(inside.sum()))
    assert torch.isfinite(
        LIME(samples=9)(Linear(weight), torch.ones(1, 2, *sides).double(), Class(0)).attribution
    ).all()


def test_images_of_four_axes_need_a_segmentation() -> None:
    images = torch.ones(1, 1, 2, 2, 2, 2)
    with pytest.raises(SettingsError, match="SLIC knows 1 to 3 spatial axes, got 4; give LIME a segmentation"):
        LIME()(Linear(torch.ones(2, 2, 2, 2)), images, Class(0))


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("skimage"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    images, labels = torch.ones(1, 1, 4, 4), torch.arange(16).view(4, 4)
    with pytest.raises(MissingExtraError, match=r"pip install 'sightline\[image\]', or give it a segmentation"):
        LIME()(Linear(torch.ones(4, 4)), images, Class(0))
    LIME(segmentation=labels)(Linear(torch.ones(4, 4)), images, Class(0))


def test_samples_follow_the_seed() -> None:
    labels = torch.arange(12).view(3, 4)

    def samples(seed: int) -> Tensor:
        model = Linear(torch.ones(3, 4))
        LIME(samples=400, segmentation=labels, seed=seed)(model, torch.ones(1, 1, 3, 4), Class(0))
        return shown_in(model, labels)

    assert torch.equal(samples(0), samples(0))
    assert not torch.equal(samples(0), samples(1))
    rate = samples(0).mean(0)
    assert ((rate - 0.5).abs() < 0.15).all()
    for i, j in itertools.combinations(range(12), 2):  # of each other they know nothing
        assert abs(torch.corrcoef(samples(0).T)[i, j]) < 0.25
