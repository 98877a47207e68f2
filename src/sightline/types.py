"""The few records that the packages hand to each other."""

from dataclasses import dataclass, field

from torch import Tensor

from sightline.showing import IMAGES, maps_html


@dataclass(frozen=True)
class Explanation:
    """What a model answered and what the answer rests on.

    Attributes:
        logits: scores before softmax or sigmoid, `(N, K)`, on the graph.
        attribution: signed explanation on the scale of the logit, `(N, C, *S)`, or `(N, K, C, *S)` when every class
            was explained; CAM-family maps have `C = 1` and the spatial size of the layer.
        target: class explained in each image, `(N,)` int; None when all classes or a combination of them were.
        hidden: relevance at the output of each layer that reads the images, `(N, C', *S')` or `(N, K, C', *S')`, before
            an input rule adds up its channels; empty where the method has none.
        layers: relevance at the output of each layer that was asked for, by its name, `(N, *layer)` or
            `(N, K, *layer)`.
        gap: what the sum of the map lacks to the change of score that it is to explain, `(N,)` or `(N, K)`, off the
            graph; None where the method promises no sum.
    """

    logits: Tensor
    attribution: Tensor
    target: Tensor | None = None
    hidden: tuple[Tensor, ...] = ()
    layers: dict[str, Tensor] = field(default_factory=dict)
    gap: Tensor | None = None

    def _repr_html_(self) -> str:
        """Show the first maps in a notebook."""
        shape, classes = tuple(self.attribution.shape), tuple(self.logits.shape[1:])
        every = self.target is None and len(shape) > 4 and shape[1:2] == classes
        return maps_html(self.attribution, self._names(every=every), every=every, head=f"explanation {shape}")

    def _names(self, *, every: bool) -> list[list[str]]:
        """Class and score under each map that explains one class."""
        scores = self.logits[:IMAGES].detach().float().cpu().tolist()
        if every:
            return [[f"class {k}: {score:.2f}" for k, score in enumerate(row)] for row in scores]
        if self.target is None:
            return []
        return [[f"class {k}: {row[k]:.2f}"] for k, row in zip(self.target.tolist(), scores, strict=False)]


@dataclass(frozen=True)
class Guided:
    """One guided step, ready for `loss.backward()`.

    Attributes:
        logits: scores before softmax or sigmoid, `(N, K)`, on the graph.
        loss: what to minimise, scalar, on the graph.
        parts: the summands and measured shares for the log, detached scalars by name.
    """

    logits: Tensor
    loss: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a model of several heads answers; its `forward` gives the logits alone, its `answer(images)` all of it.

    Attributes:
        logits: scores before softmax or sigmoid, `(N, K)`, on the graph.
        maps: scores of the maps that a decoder draws, before softmax or sigmoid, `(N, M, *S')`, on the graph.
    """

    logits: Tensor
    maps: Tensor


@dataclass(frozen=True)
class LinearAnswer:
    """What a model answers whose logits are one fully connected layer of its last features.

    `logits = scale * (weights * features).sum over features and places + bias`, so that the HiResCAM of class k is
    `scale * (weights[k] * features).sum over features`, without a backward pass. A model of this kind gives it by
    `linear_answer(images)`.

    Attributes:
        logits: scores before softmax or sigmoid, `(N, K)`, on the graph.
        features: the last features, `(N, F, *G)`, on the graph.
        weights: of the layer, `(K, F, *G)`, of size 1 along axes where it is the same, on the graph.
        scale: what the mean over places divides by, such as 1 / slices.
        bias: of the layer, `(K,)`, on the graph.
    """

    logits: Tensor
    features: Tensor
    weights: Tensor
    scale: float
    bias: Tensor


@dataclass(frozen=True)
class Batch:
    """Images of one step and what is known about them.

    Attributes:
        images: `(N, C, H, W)` float32 in [0, 1].
        labels: class index `(N,)` int64 for one label an image, or `(N, K)` float with NaN where unknown.
        regions: 1 where the model may look, 0 where not, `(N, 1 or K, H, W)` float in [0, 1]; NaN throughout a map
            whose region is unknown.
        cases: name of each image in its cohort, `N` strings.
    """

    images: Tensor
    labels: Tensor
    regions: Tensor
    cases: tuple[str, ...]
