"""Layer-wise relevance propagation of any model, in one intercepted forward pass and one backward pass a map."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from sightline.attribution.composites import COMPOSITES, Composite, InputRule
from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import (
    Explainer,
    backward_passes,
    classify,
    find_layer,
    recording,
    select,
    stack_maps,
)
from sightline.attribution.interception import Interception
from sightline.attribution.rules.input_layer import InputLayer
from sightline.attribution.targets import Selection, Target
from sightline.errors import LayerNotFoundError, SettingsError, UnsupportedOperationError
from sightline.types import Explanation

Unknown = Literal["error", "gradient"]


@dataclass(frozen=True)
class LRP(Explainer):
    r"""LRP-epsilon, with a rule of its own for the layer that reads the pixels.

    Between two activations everything linear is passed by its transpose; an activation passes $a / (z + \epsilon)$.
    Relevance is the product of an activation and what arrives there. A map of logit $y_k$ sums to about $y_k$ less what
    the biases and $\epsilon$ absorb. Normalisations keep their scale fixed; two activations that are multiplied share
    the relevance, half each, but for gates and attention weights.

    Args:
        epsilon: absorbs relevance where pre-activations are small; 0 gives LRP-0.
        input_rule: `"zb"` for pixels within [`low`, `high`], `"flat"` for equal shares, `"w_square"` for shares by the
            squared weight, None to treat the first layer as any other.
        low: least value a pixel may have, for `"zb"`.
        high: greatest value a pixel may have, for `"zb"`.
        gate: share of relevance that a gate (of sigmoid or softmax) takes from the signal that it multiplies, in
            [0, 1]; the literature's rules are 0, all to the signal, and 0.5.
        attention: share that attention weights take from the values that they add up; 0.5 in AttnLRP, and 0 holds them
            fixed.
        layers: dotted names of layers, as in `model.named_modules()`, whose relevance is wanted too.
        unknown: what to do at a function without a rule: `"error"`, or `"gradient"` to pass it by its gradient.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 58; Bassi et al. 2024,
        doi:10.1038/s41467-023-44371-z, sections 4.1 and 4.4, from which we depart in three points: the ReLU's bias is
        not detached when a loss on the map is differentiated, batch normalisation uses the biased variance that it
        normalises by, and z^B counts pixels from `low` and `high` themselves (see `docs/methods/departures.md`).
        Transformers: Achtibat et al. 2024, arXiv:2402.05602 (AttnLRP), section 3.3. Gates: Arras et al. 2019,
        doi:10.1007/978-3-030-28954-6_11, section 11.2.
    """

    epsilon: float = 1e-2
    input_rule: InputRule | None = "zb"
    low: float = 0.0
    high: float = 1.0
    gate: float = 0.0
    attention: float = 0.5
    layers: tuple[str, ...] = ()
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        if self.input_rule not in (None, *get_args(InputRule)):
            named = ", ".join(map(repr, get_args(InputRule)))
            raise SettingsError(f"input_rule must be {named} or None, got {self.input_rule!r}")
        if not self.epsilon >= 0:
            raise SettingsError(f"epsilon must be at least 0, got {self.epsilon}")
        _check_common(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`.

        Raises:
            UnsupportedOperationError: the model calls a function without a rule; the message names it and its place.
            LayerNotFoundError: the model has no layer of a name in `layers`.
        """
        drawing = Drawing(epsilon=self.epsilon, gate=self.gate, attention=self.attention)
        propagation = _Propagation(drawing, self.input_rule, self.epsilon, self.low, self.high, self.layers)
        return propagation.explain(model, images, target, strict=self.unknown == "error")


