import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.attribution import Class, GradCAM, upsample_to
from sightline.comparing import Condition, Schedule, StudySettings, condition_batches, load_trained, run_study
from sightline.comparing.grad_cam_study import GradCamStudy, study_layer, with_lesions
from sightline.data import Cohort, DataSettings, Preprocessing, read_cohort
from sightline.data.phantoms.radiographs import make_findings_cohort
from sightline.data.table import write_cohort
from sightline.errors import DataError, SettingsError
from sightline.metrics.group_tests import one_way_anova
from sightline.metrics.heat_ratio import diff_grad_cam, effective_heat_ratio_area
from sightline.models import densenet121, resnet18, resnet50, vgg16, vit_small
from sightline.runs import RunFolder
from sightline.training import OptimSettings, TrainSettings, train

SPLITS = ("test", "train", "test", "val")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Phantom radiographs, several labels each."""
    folder = tmp_path_factory.mktemp("films") / "cohort"
    return read_cohort(make_findings_cohort(folder, size=32, counts={"train": 24}))


@pytest.fixture(scope="module")
def cohort(films: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with and without pneumothorax, as a binary cohort."""
    folder = tmp_path_factory.mktemp("binary")
    index = films.classes.index("pneumothorax")
    cases = tuple(
        replace(
            case,
            label=int(case.label[index]),  # type: ignore[index]
            class_masks={"pneumothorax": case.class_masks.get("pneumothorax", case.mask)},  # healthy ones have one, too
        )
        for case in films.cases
    )
    cases = tuple(sorted(cases, key=lambda case: -int(case.label)))  # type: ignore[arg-type]
    dealt = tuple(replace(case, split=SPLITS[n % 4]) for n, case in enumerate(cases))
    write_cohort(Cohort(folder, "binary", ("healthy", "pneumothorax"), dealt, (0.0, 255.0)), folder)
    return folder


@pytest.fixture(scope="module")
def settings(cohort: Path) -> StudySettings:
    once = Schedule(OptimSettings(lr=1e-3), epochs=1)
    data = DataSettings(cohort, Preprocessing(size=64, channels=1), batch_size=8)
    return StudySettings(data, "study", ("resnet18", "vit_tiny"), once, once, width=8, steps=11)


