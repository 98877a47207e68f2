"""What every explanation method is: a frozen dataclass of its options whose call explains."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from sightline.attribution.drawing import Drawing
from sightline.attribution.graph import RECOMPUTED
from sightline.attribution.misfit import misfit
from sightline.attribution.targets import Selection, Target
from sightline.compiled_models import named_layers, plain_name
from sightline.errors import LayerNotFoundError, SettingsError, ShapeError, SightlineError, UnsupportedOperationError
from sightline.types import Explanation

_SIZES = (256.0, 1.0, 1 / 256)  # that an explanation is drawn at in float16, one after the other


class Explainer(ABC):
    """Explains the answers of a classifier; subclasses are frozen dataclasses of their options."""

    @abstractmethod
    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain in one forward pass.

        Args:
            model: any module from images to logits; comes back as it was.
            images: `(N, C, *S)`; not written to.
            target: what to explain.

        Returns:
            Logits and attribution, on the graph when grad mode is on.

        Raises:
            ShapeError: images or logits have another shape, or the target does not fit them; images are of another
                dtype, or on another device, than the model; or all are float16 on the CPU.
            SettingsError: `target` is no `Target`.
            SightlineError: called under `torch.inference_mode`, where nothing can be differentiated.
        """


@contextmanager
def recording(images: Tensor) -> Iterator[None]:
    """Record a graph for the explanation, also when the caller runs without gradients.

    Raises:
        ShapeError: `images` is not a floating point `(N, C, *S)`, or float16 on the CPU.
        SightlineError: under inference mode.
    """
    if torch.is_inference_mode_enabled():
        raise SightlineError("an explanation needs gradients, but inference mode is on; use torch.no_grad() instead")
    if not isinstance(images, Tensor):
        raise ShapeError(f"images must be a tensor (N, C, *S), got {type(images).__name__}; use torch.as_tensor")
    if images.ndim < 2 or not images.is_floating_point():
        raise ShapeError(
            f"images must be floating point (N, C, *S), got {images.dtype} {tuple(images.shape)}; "
            "scale them to what the model was trained on"
        )
    _check_precision(images, "images")
    with torch.enable_grad():
        yield


def classify(model: nn.Module, images: Tensor) -> Tensor:
    """Make the first forward pass.

    Args:
        model: any module.
        images: `(N, C, *S)`; the model may write to them.

    Returns:
        What the model returns: logits, if it does as it should.

    Raises:
        ShapeError: the model could not take the images, and the layer that broke off shows why.
    """
    try:
        logits: Tensor = model(images)
    except (RuntimeError, ValueError) as error:
        why = None if isinstance(error, SightlineError) else misfit(model, images, error)
        if why is None:
            raise
        raise ShapeError(why) from error
    return logits


def select(target: Target, logits: Tensor, images: Tensor) -> Selection:
    """Apply the target to what the model returned.

    Raises:
        ShapeError: the model did not return `(N, K)` logits, or float16 ones on the CPU.
        SettingsError: `target` is no `Target`.
    """
    if not isinstance(target, Target):
        raise SettingsError(
            f"target must say what to explain, as Class(3) or Label(labels) do, got {type(target).__name__}"
        )
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ShapeError(
            f"the model must return logits ({len(images)}, K), got {came}; wrap it in a module that returns them alone"
        )
    if not logits.is_floating_point():
        raise ShapeError(f"logits must be floating point scores of the classes, got {logits.dtype}; return them raw")
    _check_precision(logits, "logits")
    return target.select(logits)


def _check_precision(tensor: Tensor, name: str) -> None:
    """Refuse weights in float16 on the CPU: slower than float32 there, and gradients below 6e-8 become 0."""
    if tensor.dtype == torch.float16 and tensor.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        raise ShapeError(
            f"{name} must be float32, float64 or bfloat16 on the CPU, got torch.float16, in which small gradients "
            "become 0; use model.float() and images.float(), or bfloat16 for both"
        )


