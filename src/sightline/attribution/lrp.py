"""Layer-wise relevance propagation of any model, in one intercepted forward pass and one backward pass a map."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, backward_passes, recording, select, stack_maps
from sightline.attribution.interception import Interception
from sightline.attribution.rules.input_layer import InputRule
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError, UnsupportedOperationError
from sightline.types import Explanation


@dataclass(frozen=True)
class LRP(Explainer):
    r"""LRP-epsilon, with a rule of its own for the layer that reads the pixels.

    Between two ReLUs everything linear is passed by its transpose; a ReLU passes $a / (z + \epsilon)$. Relevance is the
    product of an activation and what arrives there. A map of logit $y_k$ sums to about $y_k$ less what the biases and
    $\epsilon$ absorb.

    Args:
        epsilon: absorbs relevance where pre-activations are small; 0 gives LRP-0.
        input_rule: `"zb"` for pixels within [`low`, `high`], `"flat"` for equal shares, None to treat the first layer
            as any other.
        low: least value a pixel may have, for `"zb"`.
        high: greatest value a pixel may have, for `"zb"`.
        unknown: what to do at a function without a rule: `"error"`, or `"gradient"` to pass it by its gradient.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 58; Bassi et al. 2024,
        doi:10.1038/s41467-023-44371-z, sections 4.1 and 4.4, from which we depart in three points: the ReLU's bias is
        not detached when a loss on the map is differentiated, batch normalisation uses the biased variance that it
        normalises by, and z^B counts pixels from `low` and `high` themselves (see `docs/methods/departures.md`).
    """

    epsilon: float = 1e-2
    input_rule: InputRule | None = "zb"
    low: float = 0.0
    high: float = 1.0
    unknown: Literal["error", "gradient"] = "error"

    def __post_init__(self) -> None:
        if self.input_rule not in (None, *get_args(InputRule)):
            raise SettingsError(f"input_rule must be 'zb', 'flat' or None, got {self.input_rule!r}")
        if self.unknown not in ("error", "gradient"):
            raise SettingsError(f"unknown must be 'error' or 'gradient', got {self.unknown!r}")
        if not self.epsilon >= 0:
            raise SettingsError(f"epsilon must be at least 0, got {self.epsilon}")
        if not self.low < self.high:
            raise SettingsError(f"low must be less than high, got {self.low} and {self.high}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`.

        Raises:
            UnsupportedOperationError: the model calls a function without a rule; the message names it and its place.
        """
        keep_graph = torch.is_grad_enabled()
        with recording(images):
            drawing = Drawing(epsilon=self.epsilon)
            leaf = images.detach().requires_grad_(self.input_rule is None)
            given = leaf.clone()  # the model may write to it
            watch = Interception(given, drawing, strict=self.unknown == "error", input_rule=self.input_rule is not None)
            with watch:
                logits = model(given)
            selection = select(target, logits, images)
            watch.check_followed(logits)
            stops = [layer.output for layer in watch.input_layers] if self.input_rule else [leaf]
            if not stops:
                raise UnsupportedOperationError(
                    "no convolution or linear layer reads the images, so the input rule has nowhere to apply; "
                    "explain with input_rule=None"
                )
            passes = list(backward_passes(selection, stops, drawing, create_graph=keep_graph))
            attribution = stack_maps([self._map(leaf, watch, cs) for cs in passes], selection)
            hidden = self._hidden(watch, passes, selection)
        if not keep_graph:
            logits, attribution = logits.detach(), attribution.detach()
            hidden = tuple(relevance.detach() for relevance in hidden)
        return Explanation(logits, attribution, selection.classes, hidden)

    @staticmethod
    def _hidden(
        watch: Interception, passes: list[tuple[Tensor | None, ...]], selection: Selection
    ) -> tuple[Tensor, ...]:
        found = []
        for layer, cs in zip(watch.input_layers, zip(*passes, strict=True), strict=False):
            known = [c for c in cs if c is not None]
            if len(known) == len(cs):
                found.append(stack_maps([layer.output * c for c in known], selection))
        return tuple(found)

    def _map(self, leaf: Tensor, watch: Interception, cs: tuple[Tensor | None, ...]) -> Tensor:
        if self.input_rule is None:
            return leaf.detach() * cs[0]  # type: ignore[operator]  # a single one is never None
        parts = [
            layer.relevance(c, self.input_rule, epsilon=self.epsilon, low=self.low, high=self.high).view_as(leaf)
            for layer, c in zip(watch.input_layers, cs, strict=True)
            if c is not None  # a batch normalisation took over, or an auxiliary head that is not explained
        ]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
