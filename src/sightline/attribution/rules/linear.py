"""Linear layers under the rules of a composite, batch normalisation merged into them where it follows.

Relevance of the output is `z * c`; a rule answers with the `c` of the input, whose relevance is `x * c`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.attribution.composites import AlphaBeta, Epsilon, Gamma, Rule, ZPlus
from sightline.attribution.drawing import Drawing
from sightline.attribution.rules.batch_norm import Norm, channel_scale
from sightline.attribution.rules.shared_statistics import shared_statistics
from sightline.attribution.rules.switch import switch


@dataclass(frozen=True)
class LinearMap:
    """A linear map without its weights.

    Attributes:
        forward: from `x` and weights to what they make.
        transpose: from the shape of the output, the weights and `x` to the shape of `x`.
        outputs: axis of the weights that counts the output channels; None where a scale cannot be merged into them.
    """

    forward: Callable[[Tensor, Tensor], Tensor]
    transpose: Callable[[Tensor, Tensor, Tensor], Tensor]
    outputs: int | None = 0


@dataclass
class LinearLayer:
    """A linear operation of the forward pass and what became of its output.

    It holds parameters and buffers, and nothing of the graph, which holds it.

    Attributes:
        map: without weights.
        axes: of the output, where its second one counts the channels, as a batch normalisation reads it.
        norm: batch normalisation that reads the output.
        uses: how many functions read the output.
    """

    map: LinearMap
    axes: int
    norm: Norm | None = None
    uses: int = 0

    @property
    def merged(self) -> bool:
        """Whether the layer and the normalisation behind it are one."""
        return self.norm is not None and self.uses == 1 and self.map.outputs is not None

    def effective(self, y: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Output, weights and bias with the normalisation merged into them, on the graph; `y` is the output without."""
        if not self.merged:
            return y, weight, bias
        norm: Norm = self.norm  # type: ignore[assignment]
        axis: int = self.map.outputs  # type: ignore[assignment]
        scale = channel_scale(y, norm.var, norm.weight, norm.training, norm.eps, norm.add_up).to(weight.dtype)  # (out,)
        if norm.shares_statistics:
            mean = shared_statistics(y, norm.add_up)[0]  # type: ignore[arg-type]
        elif norm.training or norm.mean is None:
            mean = y.mean([d for d in range(y.ndim) if d != 1])
        else:
            mean = norm.mean.to(weight.dtype)
        shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
        view = [1] * weight.ndim
        view[axis] = -1
        z = _with_bias(y * scale.view(-1, *(1,) * (y.ndim - 2)), shift, weight)
        return z, weight * scale.view(view), shift if bias is None else bias * scale + shift


def ruled(
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    layer: LinearLayer,
    rule: Rule,
    drawing: Drawing,
    *,
    nonnegative: bool = False,
) -> Tensor:
    """Answer an explanation that arrives at a linear layer by the rule of a composite.

    Args:
        y: output of the layer, `(N, out, *S')` or `(..., out)`.
        x: its input.
        weight: its weights.
        bias: `(out,)` or None.
        layer: what it is.
        rule: how relevance is shared.
        drawing: of this forward pass.
        nonnegative: `x` is known to hold nothing below 0, which spares rules of signs half of their work.

    Returns:
        `y`.
    """

    def answer(c: Tensor, x: Tensor, weight: Tensor, y: Tensor, bias: Tensor | None = None) -> tuple[Tensor]:
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # sums of one sign need more than half precision
            z, w, b = layer.effective(y.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))
            part = _Part(layer.map, x.to(dtype), w, b, nonnegative)
            return (_ANSWERS[type(rule)](rule, part, z, c.to(dtype)).to(c.dtype),)

    return switch(y, (x, weight, y) if bias is None else (x, weight, y, bias), answer, drawing)


@dataclass(frozen=True, eq=False)
class _Part:
    """A linear layer with its input: what all rules need."""

    map: LinearMap
    x: Tensor
    weight: Tensor
    bias: Tensor | None
    nonnegative: bool

    def shared(
        self, r: Tensor, of_positive: Tensor, of_negative: Tensor, bias: Tensor | None, epsilon: float
    ) -> Tensor:
        """Share `r` by `x+` times one set of weights and `x-` times another."""
        x, forward, transpose = self.x, self.map.forward, self.map.transpose
        if self.nonnegative:
            total = forward(x, of_positive)
        else:
            total = forward(x.clamp(min=0), of_positive) + forward(x.clamp(max=0), of_negative)
        s = r / _stabilised(_with_bias(total, bias, of_positive), epsilon)
        if self.nonnegative:
            return transpose(s, of_positive, x)
        return torch.where(x >= 0, transpose(s, of_positive, x), transpose(s, of_negative, x))


def _epsilon(rule: Epsilon, layer: _Part, z: Tensor, c: Tensor) -> Tensor:
    return layer.map.transpose(z * c / _stabilised(z, rule.epsilon), layer.weight, layer.x)


def _alpha_beta(rule: AlphaBeta, layer: _Part, z: Tensor, c: Tensor) -> Tensor:
    r, w, b = z * c, layer.weight, layer.bias
    positive, negative = w.clamp(min=0), w.clamp(max=0)
    answer = layer.shared(r, positive, negative, None if b is None else b.clamp(min=0), rule.epsilon)
    if not rule.beta:
        return rule.alpha * answer
    against = layer.shared(r, negative, positive, None if b is None else b.clamp(max=0), rule.epsilon)
    return rule.alpha * answer - rule.beta * against


def _z_plus(rule: ZPlus, layer: _Part, z: Tensor, c: Tensor) -> Tensor:
    return _alpha_beta(AlphaBeta(1, 0, rule.epsilon), layer, z, c)


def _gamma(rule: Gamma, layer: _Part, z: Tensor, c: Tensor) -> Tensor:
    r, w, b = z * c, layer.weight, layer.bias
    positive, negative = w + rule.gamma * w.clamp(min=0), w + rule.gamma * w.clamp(max=0)
    more = None if b is None else b + rule.gamma * b.clamp(min=0)
    less = None if b is None else b + rule.gamma * b.clamp(max=0)
    above = layer.shared(torch.where(z > 0, r, 0), positive, negative, more, rule.epsilon)
    return above + layer.shared(torch.where(z < 0, r, 0), negative, positive, less, rule.epsilon)


def _with_bias(z: Tensor, bias: Tensor | None, weight: Tensor) -> Tensor:
    if bias is None:
        return z
    return z + (bias if weight.ndim == 2 else bias.view(1, -1, *(1,) * (z.ndim - 2)))  # features last, or channels


def _stabilised(z: Tensor, epsilon: float) -> Tensor:
    return z + torch.copysign(z.new_tensor(epsilon or torch.finfo(z.dtype).tiny ** 0.5), z)


_ANSWERS: dict[type, Callable[..., Tensor]] = {
    Epsilon: _epsilon,
    AlphaBeta: _alpha_beta,
    ZPlus: _z_plus,
    Gamma: _gamma,
}
