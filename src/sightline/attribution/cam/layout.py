"""Where a feature tensor keeps its channels and its places, and how tokens lie in the image."""

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from torch import Tensor

from sightline.errors import ShapeError

Grid = tuple[int, ...]

_MOST_PREFIX_TOKENS = 16  # class tokens and registers


@dataclass(frozen=True)
class Layout:
    """How to put a feature tensor back into space.

    Attributes:
        channels: axis of the channels.
        prefix: tokens before the first place, such as a class token or registers.
        grid: places along each axis of the image.
    """

    channels: int
    prefix: int
    grid: Grid

    def in_space(self, features: Tensor) -> Tensor:
        """Bring features, or their gradient, to `(N, C, *grid)`, without the prefix."""
        features = features.movedim(self.channels, 1)
        if features.ndim == len(self.grid) + 2 and not self.prefix:
            return features
        return features[:, :, self.prefix :].reshape(*features.shape[:2], *self.grid)


def find_layout(shape: Grid, channels: int, image: Grid, *, seen: Collection[Grid], grid: Grid | None) -> Layout:
    """Find out how a feature tensor lies in space.

    Args:
        shape: of the tensor, `(N, C, *S)`, `(N, *S, C)`, `(N, T, C)` or `(N, C, T)`.
        channels: axis of the channels.
        image: spatial size of the images.
        seen: spatial sizes of the feature maps that the forward pass made so far.
        grid: of the tokens, where it is known.

    Raises:
        ShapeError: the tensor has other axes, or it cannot be told how its tokens lie.
    """
    places = (*shape[1:channels], *shape[channels + 1 :])
    if len(places) == len(image) and (len(image) > 1 or channels == 1):
        return Layout(channels, 0, places)
    if len(places) != 1:
        raise ShapeError(f"a feature map of images {image} must be (N, C, *S), (N, *S, C) or (N, T, C), got {shape}")
    (tokens,) = places
    grid = grid or find_grid(tokens, image, seen)
    if len(grid) != len(image) or prod(grid) > tokens:
        raise ShapeError(f"grid must have {len(image)} axes and at most the {tokens} places of the tokens, got {grid}")
    return Layout(channels, tokens - prod(grid), grid)


def find_grid(tokens: int, image: Grid, seen: Collection[Grid]) -> Grid:
    """Find the grid of places that a sequence of tokens is.

    It is the size of a feature map seen before, as a patch embedding by convolution makes one, with up to 16 tokens
    before it; or else square patches that fill the image, with one token before them or none. Of several that fit it is
    the one with the fewest tokens before it.

    Raises:
        ShapeError: no grid fits, or two fit equally well.
    """
    patches = {tuple(side // patch for side in image) for patch in range(1, min(image) + 1) if _divides(patch, image)}
    fitting = [grid for grid in seen if _before(tokens, grid) in range(_MOST_PREFIX_TOKENS + 1)]
    fitting += [grid for grid in patches - set(fitting) if _before(tokens, grid) in (0, 1)]
    fitting = [grid for grid in fitting if 1 < prod(grid) > _before(tokens, grid)]
    best = [grid for grid in fitting if prod(grid) == max(map(prod, fitting))]
    if len(best) != 1:
        raise ShapeError(
            f"cannot tell how {tokens} tokens lie in images of {image}; "
            f"say how many places there are along each axis, as in grid=(14, 14), or name another layer"
        )
    return best[0]


def _before(tokens: int, grid: Grid) -> int:
    return tokens - prod(grid)


def _divides(patch: int, image: Grid) -> bool:
    return all(side % patch == 0 for side in image)