@pytest.fixture(scope="module")
def folder(settings: StudySettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def study(settings: StudySettings, folder: Path) -> GradCamStudy:
    return run_study(settings, folder)


def test_every_lesion_of_the_split_is_measured_in_every_model(study: GradCamStudy, cohort: Path) -> None:
    positive = [case.id for case in read_cohort(cohort).split("test").cases if case.label == 1]
    assert len(positive) > 1
    assert study.positive == "pneumothorax"
    for heat in study.models.values():
        assert list(heat.cases) == positive
        assert len(heat.evaluation.predictions) == 12


def test_the_numbers_are_those_of_grad_cam_drawn_by_hand(
    study: GradCamStudy, settings: StudySettings, folder: Path, cohort: Path
) -> None:
    training = settings.training("resnet18")
    model = load_trained(training, RunFolder(folder / "resnet18"), num_classes=2)
    found = []
    for batch in condition_batches(settings.data, read_cohort(cohort), Condition("test")):
        for row in torch.nonzero(batch.labels == 1)[:, 0]:
            image, lesion = batch.images[row : row + 1], batch.regions[row : row + 1, 1:2]
            explanation = GradCAM("layer4.1")(model, image, Class(1))
            heat = upsample_to(explanation.attribution.detach(), (64, 64))
            ratio = effective_heat_ratio_area(heat, lesion, steps=11)
            found.append([diff_grad_cam(heat, lesion).item(), ratio.item(), lesion.mean().item()])
    for column, name in zip(np.transpose(found), ("diff_grad_cam", "ehr_auc", "lesion"), strict=True):
        np.testing.assert_allclose(study.models["resnet18"].values[name], column, rtol=1e-4, atol=1e-5)
    assert study.lesion == pytest.approx(np.mean(found, axis=0)[2], rel=1e-5)


def test_the_files_hold_the_results(study: GradCamStudy, folder: Path) -> None:
    rows = list(csv.DictReader((folder / "study.csv").read_text().splitlines()))
    assert len(rows) == sum(len(heat.cases) for heat in study.models.values())
    assert set(rows[0]) == {"model", "case", "diff_grad_cam", "ehr_auc", "lesion"}
    told = json.loads((folder / "study.json").read_text())
    assert told["settings"]["models"] == ["resnet18", "vit_tiny"]
    assert set(told["models"]["vit_tiny"]) == {
        *("accuracy", "precision", "recall", "auroc", "diff_grad_cam", "ehr_auc")
    }
    assert told["models"]["resnet18"]["diff_grad_cam"]["n"] <= len(study.models["resnet18"].cases)


def test_finished_runs_are_not_trained_again(study: GradCamStudy, settings: StudySettings, folder: Path) -> None:
    trained: list[str] = []

    def trainer(training: TrainSettings, place: Path) -> RunFolder:
        trained.append(training.name)
        before = (place / "status.json").stat().st_mtime_ns
        run = train(training, place, resume=True)
        assert (place / "status.json").stat().st_mtime_ns == before
        return run

    again = run_study(settings, folder, trainer=trainer)
    assert trained == ["resnet18", "vit_tiny"]
    assert again.as_csv() == study.as_csv()


def test_models_are_tested_against_each_other_where_they_have_numbers(study: GradCamStudy) -> None:
    heat = next(iter(study.models.values()))

    def with_values(*values: float) -> GradCamStudy:
        row = np.array(values)
        models = {name: replace(heat, values={**heat.values, "diff_grad_cam": row + k}) for k, name in enumerate("abc")}
        models["silent"] = replace(heat, values={**heat.values, "diff_grad_cam": np.full(3, np.nan)})
        return replace(study, models=models)

    anova, pairs = with_values(0.0, 0.1, 0.3).tests()["diff_grad_cam"]
    rows = {name: np.array([0.0, 0.1, 0.3]) + k for k, name in enumerate("abc")}
    assert anova == one_way_anova(rows)
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert "diff_grad_cam" not in with_values(np.nan, np.nan, 1.0).tests()


@pytest.mark.parametrize(
    ("build", "layer"),
    [(vgg16, "features.28"), (resnet18, "layer4.1"), (resnet50, "layer4.2"), (vit_small, "blocks.11.norm1")],
)
def test_where_the_paper_draws_grad_cam(build: object, layer: str) -> None:
    assert study_layer(build(2, width=8)) == layer  # type: ignore[operator]


def test_where_no_layer_is_named_the_last_feature_map_is_taken() -> None:
    assert study_layer(densenet121(2, width=8)) is None


def test_of_several_labels_the_one_counts(films: Cohort) -> None:
    index = films.classes.index("pneumothorax")
    expected = [case.id for case in films.cases if case.label[index] == 1]  # type: ignore[index]
    found = with_lesions(films, "pneumothorax")
    assert [case.id for case in found.cases] == expected
    assert 0 < len(expected) < len(films.cases)
    hearts = with_lesions(films, "cardiomegaly")  # outlined in all
    assert len(hearts.cases) == sum(case.label[films.classes.index("cardiomegaly")] == 1 for case in films.cases)  # type: ignore[index]


def test_the_class_must_be_known_and_have_outlines(settings: StudySettings, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="positive must be one of healthy, pneumothorax, got nodule"):
        run_study(replace(settings, positive="nodule"), tmp_path)
    with pytest.raises(DataError, match="no image of healthy has a mask of its own, column mask:healthy"):
        run_study(replace(settings, positive="healthy"), tmp_path)
    assert not list(tmp_path.iterdir())
