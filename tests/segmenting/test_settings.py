from pathlib import Path

import pytest

from sightline.errors import SettingsError
from sightline.segmenting import RECIPES, NetworkSettings, SegmenterSettings, paper, practical
from sightline.segmenting.segmenter import make_network


def test_the_papers_recipe_has_the_papers_numbers() -> None:
    """Bassi et al. 2024, 4.9 and 4.10."""
    settings = paper(Path("cohort"))
    assert (settings.optim.name, settings.optim.lr, settings.optim.momentum) == ("sgd", 1e-4, 0.99)
    assert (settings.optim.weight_decay, settings.optim.clip_norm) == (0, 1)
    assert (settings.optim.schedule, settings.optim.averaging, settings.optim.warmup) == ("constant", 0, 0)
    assert (settings.epochs, settings.size, settings.channels) == (600, 224, 3)
    assert 10 <= settings.batch_size <= 16
    moved = settings.augmentation
    assert moved is not None
    assert (moved.translate * 224, moved.rotate_degrees, moved.flip) == (28, 40, 0.5)
    assert settings.preprocessing.pad_to_square == "evaluation"
    widths = [m.out_channels for m in make_network(settings.network, 3).down.modules() if hasattr(m, "out_channels")]
    assert widths[::2] == [64, 128, 256, 512, 1024]


def test_recipes_are_found_by_name() -> None:
    assert {name: make(Path("c")) for name, make in RECIPES.items()} == {
        "practical": practical(Path("c")),
        "paper": paper(Path("c")),
    }
    assert practical(Path("c")) == SegmenterSettings(Path("c"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 0}, "epochs and batch_size must be at least 1, got 0 and 16"),
        ({"seed": -1}, "seed, workers, cache_mib and checkpoint_seconds must be at least 0"),
        ({"size": 8}, r"size must be at least 2 \*\* depth = 16, got 8"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, int], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        SegmenterSettings(Path("c"), **change)  # type: ignore[arg-type]


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(SettingsError, match="width and depth must be at least 1, got 0 and 4"):
        NetworkSettings(width=0)
