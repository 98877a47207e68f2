"""Methods by the names of the literature: what each one is, what it costs, and which options can be set in words."""

import dataclasses
import difflib
import functools
import hashlib
import inspect
import operator
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

import sightline.attribution as exported
from sightline.attribution.composites import COMPOSITES, Composite, Rule
from sightline.attribution.explainer import Explainer
from sightline.attribution.lrp import CompositeLRP
from sightline.errors import SettingsError
from sightline.plain import to_plain

_NAMES = {"DeconvNet": "deconvnet", "HiResCAM": "hirescam", "XGradCAM": "xgrad_cam"}
_TITLES = {
    "CompositeLRP": "Composite LRP",
    "DeepLIFT": "DeepLIFT",
    "GradCAM": "Grad-CAM",
    "GradCAMPlusPlus": "Grad-CAM++",
    "GradientTimesInput": "Gradient \N{MULTIPLICATION SIGN} input",
    "GuidedGradCAM": "Guided Grad-CAM",
    "ScoreCAM": "Score-CAM",
    "XGradCAM": "XGrad-CAM",
}
_WHOLE = ("DeconvNet", "HiResCAM", "LayerCAM", "SmoothGrad")  # written in one word
_COUNTS = ("steps", "samples", "masks")  # fields that say how many passes there are
_FORWARD = {"DeepLIFT": "2", "GuidedGradCAM": "3", "Occlusion": "windows", "ScoreCAM": "channels"}
_BACKWARD = {"GuidedGradCAM": "2", "LIME": "0", "Occlusion": "0", "RISE": "0", "ScoreCAM": "0"}
_EDGES = "fails sanity checks: stays almost the same when the upper layers are random"
_CAVEATS = {
    "DeconvNet": _EDGES,
    "GuidedBackpropagation": _EDGES,
    "GuidedGradCAM": "its details stay almost the same when the upper layers are random",
}
_MAGNITUDE = "much of its magnitude stays when the upper layers are random: look at signs, and at other classes"
_NEEDS = {"ExpectedGradients": "reference images, in Python; otherwise they are one black image"}
_OF_NO_EFFECT = ("batch_size", "progress")  # on the map


@dataclass(frozen=True)
class Method:
    """An explainer under a name.

    Attributes:
        name: in snake case, such as `grad_cam`.
        title: as the literature writes it, such as `Grad-CAM`.
        kind: class of the explainer.
        about: one line.
        fixed: options that the name stands for.
        forward: forward passes a map: a number, or what they are counted in, with its default.
        backward: backward passes a map, likewise.
        caveat: why not to trust it, where it fails sanity checks (Adebayo et al. 2018, arXiv:1810.03292; Nie et al.
            2018, arXiv:1805.07039; Sixt et al. 2020, arXiv:1912.09818), as `docs/experiments/randomisation.md` has it;
            empty where it does not.
        needs: what it should be given to mean something; empty where its defaults do.
    """

    name: str
    title: str
    kind: type[Explainer]
    about: str
    fixed: tuple[tuple[str, Any], ...] = ()
    forward: str = "1"
    backward: str = "1"
    caveat: str = ""
    needs: str = ""

    def explainer(self, **options: Any) -> Explainer:  # noqa: ANN401 - those of the explainer
        """Make the explainer; another explainer among its options may be given as the name of its method.

        Raises:
            SettingsError: an option is out of its range.
        """
        for name in self._explainers():
            if isinstance(options.get(name), str):
                try:
                    options[name] = find_method(options[name]).explainer()
                except SettingsError as error:
                    raise SettingsError(f"{name}: {error}") from None
        return self.kind(**dict(self.fixed), **options)

    def options(self) -> type:
        """Return a frozen dataclass of the options that can be written down: no tensors and no functions.

        Its instances have passed the checks of the explainer; another explainer is the name of its method.
        """
        hints, made = typing.get_type_hints(self.kind), []
        for item in fields(self.kind):  # type: ignore[arg-type]  # every explainer is a dataclass
            hint = _writable(hints[item.name])
            if hint is None or item.name in dict(self.fixed):
                continue
            factory = item.default_factory
            default = item.default if factory is dataclasses.MISSING else factory()
            made.append((item.name, hint, dataclasses.field(default=_in_words(default))))

        def check(options: Any) -> None:  # noqa: ANN401 - of the class that is being made
            self.explainer(**vars(options))

        return dataclasses.make_dataclass(self.kind.__name__, made, namespace={"__post_init__": check}, frozen=True)

    def has(self, option: str) -> bool:
        """Whether the explainer has an option of this name."""
        return option in {item.name for item in fields(self.kind)}  # type: ignore[arg-type]  # as above

    def _explainers(self) -> list[str]:
        return [name for name, hint in typing.get_type_hints(self.kind).items() if hint is Explainer]


