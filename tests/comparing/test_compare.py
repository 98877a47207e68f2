import json
from dataclasses import replace
from pathlib import Path

import pytest

from sightline.comparing import Condition, compare
from sightline.data import DataSettings
from sightline.errors import RunError, SettingsError
from sightline.runs import RunFolder
from sightline.training import TrainSettings, train


def test_recipes_are_trained_tested_and_tabled_and_what_is_there_is_kept(
    plain: TrainSettings, isnet: TrainSettings, tmp_path: Path
) -> None:
    comparison = compare([plain, isnet], tmp_path)
    assert list(comparison.evaluations) == ["plain", "isnet"]
    assert list(map(str, comparison.conditions)) == ["test", "test-off", "test-swapped", "ood"]
    for name in ("plain", "isnet"):
        assert RunFolder.open(tmp_path / name).status["state"] == "done"

    asked = []

    def trainer(settings: TrainSettings, folder: Path) -> RunFolder:
        asked.append(settings.name)
        return train(settings, folder, resume=True)

    tested: list[tuple[str, Condition]] = []
    again = compare(
        [plain, isnet],
        tmp_path,
        splits=["ood"],
        trainer=trainer,
        progress=lambda name, condition: tested.append((name, condition)),  # type: ignore[func-returns-value]
    )
    assert asked == ["plain", "isnet"]
    assert tested == []
    ood = Condition("ood")
    for name in asked:
        first, second = comparison.evaluations[name][ood], again.evaluations[name][ood]
        assert json.dumps(first.as_dict()) == json.dumps(second.as_dict())
    with pytest.raises(RunError, match="was begun with other settings"):
        compare([replace(plain, seed=1)], tmp_path)


def test_a_recipe_is_trained_with_several_seeds(plain: TrainSettings, tmp_path: Path) -> None:
    comparison = compare([plain], tmp_path, seeds=[1, 2], splits=["ood"])
    assert comparison.recipes == {"plain": ("plain-seed-1", "plain-seed-2")}
    assert [RunFolder.open(tmp_path / f"plain-seed-{seed}").config["seed"] for seed in (1, 2)] == [1, 2]
    assert len(comparison.scores[Condition("ood")]["plain"]["macro_f1"].runs) == 2


def test_recipes_need_names_and_one_cohort(plain: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name at least one"):
        compare([], tmp_path)
    with pytest.raises(SettingsError, match="recipes need different names, got plain, plain"):
        compare([plain, plain], tmp_path)
    other = replace(
        plain, name="other", data=DataSettings(tmp_path / "elsewhere"), model=replace(plain.model, in_channels=3)
    )
    with pytest.raises(SettingsError, match="recipes are compared on one cohort"):
        compare([plain, other], tmp_path)
    assert list(tmp_path.iterdir()) == []
