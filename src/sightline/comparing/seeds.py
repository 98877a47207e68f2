"""Runs of one recipe that differ in the seed alone: how they are called, and which belong together."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sightline.errors import SettingsError
from sightline.training import TrainSettings

_SEED = re.compile(r"-seed-\d+$")


def with_seeds(recipes: Sequence[TrainSettings], seeds: Sequence[int]) -> tuple[TrainSettings, ...]:
    """Return each recipe once a seed, named `NAME-seed-SEED`; the recipes as they are where no seed is given.

    Raises:
        SettingsError: a seed comes twice.
    """
    if len(set(seeds)) < len(seeds):
        raise SettingsError(f"seeds must differ, got {', '.join(map(str, seeds))}")
    if not seeds:
        return tuple(recipes)
    return tuple(replace(recipe, name=f"{recipe.name}-seed-{seed}", seed=seed) for recipe in recipes for seed in seeds)


def recipe_of(run: str) -> str:
    """Name of the recipe that a run of this name is of."""
    return _SEED.sub("", run)


def by_recipe(runs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Names of runs by their recipe, both in the order they come in."""
    found: dict[str, tuple[str, ...]] = {}
    for run in runs:
        found[recipe_of(run)] = (*found.get(recipe_of(run), ()), run)
    return found
