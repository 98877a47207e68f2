"""What `sightline explain` is asked for, in words: methods with their options, and a class."""

from collections.abc import Sequence
from dataclasses import field, make_dataclass
from typing import Any

from sightline.attribution.explainer import Explainer
from sightline.attribution.methods import Method, find_method, methods, ready_methods
from sightline.cli.settings import read_settings
from sightline.cli.stopping import UsageError
from sightline.data import Cohort
from sightline.data.cohort import did_you_mean
from sightline.evaluation.explain_cases import Aim


def chosen_methods(
    names: Sequence[str], words: Sequence[str], *, layers: Sequence[str], batch_size: int | None
) -> dict[str, Explainer]:
    """Make the explainers that are asked for, by the names of their methods.

    Args:
        names: of methods, or `all`.
        words: settings such as `rise.masks=500`.
        layers: of the model, for methods that have an option `layer`.
        batch_size: for methods that have such an option.

    Raises:
        SettingsError: there is no such method or option, or a value is wrong.
        UsageError: an option or a layer is for a method that was not asked for.
    """
    known = methods()
    chosen = {m.name: m for name in names for m in (ready_methods() if name == "all" else (find_method(name),))}
    kinds = [(m.name, m.options()) for m in known.values()]
    root = make_dataclass("Methods", [(name, kind, field(default_factory=kind)) for name, kind in kinds], frozen=True)
    options: Any = read_settings(root, [], words)
    given = {word.partition("=")[0].replace("-", "_") for word in words}
    for key in sorted(given):
        if key.split(".")[0] not in chosen:
            raise UsageError(f"--set {key}: {key.split('.')[0]} is not asked for; add it to --method")
    if layers and not any(method.has("layer") for method in chosen.values()):
        takers = ", ".join(method.name for method in known.values() if method.has("layer"))
        raise UsageError(f"--layer: none of {', '.join(chosen)} takes a layer; those that do are {takers}")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, got {batch_size}")
    common = {"layer": layers[0] if len(layers) == 1 else tuple(layers) or None, "batch_size": batch_size}

    def make(method: Method) -> Explainer:
        own = vars(getattr(options, method.name))
        free = {name: value for name, value in common.items() if f"{method.name}.{name}" not in given}
        return method.explainer(**own | {name: value for name, value in free.items() if name in own and value})

    return {name: make(method) for name, method in chosen.items()}


def aim_of(word: str, cohort: Cohort) -> Aim:
    """Read what is to be explained: one of three words, or a class by its name or else its index.

    Raises:
        UsageError: there is no such class.
    """
    if word in ("predicted", "label", "every"):
        return word  # type: ignore[return-value]  # one of the three, as just checked
    if word in cohort.classes:
        return cohort.classes.index(word)
    if word.isdecimal() and int(word) < cohort.num_classes:
        return int(word)
    hint = did_you_mean(word, cohort.classes) or "."
    choices = ", ".join(["predicted", "label", "every", *cohort.classes])
    raise UsageError(
        f"--target {word}: no such class{hint} It may be {choices}, or an index from 0 to {cohort.num_classes - 1}"
    )
