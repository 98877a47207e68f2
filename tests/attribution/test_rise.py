from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass
from sightline.attribution.rise import RISE, enlarge


class Watched(nn.Module):
    """Keeps what it is given; the score is a weighted sum of it."""

    def __init__(self, weight: Tensor, bias: float = 0.0) -> None:
        super().__init__()
        self.weight, self.bias, self.given = weight, bias, []

    def forward(self, images: Tensor) -> Tensor:
        self.given.append(images)
        score = (images * self.weight).flatten(1).sum(1) + self.bias
        return torch.stack([score, score.square()], 1)


def masks_of(method: RISE, *sides: int) -> Tensor:
    """The masks are the copies of an image of ones."""
    model = Watched(torch.ones(sides, dtype=torch.float64))
    method(model, torch.ones(1, 1, *sides, dtype=torch.float64), Class(0))
    return torch.cat(model.given[1:])[:, 0]


def test_a_grid_is_enlarged_by_hand() -> None:
    grids = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    # 3 cells over 6 pixels are 2 pixels a cell, enlarged to 8 pixels: pixel j lies at (j + 1/2) 3/8 - 1/2 of the grid
    unit = torch.tensor([-5, 1, 7, 13, 19, 25, 31, 37]) / 16
    first = torch.tensor([0, 1 / 16, 7 / 16, 13 / 16, 13 / 16, 7 / 16, 1 / 16, 0])
    second = (2 - unit).clamp(0, 1)
    shifts = torch.tensor([[0], [2]])
    assert torch.equal(enlarge(grids, shifts, (6,)), torch.stack([first[:6], second[2:]]))


@pytest.mark.parametrize("sides", [(12,), (7, 10), (5, 8, 6)])
@pytest.mark.parametrize("cells", [1, 4])
def test_enlarged_grids_are_those_of_torch_interpolation(sides: tuple[int, ...], cells: int) -> None:
    generator = torch.Generator().manual_seed(0)
    grids = torch.rand(6, *[cells] * len(sides), generator=generator, dtype=torch.float64)
    cell = [-(-side // cells) for side in sides]
    shifts = torch.stack([torch.randint(c + 1, (6,), generator=generator) for c in cell], 1)
    shifts[0], shifts[1] = 0, torch.tensor(cell)
    mode = ("linear", "bilinear", "trilinear")[len(sides) - 1]
    whole = F.interpolate(grids[:, None], size=[(cells + 1) * c for c in cell], mode=mode)[:, 0]
    expected = [
        mask[tuple(slice(start, start + side) for start, side in zip(shift, sides, strict=True))]
        for mask, shift in zip(whole, shifts.tolist(), strict=True)
    ]
    torch.testing.assert_close(enlarge(grids, shifts, sides), torch.stack(expected))


@pytest.mark.parametrize("sides", [(9,), (5, 6), (3, 4, 5)])
def test_the_map_is_equation_6_of_the_paper(sides: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    weight, image = torch.randn(2, 2, *sides, generator=generator, dtype=torch.float64)
    method = RISE(masks=50, cells=3, probability=0.4, seed=3, batch_size=16)
    masks = masks_of(method, *sides)
    explanation = method(Watched(weight, 2.0), image[None], EveryClass())
    for k, power in enumerate((1, 2)):
        expected = torch.zeros(sides, dtype=torch.float64)
        for mask in masks:
            expected += ((weight * image * mask).sum() + 2) ** power * mask / (0.4 * 50)
        torch.testing.assert_close(explanation.attribution[0, k, 0], expected)


def test_one_cell_hides_all_or_nothing() -> None:
    model, image = Watched(torch.tensor([2.0, -1.0]), bias=3.0), torch.tensor([[[4.0, 1.0]]])  # score 10
    attribution = RISE(masks=20, cells=1, probability=0.25, seed=5)(model, image, Class(0)).attribution
    shown = [bool(copy.any()) for copy in model.given[1]]
    assert {tuple(copy.flatten().tolist()) for copy in model.given[1]} == {(4, 1), (0, 0)}
    assert attribution.tolist() == [[[10 * sum(shown) / 5] * 2]]  # 0.25 * 20 = 5


def test_masks_that_show_everything_give_the_score() -> None:
    model, image = Watched(torch.tensor([2.0, -1.0]), bias=3.0), torch.tensor([[[4.0, 1.0]]])
    assert RISE(masks=8, probability=1.0)(model, image, EveryClass()).attribution.tolist() == [
        [[[10, 10]], [[100, 100]]]
    ]


def test_the_mean_of_a_mask_is_the_probability_at_every_pixel() -> None:
    masks = masks_of(RISE(masks=4000, cells=3, probability=0.3), 8, 5)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert ((masks.mean(0) - 0.3).abs() < 5 * masks.std(0) / 4000**0.5).all()


def test_the_expected_map_of_a_linear_model() -> None:
    """Over grids and shifts, E[M_s M_t] = p^2 + p (1 - p) E[sum of the products of their interpolation weights]."""
    side, cells, p, count = 9, 3, 0.4, 20000
    generator = torch.Generator().manual_seed(2)
    weight, image = torch.randn(2, side, generator=generator, dtype=torch.float64)
    basis = torch.eye(cells, dtype=torch.float64)
    hats = [enlarge(basis, torch.full((cells, 1), shift), (side,)) for shift in range(4)]  # a cell of 3 pixels
    second = p**2 + p * (1 - p) * torch.stack([hat.T @ hat for hat in hats]).mean(0)
    expected = second @ (weight * image) / p
    model = Watched(weight)
    found = RISE(count, cells, p, batch_size=5000)(model, image[None, None], Class(0)).attribution[0, 0]
    terms = torch.cat([(x * weight).sum(2) * x[:, 0] / image / p for x in model.given[1:]])
    torch.testing.assert_close(terms.mean(0), found)
    assert ((found - expected).abs() < 4.5 * terms.std(0) / count**0.5).all()


def test_masks_follow_the_seed_and_shifts_reach_a_whole_cell() -> None:
    assert torch.equal(masks_of(RISE(20), 8, 8), masks_of(RISE(20), 8, 8))
    assert not torch.equal(masks_of(RISE(20), 8, 8), masks_of(RISE(20, seed=1), 8, 8))
    grids, shifts = RISE(2000, cells=3)._draws((9, 4))
    assert grids.shape == (2000, 3, 3)
    counts = torch.stack([shifts[:, 0].bincount(minlength=4), shifts[:, 1].bincount(minlength=4)])
    assert (counts[0] > 400).all()  # 0 to 3, each in about 500
    assert counts[1].tolist()[3] == 0
    assert (counts[1, :3] > 550).all()  # 0 to 2


def test_what_only_a_corner_shows_is_found_there(make_images: Callable[..., Tensor]) -> None:
    weight = torch.zeros(16, 16, dtype=torch.float64)
    weight[2:5, 11:14] = 1
    attribution = RISE(masks=500)(Watched(weight), make_images(1, 1, 16, 16) + 1, Class(0)).attribution[0, 0]
    row, column = divmod(int(attribution.argmax()), 16)
    assert 1 <= row <= 5
    assert 10 <= column <= 14
