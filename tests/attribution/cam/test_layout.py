import pytest
import torch

from sightline.attribution.cam.layout import Layout, find_grid, find_layout
from sightline.errors import ShapeError


@pytest.mark.parametrize(
    ("tokens", "image", "seen", "grid"),
    [
        (196, (224, 224), [(14, 14)], (14, 14)),
        (197, (224, 224), [(14, 14)], (14, 14)),
        (201, (224, 224), [(112, 112), (14, 14)], (14, 14)),  # a class token and four registers
        (197, (224, 224), [], (14, 14)),  # patches that were cut without a convolution
        (257, (224, 224), [], (16, 16)),  # and not 14 x 14 with 61 tokens before it
        (7, (32, 48), [], (2, 3)),
        (49, (224, 224), [(56, 56)], (7, 7)),  # patches merged later
        (64, (224, 224), [(7, 7)], (8, 8)),  # fewer tokens before it
        (393, (16, 224, 224), [(8, 7, 7)], (8, 7, 7)),
        (13, (48,), [(12,)], (12,)),
    ],
)
def test_the_grid_is_found(
    tokens: int, image: tuple[int, ...], seen: list[tuple[int, ...]], grid: tuple[int, ...]
) -> None:
    assert find_grid(tokens, image, seen) == grid


@pytest.mark.parametrize(
    ("tokens", "image", "seen"),
    [
        (16, (32, 32), [(2, 8), (8, 2)]),  # which of the two
        (10, (32, 32), []),  # 3 x 3 does not divide the image
        (100, (224, 224), [(7, 7)]),  # 51 tokens before it are not believed
        (21, (32, 32), []),  # five tokens before it, and no patch embedding seen
        (1, (32, 32), []),
    ],
)
def test_a_grid_that_is_not_clear_is_asked_for(
    tokens: int, image: tuple[int, ...], seen: list[tuple[int, ...]]
) -> None:
    with pytest.raises(ShapeError, match=rf"cannot tell how {tokens} tokens lie in images of .*as in grid=\(14, 14\)"):
        find_grid(tokens, image, seen)


def test_features_come_back_into_space_in_reading_order() -> None:
    places = torch.arange(6)
    tokens = torch.cat([torch.tensor([-1, -2]), places]).view(1, 8, 1).expand(2, 8, 3)
    layout = find_layout(tuple(tokens.shape), 2, (32, 48), seen=[(2, 3)], grid=None)
    assert layout == Layout(2, 2, (2, 3))
    assert torch.equal(layout.in_space(tokens), places.view(1, 1, 2, 3).expand(2, 3, 2, 3))
    channels_last = torch.rand(2, 4, 5, 3)
    layout = find_layout((2, 4, 5, 3), 3, (32, 40), seen=[], grid=None)
    assert torch.equal(layout.in_space(channels_last), channels_last.permute(0, 3, 1, 2))
    flattened = torch.rand(2, 3, 20)
    layout = find_layout((2, 3, 20), 1, (32, 40), seen=[(4, 5)], grid=None)
    assert torch.equal(layout.in_space(flattened), flattened.view(2, 3, 4, 5))
    assert find_layout((2, 3, 7), 1, (32,), seen=[], grid=None) == Layout(1, 0, (7,))


def test_a_named_grid_says_how_many_tokens_come_first() -> None:
    assert find_layout((2, 10, 4), 2, (32, 32), seen=[], grid=(3, 3)) == Layout(2, 1, (3, 3))
    for grid in ((4, 4), (9,)):
        with pytest.raises(ShapeError, match=r"grid must have 2 axes and at most the 10 places of the tokens, got"):
            find_layout((2, 10, 4), 2, (32, 32), seen=[], grid=grid)
    with pytest.raises(ShapeError, match=r"must be \(N, C, \*S\), \(N, \*S, C\) or \(N, T, C\), got \(2, 3, 4, 5\)"):
        find_layout((2, 3, 4, 5), 1, (32, 32, 32), seen=[], grid=None)
