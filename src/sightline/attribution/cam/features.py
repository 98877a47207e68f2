"""The feature maps that a class activation map is drawn at: named ones, or the one found before the head."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from sightline.attribution.cam.layout import Grid, Layout, find_layout
from sightline.attribution.cam.watch import Candidate, Watch
from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import classify, find_layer, select
from sightline.attribution.graph import reaches
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Selection, Target
from sightline.errors import LayerNotFoundError, SettingsError, ShapeError

_TOGETHER = 16  # candidates asked for their gradient in one backward pass
_ATTENTION = frozenset(("scaled_dot_product_attention", "multi_head_attention_forward"))
_FindLayout = Callable[[Tensor, int], Layout]


class Where(Protocol):
    """Options that say at which feature maps to explain."""

    @property
    def layer(self) -> str | tuple[str, ...] | None:
        """Dotted names of layers; None for the last feature map before the head."""

    @property
    def grid(self) -> Grid | None:
        """Places of tokens along each axis of the image."""


@dataclass(frozen=True)
class FeatureMap:
    """A feature map of one forward pass.

    Attributes:
        name: what it is, for messages.
        tensor: as the model made it, on the graph.
        layout: how it lies in space.
        head: names of the functions between it and the logits; None where another feature map is between them.
    """

    name: str
    tensor: Tensor
    layout: Layout
    head: tuple[str, ...] | None

    @property
    def in_space(self) -> Tensor:
        """The features as `(N, C, *grid)`."""
        return self.layout.in_space(self.tensor)


def check_where(options: Where) -> None:
    """Raise SettingsError where the options are of another kind."""
    layer, grid = options.layer, options.grid
    several = isinstance(layer, tuple) and bool(layer) and all(isinstance(name, str) for name in layer)
    if not (layer is None or isinstance(layer, str) or several):
        raise SettingsError(f"layer must be a name, a tuple of names or None, got {layer!r}")
    if grid is not None and not (isinstance(grid, tuple) and all(isinstance(n, int) and n > 0 for n in grid)):
        raise SettingsError(f"grid must be a tuple of whole numbers above 0 or None, got {grid!r}")


def capture(
    model: nn.Module, images: Tensor, target: Target, options: Where, drawing: Drawing
) -> tuple[Tensor, Selection, list[FeatureMap], Tensor]:
    """Classify the images once, in the mode the model is in, and keep the feature maps.

    Returns:
        Logits, what is explained, and a feature map for each layer, all on the graph; and the images that they were
        made from, a leaf.

    Raises:
        LayerNotFoundError: a layer is not in the model or not called just once, or no feature map was found.
        ShapeError: what a layer gives is no feature map, or it cannot be told how its tokens lie in the image.
    """
    size = tuple(images.shape[2:])
    if not size:
        raise ShapeError(
            f"images must have a spatial axis for a class activation map, got {tuple(images.shape)}; "
            "explain rows of numbers by Saliency or LRP"
        )
    leaf = images.detach().requires_grad_()
    given = leaf.clone()  # the model may write to it
    root = given.grad_fn
    names = (options.layer,) if isinstance(options.layer, str) else options.layer or ()
    watch = Watch(given)
    freeze = Interception(given, drawing, strict=False)  # only batch norm answers: its samples must not mix
    with _outputs_of(model, names, watch) as outputs, freeze, watch:
        logits = classify(model, given)
    selection = select(target, logits, images)

    def layout(tensor: Tensor, channels: int) -> Layout:
        return find_layout(tuple(tensor.shape), channels, size, seen=watch.grids, grid=options.grid)

    if options.layer is None:
        return logits, selection, [_last(watch, selection.scores, root, layout)], leaf
    named = [_named(name, outputs[name], watch, len(images), layout) for name in names]
    return logits, selection, named, leaf


@contextmanager
def _outputs_of(model: nn.Module, names: tuple[str, ...], watch: Watch) -> Iterator[dict[str, list[Any]]]:
    """Keep what the named layers give. The model goes on with a copy, which it may change in place."""
    layers = {name: find_layer(model, name) for name in names}
    outputs: dict[str, list[Any]] = {name: [] for name in names}

    def keep_as(name: str) -> Callable[..., Tensor | None]:
        def keep(module: nn.Module, inputs: object, output: Any) -> Tensor | None:  # noqa: ANN401 - whatever it gives
            if not isinstance(output, Tensor):
                outputs[name].append(output)
                return None
            kept = output.clone()  # what the layer was given may be its output, and be changed in place, too
            handed_on = kept.clone()
            outputs[name].append(kept)
            if handed_on.ndim > 2:
                watch.start_head(handed_on, watch.channels_of(kept), _title(name))
            return handed_on

        return keep

    hooks = [layer.register_forward_hook(keep_as(name)) for name, layer in layers.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _title(name: str) -> str:
    return f"layer '{name}'"


def _named(name: str, outputs: list[Any], watch: Watch, batch: int, layout: _FindLayout) -> FeatureMap:
    """The one output of a layer."""
    if len(outputs) != 1:
        times = f"called {len(outputs)} times in the forward pass" if outputs else "not called in the forward pass"
        raise LayerNotFoundError(f"layer '{name}' is {times}, so it names no feature map; name one that is called once")
    (output,) = outputs
    if not isinstance(output, Tensor) or output.ndim < 3 or len(output) != batch:
        came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ShapeError(f"layer '{name}' must give a feature map of the {batch} images, got {came}; name another one")
    last = bool(watch.candidates) and watch.candidates[-1].function == _title(name)
    head = tuple(watch.head) if last else None
    return FeatureMap(_title(name), output, layout(output, watch.channels_of(output)), head)


def _last(watch: Watch, scores: Tensor, root: Node | None, layout: _FindLayout) -> FeatureMap:
    """The last feature map that has a place on which the scores depend.

    In a transformer with a class token the last maps are read at that token alone: nothing depends on their places any
    more. What the last attention reads is then the last normalised map before them; likewise where attention pools.
    """
    gathered = not _ATTENTION.isdisjoint(watch.head)  # by an attention, which normalised tokens go into
    living: FeatureMap | None = None  # a place of it counts
    dead: FeatureMap | None = None  # none does
    for candidate, gradient in _with_gradients(watch, scores):
        node = candidate.tensor.grad_fn
        if gradient is None or node is None or root is None or not reaches(node, [root]):
            continue  # aside of the logits, or made from weights alone
        lies = layout(candidate.tensor, candidate.channels)
        head = tuple(watch.head) if candidate is watch.candidates[-1] else None
        found = FeatureMap("the last feature map", candidate.tensor, lies, head)
        if not lies.in_space(gradient).any():
            dead = dead or found
        elif candidate.normalised or not (gathered or dead):
            return found
        else:
            living = living or found
    best = living or dead
    if best is None:
        raise LayerNotFoundError(
            "no feature map (N, C, *S) that the logits depend on was found, where a class activation map is drawn; "
            "name its layer, or explain pixels, as Saliency and LRP do"
        )
    return best


def _with_gradients(watch: Watch, scores: Tensor) -> Iterator[tuple[Candidate, Tensor | None]]:
    """Go through the candidates from the last one back, each with the gradient of the scores there."""
    backwards = list(reversed(watch.candidates))
    if not scores.requires_grad:
        backwards = []
    weights = torch.linspace(1, 2, scores.numel(), dtype=scores.dtype, device=scores.device)
    weights = weights.view_as(scores)  # not all the same: the gradients of two classes may add up to zero
    for start in (0, *range(1, len(backwards), _TOGETHER)):
        chunk = backwards[start : start + _TOGETHER if start else 1]
        if chunk:
            at = [candidate.tensor for candidate in chunk]
            gradients = torch.autograd.grad(scores, at, weights, retain_graph=True, allow_unused=True)
            yield from zip(chunk, gradients, strict=True)
