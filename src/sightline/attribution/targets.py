"""What is explained: a class, the label, the prediction, every class, a random one, or what a softmax makes of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.errors import SettingsError, ShapeError


@dataclass(frozen=True)
class Selection:
    """The scores that an explanation starts from.

    Attributes:
        scores: one scalar an image to differentiate, `(M, N)`: M explanations of each of N images.
        classes: class explained, `(N,)` int; None where it is not one class an image.
        every: True where the M explanations are the K classes.
        again: the same choice, `(M, B)`, made from other logits `(B, K)` and the image `(B,)` that each row belongs to;
            methods that classify changed images need it.
    """

    scores: Tensor
    classes: Tensor | None = None
    every: bool = False
    again: Callable[[Tensor, Tensor], Tensor] | None = None


class Target(ABC):
    """Chooses from the logits what to explain."""

    @abstractmethod
    def select(self, logits: Tensor) -> Selection:
        """Return the scores to explain, given logits `(N, K)` on the graph."""


def _one_class(logits: Tensor, classes: Tensor) -> Selection:
    classes = classes.to(logits.device, torch.int64)

    def scores(logits: Tensor, rows: Tensor) -> Tensor:
        return logits.gather(1, classes[rows][:, None])[None, :, 0]

    return Selection(scores(logits, torch.arange(len(logits), device=logits.device)), classes, again=scores)


@dataclass(frozen=True)
class Class(Target):
    """The same class in every image.

    Args:
        index: class, from 0 to K - 1.
    """

    index: int

    def select(self, logits: Tensor) -> Selection:
        """Return the logit of the class."""
        if not 0 <= self.index < logits.shape[1]:
            raise ShapeError(f"target class must lie in 0 to {logits.shape[1] - 1}, got {self.index}")
        return _one_class(logits, torch.full((len(logits),), self.index))


@dataclass(frozen=True)
class Label(Target):
    """The given class of each image.

    Args:
        labels: `(N,)` int.
    """

    labels: Tensor

    def select(self, logits: Tensor) -> Selection:
        """Return the logit of each image's label."""
        if self.labels.shape != logits.shape[:1]:
            raise ShapeError(f"labels must be ({len(logits)},), one class an image, got {tuple(self.labels.shape)}")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < logits.shape[1]:
            least, most = int(self.labels.min()), int(self.labels.max())
            raise ShapeError(f"labels must lie in 0 to {logits.shape[1] - 1}, got {least} to {most}")
        return _one_class(logits, self.labels)


@dataclass(frozen=True)
class Predicted(Target):
    """The class with the highest logit."""

    def select(self, logits: Tensor) -> Selection:
        """Return each image's highest logit."""
        return _one_class(logits, logits.argmax(1))


@dataclass(frozen=True)
class EveryClass(Target):
    """All classes: maps gain an axis, `(N, K, C, *S)`, and cost one backward pass each."""

    def select(self, logits: Tensor) -> Selection:
        """Return all logits."""
        return Selection(logits.T, every=True, again=lambda logits, rows: logits.T)


@dataclass(frozen=True)
class RandomClass(Target):
    """One class an image, each equally likely: a loss on this map is an unbiased estimate of the mean over classes.

    Args:
        generator: of the draw, on the CPU; None uses torch's global one.
        rows: given the number of images, tells which they are of a larger batch, and how many that has: the draw is one
            for all of it, whoever has which of its images; None where they are the whole batch.

    Reference:
        Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781 (stochastic ISNet), whose code draws the predicted class more
        often than others; ours draws uniformly, which is what makes the estimate unbiased.
    """

    generator: torch.Generator | None = field(default=None, compare=False)
    rows: Callable[[int], tuple[slice, int]] | None = field(default=None, compare=False)

    def select(self, logits: Tensor) -> Selection:
        """Return the logit of a random class of each image."""
        rows, batch = (slice(None), len(logits)) if self.rows is None else self.rows(len(logits))
        return _one_class(logits, torch.randint(logits.shape[1], (batch,), generator=self.generator)[rows])


@dataclass(frozen=True)
class Selective(Target):
    r"""The log-odds of the least likely class under the softmax, which depends on all logits at once.

    $$\eta = \log(p + \delta) - \log(1 - p + \delta), \qquad p = \min_k \mathrm{softmax}(y)_k$$

    Args:
        delta: keeps both logarithms finite.

    Reference:
        Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781 (selective ISNet).
    """

    delta: float = 1e-2

    def select(self, logits: Tensor) -> Selection:
        """Return the stabilised log-odds of each image's lowest softmax output."""
        if logits.shape[1] < 2:
            raise ShapeError("the selective target compares classes by a softmax and needs at least 2, got 1")
        classes = logits.argmin(1)

        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            p = logits.softmax(1).gather(1, classes[rows][:, None])[None, :, 0]
            return (p + self.delta).log() - (1 - p + self.delta).log()

        return Selection(scores(logits, torch.arange(len(logits), device=logits.device)), classes, again=scores)


@dataclass(frozen=True)
class LogOdds(Target):
    r"""The log-odds of a class under the softmax, rather than its logit: what speaks for it and against all others.

    $$\eta_k = \log p_k - \log(1 - p_k) = y_k - \log \sum_{j \neq k} e^{y_j}, \qquad p = \mathrm{softmax}(y)$$

    A logit may rise with something that raises all of them, which does not speak for the class; its log-odds do not.
    With two classes they are the difference of the logits.

    Args:
        of: target that chooses the class; `EveryClass()` explains the log-odds of each.

    Reference:
        Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10, section 10.4; used for the maps of one class in Bassi et
        al. 2024, doi:10.1038/s41467-023-44371-z.
    """

    of: Target

    def select(self, logits: Tensor) -> Selection:
        """Return the log-odds of the class that `of` chooses.

        Raises:
            ShapeError: there is one class only, or the logits do not fit `of`.
            SettingsError: `of` chooses something else than classes.
        """
        count = logits.shape[1]
        if count < 2:
            raise ShapeError(f"log-odds compare a class with the others and need at least 2 classes, got {count}")
        chosen = self.of.select(logits)
        if chosen.every:
            choice = torch.arange(count, device=logits.device)[:, None].expand(-1, len(logits))  # (M, N)
        elif chosen.classes is not None:
            choice = chosen.classes.to(logits.device)[None]
        else:
            raise SettingsError(f"log-odds are those of a class, but {type(self.of).__name__} chooses none")

        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            own = F.one_hot(choice[:, rows], count).bool()  # (M, B, K)
            others = logits.masked_fill(own, -torch.inf).logsumexp(-1)
            return logits.expand_as(own).masked_fill(~own, 0).sum(-1) - others

        rows = torch.arange(len(logits), device=logits.device)
        return Selection(scores(logits, rows), chosen.classes, chosen.every, again=scores)