@dataclass(frozen=True)
class CompositeLRP(Explainer):
    """LRP with a rule for each kind of layer, batch normalisation merged into the layer before it.

    Args:
        composite: `epsilon`, `epsilon_plus`, `epsilon_plus_flat`, `epsilon_alpha2_beta1`, `epsilon_alpha2_beta1_flat`,
            `epsilon_gamma_box`, or rules of your own. Linear operations that are no layers (sums, pooling, a batch
            normalisation that follows no layer) pass relevance by their transpose.
        low: as in `LRP`.
        high: as in `LRP`.
        gate: as in `LRP`.
        attention: as in `LRP`.
        layers: as in `LRP`.
        unknown: as in `LRP`.

    Reference:
        Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10, section 10.3; Kohlbrenner et al. 2020,
        doi:10.1109/IJCNN48605.2020.9206975.
    """

    composite: str | Composite = "epsilon_plus"
    low: float = 0.0
    high: float = 1.0
    gate: float = 0.0
    attention: float = 0.5
    layers: tuple[str, ...] = ()
    unknown: Unknown = "error"

    def __post_init__(self) -> None:
        if isinstance(self.composite, str) and self.composite not in COMPOSITES:
            raise SettingsError(f"composite must be one of {', '.join(COMPOSITES)}, got {self.composite!r}")
        _check_common(self)

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `LRP`."""
        composite = COMPOSITES[self.composite] if isinstance(self.composite, str) else self.composite
        drawing = Drawing(epsilon=0.0, composite=composite, gate=self.gate, attention=self.attention)
        propagation = _Propagation(
            drawing, composite.first, composite.convolution.epsilon, self.low, self.high, self.layers
        )
        return propagation.explain(model, images, target, strict=self.unknown == "error")


def _check_common(lrp: Any) -> None:  # noqa: ANN401 - one of the two
    if lrp.unknown not in get_args(Unknown):
        raise SettingsError(f"unknown must be 'error' or 'gradient', got {lrp.unknown!r}")
    if not lrp.low < lrp.high:
        raise SettingsError(f"low must be less than high, got {lrp.low} and {lrp.high}")
    if not (0 <= lrp.gate <= 1 and 0 <= lrp.attention <= 1):
        raise SettingsError(f"gate and attention must be shares, 0 to 1, got {lrp.gate} and {lrp.attention}")


@dataclass(frozen=True)
class _Propagation:
    """One propagation of relevance, whatever the rules."""

    drawing: Drawing
    input_rule: InputRule | None
    epsilon: float
    low: float
    high: float
    layers: tuple[str, ...]

    def explain(self, model: nn.Module, images: Tensor, target: Target, *, strict: bool) -> Explanation:
        keep_graph = torch.is_grad_enabled()
        with recording(images):
            leaf = images.detach().requires_grad_(self.input_rule is None)
            given = leaf.clone()  # the model may write to it
            first, whole = self.input_rule is not None, not self.layers
            watch = Interception(given, self.drawing, strict=strict, input_rule=first, whole=whole)
            with watch, _outputs_of(model, self.layers) as outputs:
                logits = classify(model, given)
            selection = select(target, logits, images)
            watch.check_followed(logits)
            stops = [layer.output for layer in watch.input_layers] if self.input_rule else [leaf]
            if not stops:
                raise UnsupportedOperationError(
                    "no convolution or linear layer reads the images, so the input rule has nowhere to apply; "
                    "explain with input_rule=None"
                )
            at: list[Tensor | GradientEdge] = [*stops, *(output.edge for output in outputs.values())]
            reached = stops if self.input_rule else [leaf.detach()]
            values = [*reached, *(output.value for output in outputs.values())]
            passes = [
                [None if c is None else value * c for value, c in zip(values, cs, strict=True)]
                for cs in backward_passes(selection, at, self.drawing, create_graph=keep_graph)
            ]
            maps = [self._map(leaf, watch.input_layers, relevances[: len(stops)]) for relevances in passes]
            every = _stacked(passes, selection)
            hidden = every[: len(stops)] if self.input_rule else []
            named = zip(outputs, every[len(stops) :], strict=True)
            explanation = Explanation(
                logits,
                stack_maps(maps, selection),
                selection.classes,
                tuple(relevance for relevance in hidden if relevance is not None),
                {name: relevance for name, relevance in named if relevance is not None},
            )
        return explanation if keep_graph else _detached(explanation)

    def _map(self, leaf: Tensor, layers: list[InputLayer], relevances: list[Tensor | None]) -> Tensor:
        if self.input_rule is None:
            return relevances[0]  # type: ignore[return-value]  # a single one is never None
        parts = [
            layer.share(r, self.input_rule, epsilon=self.epsilon, low=self.low, high=self.high).view_as(leaf)
            for layer, r in zip(layers, relevances, strict=True)
            if r is not None  # a batch normalisation took over, or an auxiliary head that is not explained
        ]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def _stacked(passes: list[list[Tensor | None]], selection: Selection) -> list[Tensor | None]:
    """Relevance of all passes at each tensor; None where none arrived in some pass."""
    found: list[Tensor | None] = []
    for relevances in zip(*passes, strict=True):
        known = [r for r in relevances if r is not None]
        found.append(stack_maps(known, selection) if len(known) == len(relevances) else None)
    return found


@dataclass(frozen=True)
class _Output:
    """What a layer returned, also where the model changes it in place afterwards.

    Attributes:
        value: a copy.
        edge: where relevance arrives at it.
    """

    value: Tensor
    edge: GradientEdge


@contextmanager
def _outputs_of(model: nn.Module, layers: tuple[str, ...]) -> Iterator[dict[str, _Output]]:
    """Catch what layers return while the block runs.

    Raises:
        LayerNotFoundError: there is no such layer, or it returned no tensor that can be differentiated.
    """
    caught: dict[str, _Output] = {}
    hooks: list[RemovableHandle] = []

    def catch(name: str) -> Any:  # noqa: ANN401 - a hook
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401 - whatever it returns
            with torch._C.DisableTorchFunction():  # it is read here, and not by the model
                if isinstance(output, Tensor) and output.requires_grad:
                    caught[name] = _Output(output.clone(), get_gradient_edge(output))

        return hook

    try:
        hooks.extend(find_layer(model, name).register_forward_hook(catch(name)) for name in layers)
        yield caught
    finally:
        for hook in hooks:
            hook.remove()
    for name in layers:
        if name not in caught:
            raise LayerNotFoundError(f"layer '{name}' must return one tensor on the way from the images to the logits")


def _detached(explanation: Explanation) -> Explanation:
    return Explanation(
        explanation.logits.detach(),
        explanation.attribution.detach(),
        explanation.target,
        tuple(relevance.detach() for relevance in explanation.hidden),
        {name: relevance.detach() for name, relevance in explanation.layers.items()},
    )