def same_scores(selection: Selection, logits: Tensor, rows: Tensor) -> Tensor:
    """Choose from the logits of changed images what was chosen from those of the images themselves.

    Args:
        selection: of the images.
        logits: of changed images, `(B, K)`.
        rows: index of the image that each was made from, `(B,)` int64.

    Returns:
        Scores, `(M, B)`.

    Raises:
        SettingsError: the target does not say how.
    """
    if selection.again is None:
        raise SettingsError("this method classifies changed images: the target must give its Selection an 'again'")
    return selection.again(logits, rows)


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """Return the layer of a dotted name.

    Raises:
        LayerNotFoundError: there is none; the message says which come near.
    """
    modules = named_layers(model)
    if plain_name(name) in modules:
        return modules[plain_name(name)]
    near = difflib.get_close_matches(name, modules, cutoff=0.5) or list(modules)[1:9]
    raise LayerNotFoundError(f"layer '{name}' is not in the model; it has {', '.join(near)}, ...")


@contextmanager
def evaluation_mode(*modules: nn.Module) -> Iterator[None]:
    """Put modules into evaluation mode, and each of their parts back into its own mode afterwards."""
    modes = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def backward_passes(
    selection: Selection, at: Sequence[Tensor | GradientEdge], drawing: Drawing, *, create_graph: bool
) -> Iterator[tuple[Tensor | None, ...]]:
    """Yield for each explanation what arrives at `at` while it is drawn; one backward pass each.

    In float16 it is drawn larger, and brought back to size in float32: what arrives at early layers is often below
    6e-5, where float16 has few digits left, and below 6e-8 none. Where it overflows it is drawn again, smaller.

    Args:
        selection: what is explained.
        at: where the explanation ends; an edge of the graph for what was changed in place since.
        drawing: of the forward pass.
        create_graph: keep what is needed to differentiate the maps, and the graph of the logits.

    Yields:
        One tensor for each of `at`, shaped as it, or None where no score depends on it.

    Raises:
        SightlineError: the scores depend on none of `at`.
        UnsupportedOperationError: the model checkpoints its activations.
    """
    recorded = selection.scores.requires_grad and all(each.requires_grad for each in at if isinstance(each, Tensor))
    sizes = _SIZES if _in_float16(selection.scores) else (1.0,)
    for m, scores in enumerate(selection.scores):
        cs: tuple[Tensor | None, ...] = ()
        for size in sizes if recorded else ():
            retain = create_graph or m + 1 < len(selection.scores) or size != sizes[-1]
            score = scores.sum()
            with drawing.pencil(), _no_reentrant_checkpoint():
                cs = torch.autograd.grad(
                    score,
                    at,  # type: ignore[arg-type]  # torch takes both kinds together
                    torch.full_like(score, size),
                    create_graph=create_graph,
                    retain_graph=retain,
                    allow_unused=True,
                )
            if len(sizes) > 1:
                cs = tuple(None if c is None else c.float() / size for c in cs)
                if all(c is None or bool(c.isfinite().all()) for c in cs):
                    break
        if all(c is None for c in cs):
            raise SightlineError(
                "the logits do not depend on what is to be explained by a path that can be differentiated; "
                "let the model neither detach its features nor run under torch.no_grad()"
            )
        yield cs


def _in_float16(scores: Tensor) -> bool:
    device = scores.device.type
    drawn = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16
    return drawn or scores.dtype == torch.float16


@contextmanager
def _no_reentrant_checkpoint() -> Iterator[None]:
    """Refuse, as `no_recomputing` does, the older kind of checkpoint, which torch only notices here."""
    try:
        yield
    except RuntimeError as error:
        if "torch.utils.checkpoint" not in str(error):
            raise
        raise UnsupportedOperationError(RECOMPUTED) from error


def stack_maps(maps: list[Tensor], selection: Selection) -> Tensor:
    """Put the maps of all classes on an axis of their own, `(N, K, ...)`, or return the only one, `(N, ...)`."""
    return torch.stack(maps, 1) if selection.every else maps[0]
