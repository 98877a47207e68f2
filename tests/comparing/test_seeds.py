import pytest

from sightline.comparing.seeds import by_recipe, recipe_of, with_seeds
from sightline.errors import SettingsError
from sightline.training import TrainSettings


def test_each_recipe_is_trained_once_with_each_seed(plain: TrainSettings, isnet: TrainSettings) -> None:
    made = with_seeds([plain, isnet], [3, 4])
    assert [(each.name, each.seed) for each in made] == [
        ("plain-seed-3", 3),
        ("plain-seed-4", 4),
        ("isnet-seed-3", 3),
        ("isnet-seed-4", 4),
    ]
    assert made[2].guidance == isnet.guidance


def test_without_seeds_the_recipes_stay_as_they_are(plain: TrainSettings) -> None:
    assert with_seeds([plain], []) == (plain,)


def test_a_seed_comes_once(plain: TrainSettings) -> None:
    with pytest.raises(SettingsError, match="seeds must differ, got 1, 1"):
        with_seeds([plain], [1, 1])


def test_runs_are_sorted_by_their_recipe() -> None:
    assert recipe_of("isnet-seed-12") == "isnet"
    assert recipe_of("isnet-seed") == "isnet-seed"
    assert by_recipe(["a-seed-0", "b", "a-seed-1"]) == {"a": ("a-seed-0", "a-seed-1"), "b": ("b",)}
