r"""Attention rollout: from which places the tokens that the head reads have gathered what they hold.

Row $i$ of an attention matrix says how much of each token goes into token $i$. The product of the matrices of all
layers, the last one first, says the same of the whole stack, and a row of it is a map: that of the class token, or the
mean of the rows of all tokens that the head averages. Which ones the head reads is not guessed: the logits depend on
their rows of the last attention.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.attention_matrices import AttentionCatch, by_head, count_tokens
from sightline.attribution.cam.grad_cam import GradCAM
from sightline.attribution.cam.layout import Layout, find_layout
from sightline.attribution.cam.watch import Watch
from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, backward_passes, classify, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError, ShapeError
from sightline.types import Explanation


@dataclass(frozen=True)
class AttentionRollout(Explainer):
    r"""Attention rollout: attention, averaged over heads, mixed with the residual path, multiplied over layers.

    $$\tilde{A} = r^\top \hat{A}^{(L)} \cdots \hat{A}^{(1)}, \qquad
    \hat{A}^{(l)} = (1 - \rho)\, \tfrac{1}{H} \sum_h A^{(l)}_h + \rho I$$

    $r$ is 1 at the class token, or where the head reads several tokens, the same share at each. No score goes into the
    map: it is the same for every class. Its values are shares, not negative, and sum to 1 with those of the tokens that
    are no places, such as the class token. What values, MLPs and the signs of contributions do is left out (Chefer et
    al. 2021, arXiv:2012.09838, section 2); do not judge by it which class a place speaks for.

    Args:
        residual: $\rho$, share of the path past the attention, from 0 to below 1.
        grid: as in `GradCAM`.

    Reference:
        Abnar and Zuidema 2020, arXiv:2005.00928, section 3 (rollout). Rows of $\hat{A}$ sum to 1 as they are, so none
        is normalised.
    """

    residual: float = 0.5
    grid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        GradCAM(grid=self.grid)  # which checks it
        if not 0 <= self.residual < 1:
            raise SettingsError(f"residual must be a share from 0 to below 1, got {self.residual}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)`, a value a token. See `Explainer`.

        Raises:
            UnsupportedOperationError: the model has no attention, or not one sequence of tokens throughout.
            ShapeError: it cannot be told how the tokens lie in the image.
        """

        def roll(attention: _Attention) -> list[Tensor]:
            rows = attention.read
            for matrices in reversed(attention.layers):
                rows = self.residual * rows + (1 - self.residual) * _taken(rows, matrices)
            return [rows] * len(attention.selection.scores)

        return _explain(model, images, target, self.grid, roll)


@dataclass(frozen=True)
class GradientAttentionRollout(Explainer):
    r"""Attention rollout for a class: each attention counts by the gradient of the score there, where that is positive.

    $$\tilde{A} = r^\top \big(\hat{A}^{(L)} \cdots \hat{A}^{(1)} - I\big), \qquad
    \hat{A}^{(l)} = I + \tfrac{1}{H} \sum_h
    \Big(\frac{\partial y}{\partial A^{(l)}_h} \odot A^{(l)}_h\Big)^+$$

    $r$ as in `AttentionRollout`. The map is not negative, and on no scale: a product of parts that are each on that of
    the score.

    Args:
        grid: as in `GradCAM`.

    Reference:
        Chefer et al. 2021, arXiv:2103.15679, eq. 5 and 6, for self-attention. The paper keeps $I$, in which no token
        takes from another; without it nothing changes at the places where a class token is read, and the map is 0
        where the score depends on no attention.
    """

    grid: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        GradCAM(grid=self.grid)  # which checks it

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)`, a value a token. See `AttentionRollout`."""
        keep_graph = torch.is_grad_enabled()

        def roll(attention: _Attention) -> list[Tensor]:
            maps = []
            for gradients in backward_passes(
                attention.selection, attention.layers, attention.drawing, create_graph=keep_graph
            ):
                rows = attention.read
                for matrices, gradient in zip(reversed(attention.layers), reversed(gradients), strict=True):
                    if gradient is not None:  # else this score does not depend on it
                        rows = rows + _taken(rows, (matrices * gradient).clamp(min=0))
                maps.append(rows - attention.read)
            return maps

        return _explain(model, images, target, self.grid, roll)


@dataclass(frozen=True, eq=False)
class _Attention:
    """What the tokens of a forward pass attend to.

    Attributes:
        logits: `(N, K)`.
        selection: what is explained.
        layers: attention matrices, the first layer's first, on the graph; see `by_head`.
        read: share of each token in what the head reads, `(N, 1, T)`, off the graph.
        layout: how the tokens lie in the image.
        drawing: of the forward pass.
    """

    logits: Tensor
    selection: Selection
    layers: list[Tensor]
    read: Tensor
    layout: Layout
    drawing: Drawing


def _explain(
    model: nn.Module,
    images: Tensor,
    target: Target,
    grid: tuple[int, ...] | None,
    roll: Callable[[_Attention], list[Tensor]],
) -> Explanation:
    """Classify, catch the attention, and put the rows `(N, 1, T)` that `roll` makes of it into space."""
    keep_graph = torch.is_grad_enabled()
    with recording(images):
        attention = _attend(model, images, target, grid)
        maps = [attention.layout.in_space(rows.mT) for rows in roll(attention)]
        logits, attribution = attention.logits, stack_maps(maps, attention.selection)
    if not keep_graph:
        logits, attribution = logits.detach(), attribution.detach()
    return Explanation(logits, attribution, attention.selection.classes)


def _attend(model: nn.Module, images: Tensor, target: Target, grid: tuple[int, ...] | None) -> _Attention:
    """Classify once, in the mode the model is in, and keep the attention."""
    size = tuple(images.shape[2:])
    if not size:
        raise ShapeError(f"images must have a spatial axis for attention rollout, got {tuple(images.shape)}")
    given = images.detach().requires_grad_().clone()  # the model may write to it
    root = given.grad_fn
    drawing, catch, watch = Drawing(), AttentionCatch(), Watch(given)
    freeze = Interception(given, drawing, strict=False)  # takes attention apart; batch norm must not mix samples
    with catch, freeze, watch:
        logits = classify(model, given)
    selection = select(target, logits, images)
    layers = catch.between(root, logits.grad_fn)
    tokens = count_tokens(layers, len(images))
    layout = find_layout((len(images), tokens, 1), 2, size, seen=watch.grids, grid=grid)
    return _Attention(logits, selection, layers, _read(logits, layers[-1], layout, drawing), layout, drawing)


def _taken(rows: Tensor, matrices: Tensor) -> Tensor:
    """What `rows` `(N, 1, T)` take over by attention, its heads averaged."""
    return rows @ by_head(matrices, len(rows)).mean(1)


def _read(logits: Tensor, last: Tensor, layout: Layout, drawing: Drawing) -> Tensor:
    """Which tokens the head reads, each with the same share: those whose row of the last attention counts."""
    weights = torch.linspace(1, 2, logits.shape[1], dtype=logits.dtype, device=logits.device)
    with drawing.pencil():  # weights that differ: the gradients of two classes may add up to zero
        (gradient,) = torch.autograd.grad((logits * weights).sum(), last, retain_graph=True)
    read = by_head(gradient, len(logits)).ne(0).any(3).any(1)  # (N, T)
    usual = read.new_ones(read.shape[1])
    usual[1:] = not layout.prefix  # the class token if there is one: where no row counts, as with a head of zeros
    read = torch.where(read.any(1, keepdim=True), read, usual).to(last.dtype)
    return (read / read.sum(1, keepdim=True))[:, None]