@functools.cache
def methods() -> dict[str, Method]:
    """Return every explainer that `sightline.attribution` exports, and every composite of LRP, by name in order."""
    found = []
    for kind in Explainer.__subclasses__():
        if getattr(exported, kind.__name__, None) is kind and not inspect.isabstract(kind):
            forward, backward = _passes(kind)
            found.append(
                Method(
                    _NAMES.get(kind.__name__) or "_".join(_words(kind)).lower(),
                    _TITLES.get(kind.__name__) or _title(kind),
                    kind,
                    _first_line(kind),
                    forward=forward,
                    backward=backward,
                    caveat=_CAVEATS.get(kind.__name__, ""),
                    needs=_NEEDS.get(kind.__name__, ""),
                )
            )
    found += [
        Method(
            name,
            f"LRP {name.replace('_', ' ')}",
            CompositeLRP,
            _rules(composite),
            (("composite", name),),
            caveat=_MAGNITUDE if name != "epsilon" else "",  # the others favour what is positive
        )
        for name, composite in COMPOSITES.items()
    ]
    return {method.name: method for method in sorted(found, key=lambda method: method.name)}


def find_method(name: str) -> Method:
    """Return the method of a name.

    Raises:
        SettingsError: there is none; the message says which come near.
    """
    known = methods()
    if name in known:
        return known[name]
    squashed = {_squash(other): other for other in known}
    same = [_squash(name)] if _squash(name) in squashed else None
    near = [squashed[match] for match in same or difflib.get_close_matches(_squash(name), squashed, n=3)]
    hint = f"Did you mean {', '.join(near)}?" if near else f"The methods are {', '.join(known)}."
    raise SettingsError(f"unknown method {name!r}. {hint}")


def ready_methods() -> tuple[Method, ...]:
    """Return the methods whose defaults mean something, each explanation once."""
    ready = [method for method in methods().values() if not method.needs]
    named = [method.explainer() for method in ready if method.fixed]
    return tuple(method for method in ready if method.fixed or method.explainer() not in named)


def options_of(explainer: Explainer) -> dict[str, Any]:
    """Return the options that a map depends on as plain values; a tensor by its shape and checksum."""
    return {
        item.name: _plain(getattr(explainer, item.name))
        for item in fields(explainer)  # type: ignore[arg-type]  # every explainer is a dataclass
        if item.name not in _OF_NO_EFFECT
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any option
    if isinstance(value, Explainer):
        return {"explainer": type(value).__name__, **options_of(value)}
    if isinstance(value, Tensor):
        digest = hashlib.sha256(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
        return {"tensor": list(value.shape), "sha256": digest}
    if inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    return to_plain(value)


def _writable(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    """What of an annotation can be written down; None where nothing can."""
    if hint is Explainer:
        return str
    parts = typing.get_args(hint) if _is_union(hint) else (hint,)
    left = [part for part in parts if part is not Tensor and typing.get_origin(part) is not Callable]
    if not set(left) - {type(None)}:
        return None
    return hint if len(left) == len(parts) else functools.reduce(operator.or_, left)


def _is_union(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    return typing.get_origin(hint) in (typing.Union, type(int | str))


def _in_words(default: Any) -> Any:  # noqa: ANN401 - default of any option
    if not isinstance(default, Explainer):
        return default
    return next(name for name, method in methods().items() if method.explainer() == default)


def _words(kind: type) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", kind.__name__)


def _title(kind: type) -> str:
    if kind.__name__ in _WHOLE:
        return kind.__name__
    first, *rest = _words(kind)
    return " ".join([first, *(word if word.isupper() else word.lower() for word in rest)])


def _first_line(kind: type) -> str:
    """The first line of the docstring."""
    return inspect.cleandoc(kind.__doc__ or "").split("\n")[0].removesuffix(".")


def _passes(kind: type[Explainer]) -> tuple[str, str]:
    """Forward and backward passes a map, roughly."""
    defaults = {item.name: item.default for item in fields(kind)}  # type: ignore[arg-type]  # as above
    counted = next((f"{defaults[name]} {name}" for name in _COUNTS if name in defaults), "1")
    return _FORWARD.get(kind.__name__, counted), _BACKWARD.get(kind.__name__, counted)


def _rules(composite: Composite) -> str:
    def rule(part: Rule) -> str:
        options = [f"{getattr(part, item.name):g}" for item in fields(part) if item.name != "epsilon"]
        return type(part).__name__ + (f"({', '.join(options)})" if options else "")

    first = f", {composite.first} in the first layer" if composite.first else ""
    return f"LRP: {rule(composite.convolution)} in convolutions, {rule(composite.linear)} in linear layers{first}"


def _squash(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold().replace("+", "plus"))
