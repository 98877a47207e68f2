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

    def effective(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Weights and bias with the normalisation merged into them, on the graph."""
        if not self.merged:
            return weight, bias
        norm: Norm = self.norm  # type: ignore[assignment]
        axis: int = self.map.outputs  # type: ignore[assignment]
        z = _with_bias(self.map.forward(x, weight), bias, weight)
        scale = channel_scale(z, norm.var, norm.weight, norm.training, norm.eps).to(weight.dtype)  # (out,)
        if norm.training or norm.mean is None:
            mean = z.mean([d for d in range(z.ndim) if d != 1])
        else:
            mean = norm.mean.to(weight.dtype)
        shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
        view = [1] * weight.ndim
        view[axis] = -1
        return weight * scale.view(view), shift if bias is None else bias * scale + shift


def ruled(
    y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, layer: LinearLayer, rule: Rule, drawing: Drawing
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

    Returns:
        `y`.
    """

    def answer(c: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor]:
        dtype = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # sums of one sign need more than half precision
            given = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
            merged, merged_bias = layer.effective(*given)
            return (_ANSWERS[type(rule)](rule, layer.map, c.to(dtype), given[0], merged, merged_bias).to(c.dtype),)

    return switch(y, (x, weight) if bias is None else (x, weight, bias), answer, drawing)


def _epsilon(rule: Epsilon, op: LinearMap, c: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    z = _with_bias(op.forward(x, w), b, w)
    return op.transpose(z * c / _stabilised(z, rule.epsilon), w, x)


def _alpha_beta(rule: AlphaBeta, op: LinearMap, c: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    r = _with_bias(op.forward(x, w), b, w) * c
    positive, negative = w.clamp(min=0), w.clamp(max=0)
    answer = rule.alpha * _signed(op, r, x, positive, negative, None if b is None else b.clamp(min=0), rule.epsilon)
    if not rule.beta:
        return answer
    return answer - rule.beta * _signed(
        op, r, x, negative, positive, None if b is None else b.clamp(max=0), rule.epsilon
    )


def _z_plus(rule: ZPlus, op: LinearMap, c: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return _alpha_beta(AlphaBeta(1, 0, rule.epsilon), op, c, x, w, b)


def _gamma(rule: Gamma, op: LinearMap, c: Tensor, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    z = _with_bias(op.forward(x, w), b, w)
    r = z * c
    positive, negative = w + rule.gamma * w.clamp(min=0), w + rule.gamma * w.clamp(max=0)
    more = None if b is None else b + rule.gamma * b.clamp(min=0)
    less = None if b is None else b + rule.gamma * b.clamp(max=0)
    above = _signed(op, torch.where(z > 0, r, 0), x, positive, negative, more, rule.epsilon)
    return above + _signed(op, torch.where(z < 0, r, 0), x, negative, positive, less, rule.epsilon)


def _signed(
    op: LinearMap, r: Tensor, x: Tensor, of_positive: Tensor, of_negative: Tensor, bias: Tensor | None, epsilon: float
) -> Tensor:
    """Share `r` by `x+` times one set of weights and `x-` times another."""
    total = op.forward(x.clamp(min=0), of_positive) + op.forward(x.clamp(max=0), of_negative)
    s = r / _stabilised(_with_bias(total, bias, of_positive), epsilon)
    return torch.where(x >= 0, op.transpose(s, of_positive, x), op.transpose(s, of_negative, x))


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
