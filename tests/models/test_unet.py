import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from sightline.errors import SettingsError, ShapeError
from sightline.models.unet import UNet


def reach(first: int, last: int, depth: int) -> tuple[int, int]:
    """Places along one axis that the outputs from `first` to `last` can depend on."""
    first, last = first - 2, last + 2  # two convolutions on the way up
    if depth:
        low, high = reach(first // 2, last // 2, depth - 1) if depth > 1 else (first // 2 - 2, last // 2 + 2)
        first, last = 2 * low, 2 * high + 1
    return first - 2, last + 2  # and two on the way down


@settings(max_examples=20, deadline=None)
@given(
    sides=st.lists(st.integers(1, 19), min_size=2, max_size=2),
    depth=st.integers(1, 3),
    classes=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
)
def test_logits_have_the_size_of_the_image_whatever_it_is(
    sides: list[int], depth: int, classes: int, channels: int
) -> None:
    network = UNet(classes, in_channels=channels, width=2, depth=depth).eval()
    assert network(torch.rand(2, channels, *sides)).shape == (2, classes, *sides)


def test_volumes_too() -> None:
    network = UNet(2, in_channels=1, dimensions=3, width=2, depth=2, batch_norm=True)
    assert network(torch.rand(1, 1, 9, 6, 5)).shape == (1, 2, 9, 6, 5)


@pytest.mark.parametrize(("depth", "side"), [(1, 32), (2, 64)])
@pytest.mark.parametrize("middle", [0, 1])
def test_a_logit_depends_on_the_pixels_it_can_reach_and_on_no_other(depth: int, side: int, middle: int) -> None:
    network = UNet(width=2, depth=depth).double()
    for weight in network.requires_grad_(requires_grad=False).parameters():
        torch.nn.init.constant_(weight, 0.1)  # no ReLU is silent, so nothing is cut off by chance
    middle += side // 2
    first, last = reach(middle, middle, depth)
    image = torch.ones(1, 1, side, side, dtype=torch.float64)  # so that no maximum hides a change
    logit = network(image)[0, 0, middle, middle]
    outside = image + 9
    outside[..., first : last + 1, :] = image[..., first : last + 1, :]
    torch.testing.assert_close(network(outside)[0, 0, middle, middle], logit, rtol=1e-12, atol=0)
    for row in (first, last):
        changed = image.clone()
        changed[..., row, middle] += 9
        assert network(changed)[0, 0, middle, middle] > logit + 1e-6


def test_convolutions_and_weights_of_the_paper_can_be_counted() -> None:
    network = UNet(2, width=64, depth=4)
    kernels = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    assert len(kernels) == 23  # "In total the network has 23 convolutional layers"
    widths = [64, 128, 256, 512, 1024]
    down = sum(9 * (a * b + b * b) + 2 * b for a, b in zip([1, *widths], widths, strict=False))
    up = sum(4 * 2 * b * b + b + 9 * (2 * b * b + b * b) + 2 * b for b in widths[:-1])
    assert sum(weight.numel() for weight in network.parameters()) == down + up + 2 * 64 + 2


def test_a_network_of_ones_by_hand() -> None:
    """Depth 1, one channel, centre taps only: the skip and the pooled path add up."""
    network = UNet(width=1, depth=1)
    for name, weight in network.named_parameters():
        torch.nn.init.zeros_(weight)
        if name.endswith("weight") and weight.shape[-1] == 3:
            weight.data[0, :, 1, 1] = 1  # the first channel takes the sum of what comes in
        elif name.endswith("weight"):
            weight.data.fill_(1)
    image = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    pooled = torch.tensor([[5.0, 5, 6], [5, 5, 6], [8, 8, 9]])  # windows of 2 from the upper left, cut off at 3
    assert torch.equal(network(image[None, None])[0, 0], image + pooled)


def test_samples_do_not_mix_and_the_image_stays() -> None:
    network = UNet(width=2, depth=2, batch_norm=True).eval().double()
    images = torch.rand(3, 1, 9, 7, dtype=torch.float64)
    before = images.clone()
    together = network(images)
    torch.testing.assert_close(together[1:2], network(images[1:2]), rtol=0, atol=1e-12)
    assert torch.equal(images, before)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"in_channels": 0}, {"dimensions": 4}])
def test_impossible_networks_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=r"must be (at least 1|2 \(images\) or 3)"):
        UNet(**wrong)


def test_images_of_other_axes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"images must have 4 axes \(N, C, \*S\), got \(1, 8, 8\)"):
        UNet(width=2)(torch.rand(1, 8, 8))
