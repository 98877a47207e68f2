"""What maps are compared with: plain torch on the model as it is, or on a copy of it, and nothing of the engine."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .models import Architecture

Rule = Callable[[Tensor, Tensor], Tensor]  # from what arrives at a ReLU, and its pre-activation, to what it passes

GUIDED: Rule = lambda g, z: g.clamp(min=0) * (z > 0)  # noqa: E731
DECONVNET: Rule = lambda g, z: g.clamp(min=0)  # noqa: E731


@dataclass(frozen=True)
class Subject:
    """What a cell is about.

    Attributes:
        architecture: the column.
        model: of it.
        images: `(2, 3, *S)`.
        labels: class explained of each image, the predicted one, `(2,)`.
    """

    architecture: Architecture
    model: nn.Module
    images: Tensor
    labels: Tensor

    def scores(self, images: Tensor, model: nn.Module | None = None) -> Tensor:
        """Scores of the labels for images like its own, `(2,)`."""
        logits: Tensor = (model or self.model)(images)
        return logits.gather(1, self.labels[:, None])[:, 0]

    def gradient(self, images: Tensor | None = None, model: nn.Module | None = None) -> Tensor:
        """Gradient of the scores by the pixels, as autograd has it."""
        leaf = (self.images if images is None else images).detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.scores(leaf.clone(), model).sum(), leaf)
        return gradient

    def features(self, layer: str) -> tuple[Tensor, Tensor]:
        """Feature map that a layer gives, and the gradient of the scores there, `(2, F, *s)` each."""
        kept: list[Tensor] = []

        def keep(module: nn.Module, x: object, y: Tensor) -> Tensor:
            kept.append(y)
            return y.clone()  # what follows may work in place

        with hooks(iter([self.model.get_submodule(layer).register_forward_hook(keep)])):
            scores = self.scores(self.images)
        (gradient,) = torch.autograd.grad(scores.sum(), kept[0])
        return self._in_space(kept[0].detach()), self._in_space(gradient)

    def attention(self) -> list[tuple[Tensor, Tensor]]:
        """Attention of each layer, from the first, and the gradient of the scores there, `(2, heads, T, T)` each."""
        kept: list[Tensor] = []

        def attend(module: nn.MultiheadAttention, x: tuple[Tensor, ...], y: tuple[Tensor, None]) -> tuple[Tensor, None]:
            sides = zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True)
            q, k, v = (F.linear(x[0], *side).unflatten(2, (module.num_heads, -1)).transpose(1, 2) for side in sides)
            kept.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1))
            z = module.out_proj((kept[-1] @ v).transpose(1, 2).flatten(2))
            torch.testing.assert_close(z, y[0])
            return z, None

        layers = [module for module in self.model.modules() if isinstance(module, nn.MultiheadAttention)]
        with hooks(module.register_forward_hook(attend) for module in layers):
            scores = self.scores(self.images)
        gradients = torch.autograd.grad(scores.sum(), kept)
        return [(matrices.detach(), gradient) for matrices, gradient in zip(kept, gradients, strict=True)]

    def _in_space(self, features: Tensor) -> Tensor:
        if self.architecture.places == "before" and features.ndim > 2:
            return features.movedim(-1, 1)
        if self.architecture.places == "class token" and features.ndim == 3:
            side = round((features.shape[1] - 1) ** 0.5)
            return features[:, 1:].mT.unflatten(2, (side, side))
        return features


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, rule: Rule) -> Tensor:
        ctx.save_for_backward(z)
        ctx.rule = rule
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return ctx.rule(g, *ctx.saved_tensors), None


class _ReLU(nn.Module):
    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, z: Tensor) -> Tensor:
        return _Rectified.apply(z, self.rule)


def with_relus(model: nn.Module, rule: Rule) -> nn.Module:
    """A copy whose ReLUs, which must be modules, pass back what the rule says."""
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if isinstance(module, nn.ReLU):
            model.set_submodule(name, _ReLU(rule))
    return model


def without_biases(model: nn.Module) -> nn.Module:
    """A copy in which nothing is added to activations but activations."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith(("bias", "running_mean", "class_token", "pos_embedding")):
                tensor.zero_()
    return model


@dataclass(frozen=True)
class Convolution:
    """A convolution in a forward pass.

    Attributes:
        module: of it.
        x: its input.
        output: name of the module whose output stands for its own: itself, or a batch normalisation right behind it.
        norm: that normalisation.
    """

    module: nn.Module
    x: Tensor
    output: str
    norm: nn.Module | None

    def reads(self, images: Tensor) -> bool:
        """Whether its input is the images themselves."""
        return self.x.shape == images.shape and torch.equal(self.x, images)

    def parts(self, sign: int) -> Tensor:
        """Sum of the contributions of one sign to each of its outputs, as normalised."""
        part = copy.deepcopy(self.module)
        part.bias = None
        total = torch.zeros(())
        weight = self.module.weight.detach()
        same, other = (weight.clamp(min=0), weight.clamp(max=0))[::sign]
        for x, own in ((self.x.clamp(min=0), same), (self.x.clamp(max=0), other)):
            part.weight = nn.Parameter(own, requires_grad=False)
            total = total + part(x)
        if self.norm is None:
            return total
        scale = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        return total * scale.detach().view(-1, *[1] * (total.ndim - 2))


def convolutions(model: nn.Module, images: Tensor) -> list[Convolution]:
    """The convolutions that a model calls, each once."""
    names = {module: name for name, module in model.named_modules()}
    made: dict[int, tuple[Tensor, nn.Module]] = {}  # output -> it, so that it lives, and the convolution
    inputs: dict[nn.Module, Tensor] = {}
    norms: dict[nn.Module, nn.Module] = {}

    def note(module: nn.Module, x: tuple[Tensor, ...], y: Tensor) -> None:
        if isinstance(module, nn.modules.conv._ConvNd):
            made[id(y)] = y, module
            inputs[module] = x[0].detach().clone()
        elif id(x[0]) in made:
            norms[made[id(x[0])][1]] = module

    kinds = nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm
    with hooks(module.register_forward_hook(note) for module in names if isinstance(module, kinds)), torch.no_grad():
        model(images)
    return [Convolution(module, x, names[norms.get(module, module)], norms.get(module)) for module, x in inputs.items()]


@contextmanager
def hooks(handles: Iterator[Any]) -> Iterator[None]:
    """Remove hooks in the end."""
    kept = list(handles)
    try:
        yield
    finally:
        for handle in kept:
            handle.remove()


def seen_by(model: nn.Module, run: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """Images that a model is called with while something runs, `(B, C, *S)`; and what that gave."""
    seen: list[Tensor] = []
    with hooks(iter([model.register_forward_pre_hook(lambda module, x: seen.append(x[0].detach().clone()))])):
        result = run()
    return torch.cat(seen), result
