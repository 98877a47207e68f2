import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline.attribution import Class, GradCAM, HiResCAM, upsample_to
from sightline.cli.settings import read_settings
from sightline.comparing import MAPS, Condition, VocCams, VocCamsSettings, condition_batches, load_trained, run_voc_cams
from sightline.comparing.voc_cams import with_outlines
from sightline.data import Cohort, DataSettings, Preprocessing, read_cohort, write_cohort
from sightline.errors import DataError, RunError, SettingsError
from sightline.metrics import Resampling, normalised_attention, paired_t_test
from sightline.models import ModelSettings
from sightline.runs import RunFolder
from sightline.training import OptimSettings, TrainSettings, train

from .voc import COLOURS, make_voc_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_voc_cohort(tmp_path_factory.mktemp("voc"))


@pytest.fixture(scope="module")
def settings(cohort: Path) -> VocCamsSettings:
    data = DataSettings(cohort, Preprocessing(size=64, equalise=False, pad_to_square="never"), batch_size=6)
    model = ModelSettings("vgg11", width=8)
    return VocCamsSettings(
        data, model=model, optim=OptimSettings(lr=1e-3), epochs=1, resampling=Resampling(resamples=60)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def study(settings: VocCamsSettings, folder: Path) -> VocCams:
    return run_voc_cams(settings, folder)


def test_every_class_that_is_outlined_in_a_photo_is_a_pair(study: VocCams, cohort: Path) -> None:
    expected = [
        (case.id, name, len(case.class_masks))
        for case in read_cohort(cohort).split("val").cases
        for name in sorted(case.class_masks)
    ]
    pairs = study.overlaps
    found = zip(pairs.cases, (study.classes[label] for label in pairs.labels), pairs.numbers, strict=True)
    assert sorted(found) == sorted(expected)
    assert len(study.evaluation.predictions) == 15


def test_the_numbers_are_those_of_maps_drawn_by_hand(
    study: VocCams, settings: VocCamsSettings, folder: Path, cohort: Path
) -> None:
    model = load_trained(settings.training(), RunFolder(folder / "classifier"), num_classes=3)
    images = {
        case: (batch.images[row : row + 1], batch.regions[row].numpy())
        for batch in condition_batches(settings.data, read_cohort(cohort), Condition("val"))
        for row, case in enumerate(batch.cases)
    }
    pairs = study.overlaps
    for name, explainer in (("hirescam", HiResCAM("features.18", rectify=True)), ("grad-cam", GradCAM("features.18"))):
        for row in range(0, len(pairs.cases), 3):
            photo, outlines = images[pairs.cases[row]]
            label = int(pairs.labels[row])
            maps = explainer(model, photo, Class(label)).attribution.detach()
            heat = normalised_attention(upsample_to(maps, (64, 64))[0].numpy())[0]
            left, outline = heat > study.thresholds[name][label], outlines[label] > 0.5
            expected = (left & outline).sum() / (left | outline).sum()
            assert pairs.values[name][row] == pytest.approx(expected, abs=0.02)  # a pixel more or less by rounding


def test_numbers_of_labels_part_the_pairs(study: VocCams) -> None:
    found = study.by_number()
    assert list(found) == ["all", "1", "2", "3 or more"]
    assert [each.images for each in found.values()] == [15, 5, 5, 5]
    assert [each.difference.n for each in found.values()] == [30, 5, 10, 15]
    everything, values = found["all"], study.overlaps.values
    for name in MAPS:
        assert everything.maps[name].value == pytest.approx(values[name].mean())
        assert everything.maps[name].low <= everything.maps[name].value <= everything.maps[name].high
    assert everything.difference.value == pytest.approx((values["hirescam"] - values["grad-cam"]).mean())
    cases = np.array(study.overlaps.cases)
    means = [[values[name][cases == case].mean() for case in np.unique(cases)] for name in MAPS]
    assert everything.t_test.p == pytest.approx(paired_t_test(*means).p)
    assert everything.wilcoxon.difference.n == 15


def test_the_files_hold_the_results(study: VocCams, folder: Path) -> None:
    rows = list(csv.DictReader((folder / "study.csv").open()))
    assert len(rows) == 30
    assert set(rows[0]) == {"case", "class", "labels_in_image", *MAPS}
    told = json.loads((folder / "study.json").read_text())
    assert told["settings"]["model"]["name"] == "vgg11"
    assert told["thresholds"]["hirescam"].keys() == set(COLOURS)
    assert told["labels_in_image"]["1"]["iou"]["grad-cam"]["n"] == 5
    assert told["classifier"] == {name: each.as_dict() for name, each in study.evaluation.metrics.items()}


def test_a_finished_classifier_is_not_trained_again_and_others_can_be_taken(
    study: VocCams, settings: VocCamsSettings, folder: Path, tmp_path: Path
) -> None:
    def trainer(training: TrainSettings, place: Path) -> RunFolder:
        before = (place / "status.json").stat().st_mtime_ns
        run = train(training, place, resume=True)
        assert (place / "status.json").stat().st_mtime_ns == before
        return run

    assert run_voc_cams(settings, folder, trainer=trainer).as_csv() == study.as_csv()
    weights = folder / "classifier" / "model.safetensors"
    taken = run_voc_cams(replace(settings, trained=weights), tmp_path)
    assert taken.as_csv() == study.as_csv()
    assert {file.name for file in tmp_path.iterdir()} == {"study.csv", "study.json"}


def test_thresholds_are_chosen_on_so_many_images_from_the_whole_split(
    settings: VocCamsSettings, study: VocCams, folder: Path, tmp_path: Path
) -> None:
    told: dict[str, list[int]] = {}
    few = replace(settings, calibration_images=4, trained=folder / "classifier" / "model.safetensors")
    few = replace(few, data=replace(few.data, batch_size=1))
    run_voc_cams(few, tmp_path, progress=lambda name: lambda done, total: told.setdefault(name, []).append(done))
    assert told["maps on train"] == [1, 2, 3, 4]  # of 12, each third
    assert told["maps on val"] == list(range(1, 16))
    assert told["answers on val"] == list(range(1, 16))


def test_the_recipe_is_that_of_the_classifier_and_of_the_study() -> None:
    settings = read_settings(VocCamsSettings, ["voc-vgg16", "voc-cams-study"], ["data.cohort=x"])
    classifier = read_settings(TrainSettings, ["voc-vgg16"], ["data.cohort=x"])
    assert replace(settings.training(), name=classifier.name) == classifier
    assert (classifier.model.name, classifier.select, classifier.guidance) == ("vgg16", "last", None)
    assert settings.split != settings.calibration


def test_what_does_not_fit_is_refused(settings: VocCamsSettings, cohort: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="calibration must be another split than what is tested on, got val"):
        replace(settings, calibration="val")
    with pytest.raises(SettingsError, match="calibration_images must be at least 1, got 0"):
        replace(settings, calibration_images=0)
    voc = read_cohort(cohort)
    bare = replace(voc, cases=tuple(replace(case, class_masks={}) for case in voc.cases))
    with pytest.raises(DataError, match="no image of split val has a mask of its own for a class in it"):
        with_outlines(bare, "val")
    single = tuple(replace(case, label=0, class_masks={}) for case in voc.cases)
    write_cohort(Cohort(tmp_path / "one", "multiclass", voc.classes, single), tmp_path / "one")
    with pytest.raises(DataError, match="several labels an image, a multilabel cohort, got a multiclass one"):
        run_voc_cams(replace(settings, data=replace(settings.data, cohort=tmp_path / "one")), tmp_path / "out")
    other = replace(
        settings, trained=folder / "classifier" / "model.safetensors", model=ModelSettings("vgg13", width=8)
    )
    with pytest.raises(DataError, match="do not fit VGG"):
        run_voc_cams(other, tmp_path / "out")
    with pytest.raises(RunError):
        run_voc_cams(replace(settings, epochs=2), folder)
    assert not (tmp_path / "out").exists()
