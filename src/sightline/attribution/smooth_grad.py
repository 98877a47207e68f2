"""SmoothGrad and its kin: what becomes of any explanation when noise is added to the image."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from sightline.attribution.chosen import Chosen
from sightline.attribution.explainer import Explainer, classify, evaluation_mode, recording, select
from sightline.attribution.gradient import Saliency
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError
from sightline.types import Explanation

_FORMS: dict[str, Callable[[Tensor], Tensor]] = {  # of maps (N, samples, ...)
    "mean": lambda maps: maps.mean(1),
    "squared": lambda maps: maps.square().mean(1),
    "variance": lambda maps: maps.var(1, correction=0),
}


@dataclass(frozen=True)
class SmoothGrad(Explainer):
    r"""Another explanation, averaged over noisy copies of the image.

    $$\tilde{A} = \frac{1}{n} \sum_{i=1}^n A(x + \epsilon_i), \qquad
    \epsilon_i \sim \mathcal{N}\big(0, \sigma^2 (\max x - \min x)^2\big)$$

    `form` says what is averaged: the maps $A$ (`"mean"`), their squares (`"squared"`), or the squares of their
    deviations from the mean (`"variance"`, VarGrad), which is `"squared"` less the square of `"mean"`. The last two
    have no sign and are on the scale of the logit squared.

    Logits are those of the model in the mode it is in; the function explained is that of evaluation mode. The class is
    chosen once, from the image without noise. The noise is drawn once and scaled to each image, so a map does not
    depend on the batch. Each call repeats it: for a loss in training, change `seed` from step to step.

    Args:
        inner: the explanation to average; with grad mode on, each of its graphs is kept. Noise takes pixels out of
            their range, which matters to a rule that assumes one, such as z^B.
        samples: $n$, noisy copies.
        noise: $\sigma$, as a share of the range of values of each image.
        form: `"mean"`, `"squared"` or `"variance"`.
        seed: of the noise, which is drawn on the CPU.
        batch_size: noisy images in one call of `inner`.

    Reference:
        Smilkov et al. 2017, arXiv:1706.03825 (which advises a noise of 0.1 to 0.2 and 50 samples, and draws anew for
        each image); squared: Hooker et al. 2019, arXiv:1806.10758, section 4.1; variance: Adebayo et al. 2018,
        arXiv:1810.03307. All three average the gradient; any other explanation is our own addition.
    """

    inner: Explainer = field(default_factory=Saliency)
    samples: int = 16
    noise: float = 0.15
    form: Literal["mean", "squared", "variance"] = "mean"
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.samples < 1 or self.batch_size < 1:
            raise SettingsError(f"samples and batch_size must be at least 1, got {self.samples} and {self.batch_size}")
        if not self.noise >= 0:
            raise SettingsError(f"noise must be at least 0, got {self.noise}")
        if self.form not in _FORMS:
            raise SettingsError(f"form must be 'mean', 'squared' or 'variance', got {self.form!r}")
        if self.form == "variance" and self.samples < 2:
            raise SettingsError("a variance needs at least 2 samples, got 1")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map has the shape of those of `inner`. See `Explainer`."""
        keep_graph = torch.is_grad_enabled()
        with recording(images), torch.set_grad_enabled(keep_graph):  # `inner` records for itself
            images = images.detach()
            logits = classify(model, images.clone())  # the model may write to it
            selection = select(target, logits, images)
            noise = self.draw(images)
            with evaluation_mode(model):
                own = torch.arange(len(images), device=images.device)
                groups = torch.split(own, max(1, self.batch_size // self.samples))
                attribution = torch.cat([self._smooth(model, images, noise, selection, group) for group in groups])
        return Explanation(logits, attribution, selection.classes)

    def draw(self, images: Tensor) -> Tensor:
        """Return the noise that a call adds to each image, in units of its standard deviation, `(samples, C, *S)`."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(self.samples, *images.shape[1:], generator=generator, dtype=torch.float64)
        return noise.to(images)  # the same in any dtype

    def _smooth(self, model: nn.Module, images: Tensor, noise: Tensor, selection: Selection, group: Tensor) -> Tensor:
        """Maps of the images `group` `(G,)`, all of whose samples are held at once."""
        rows = group.repeat_interleave(self.samples)
        draws = torch.arange(self.samples, device=group.device).repeat(len(group))
        axes = tuple(range(1, images.ndim))
        sigma = self.noise * (images.amax(axes, keepdim=True) - images.amin(axes, keepdim=True))
        maps = torch.cat(
            [
                self.inner(model, images[r] + sigma[r] * noise[d], Chosen(selection, r)).attribution
                for r, d in zip(torch.split(rows, self.batch_size), torch.split(draws, self.batch_size), strict=True)
            ]
        )
        return _FORMS[self.form](maps.view(len(group), self.samples, *maps.shape[1:]))
