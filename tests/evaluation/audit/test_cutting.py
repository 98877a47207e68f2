import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.evaluation.audit.cutting import (
    continued,
    mean_outside,
    replace_outside,
    shuffled_outside,
    soft_regions,
)

SHAPES = ((40,), (32, 40), (16, 20, 24))


def box(shape: tuple[int, ...]) -> torch.Tensor:
    region = torch.zeros(2, *shape)
    region[(slice(None), *(slice(side // 4, side // 2) for side in shape))] = 1.0
    return region


def test_a_region_ends_over_the_seam() -> None:
    region = torch.zeros(1, 20, 100)
    region[0, :, :10] = 1.0
    soft = soft_regions(region, seam=0.2)[0, 0]  # 0.2 of 20 pixels
    np.testing.assert_allclose(soft[8:16].numpy(), [1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0], atol=1e-6)
    assert soft[16:].eq(0).all()


def test_an_empty_region_stays_empty_and_a_full_one_full() -> None:
    both = soft_regions(torch.stack([torch.zeros(8, 8), torch.ones(8, 8)]), seam=0.1)
    assert both[0].eq(0).all()
    assert both[1].eq(1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_region_stays_to_the_pixel_and_nothing_old_is_left_beyond_the_seam(shape: tuple[int, ...]) -> None:
    images, others, region = torch.rand(2, 3, *shape), torch.rand(2, 3, *shape), box(shape)
    soft = soft_regions(region, seam=0.05)
    made = replace_outside(images, others, soft)
    inside, beyond = region[:, None].expand_as(made) > 0, (soft == 0)[:, None].expand_as(made)
    assert torch.equal(made[inside], images[inside])
    assert torch.equal(made[beyond], others[beyond])
    assert (~inside & ~beyond).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_continued_knows_nothing_of_what_is_not_seen(shape: tuple[int, ...]) -> None:
    seen, images = 1 - box(shape), torch.rand(2, 3, *shape)
    changed = images * seen[:, None] + 7 * (1 - seen[:, None])
    one, other = continued(images, seen), continued(changed, seen)
    assert one.shape == images.shape
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@given(value=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_constant_goes_on_as_it_is(value: float, seed: int) -> None:
    seen = (torch.rand(1, 24, 24, generator=torch.Generator().manual_seed(seed)) < 0.1).float()
    seen[0, 0, 0] = 1.0
    images = torch.full((1, 1, 24, 24), value) * seen + 0.9 * (1 - seen)
    torch.testing.assert_close(continued(images, seen), torch.full((1, 1, 24, 24), value), atol=1e-5, rtol=0)


def test_what_is_continued_stays_between_what_is_seen() -> None:
    images, seen = torch.rand(3, 1, 48, 48), torch.ones(3, 48, 48)
    seen[:, 5:40, 5:40] = 0
    made = continued(images, seen)
    assert made.min() >= images.min()
    assert made.max() <= images.max()
    assert made.std() < 0.3 * images.std(), "smooth"


def test_nothing_seen_gives_the_mean() -> None:
    images = torch.rand(1, 2, 16, 16)
    made = continued(images, torch.zeros(1, 16, 16))
    torch.testing.assert_close(made, images.mean((2, 3), keepdim=True).expand_as(images))


def test_the_mean_is_of_the_outside() -> None:
    images = torch.tensor([[[[1.0, 3.0], [100.0, 8.0]]]])
    outside = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    assert mean_outside(images, outside).eq(4.0).all()


def test_pixels_outside_change_places_and_channels_stay_together() -> None:
    image = torch.rand(1, 12, 12).repeat(3, 1, 1)
    outside = 1 - box((12, 12))[0]
    made = shuffled_outside(image, outside, np.random.default_rng(0))
    assert torch.equal(made[:, outside == 0], image[:, outside == 0])
    assert torch.equal(made[0], made[2])
    assert torch.equal(made[0][outside == 1].sort().values, image[0][outside == 1].sort().values)
    assert (made != image).float().mean() > 0.5
