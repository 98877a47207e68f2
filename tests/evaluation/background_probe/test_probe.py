import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sightline.data import Case, Cohort
from sightline.errors import DataError, SettingsError
from sightline.evaluation.background_probe import ProbeSettings, background_probe
from sightline.evaluation.background_probe.probe import VIEWS, views_of
from sightline.metrics import Resampling

SMALL = ProbeSettings(size=8, resampling=Resampling(resamples=200))
SIDE = 32


def make_cohort(folder: Path, *, inside: float, outside: float, n: int = 120, masks: bool = True) -> Cohort:
    """Images of 60 patients, two each; the class brightens the middle by `inside` and a corner by `outside`.

    The source brightens the other corner, and has nothing to do with the class.
    """
    generator = np.random.default_rng(0)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:22, 10:22] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    cases = []
    for number in range(n):
        label, source = number // 2 % 2, number // 4 % 2
        pixels = gaussian_filter(generator.standard_normal((SIDE, SIDE)), 2) * 60 + 120
        pixels[13:19, 13:19] += inside * label
        pixels[:4, :4] += outside * label
        pixels[-4:, :4] += 60 * source
        file = folder / f"{number}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)
        region = folder / "mask.png" if masks else None
        cases.append(Case(str(number), file, label, f"p{number // 2}", "ab"[source], mask=region))
    return Cohort(folder, "multiclass", ("well", "ill"), tuple(cases))


def test_evidence_inside_of_the_region_is_seen_in_the_region_alone(tmp_path: Path) -> None:
    probe = background_probe(make_cohort(tmp_path, inside=80, outside=0), SMALL)
    assert probe.score("region", "class").auroc.value > 0.95
    assert probe.score("whole", "class").auroc.value > 0.95
    for view in ("background", "outline", "border"):
        area = probe.score(view, "class").auroc
        assert area.low <= 0.5 <= area.high, view


def test_a_shortcut_outside_is_seen_in_background_and_border(tmp_path: Path) -> None:
    probe = background_probe(make_cohort(tmp_path, inside=0, outside=80), SMALL)
    for view in ("background", "border", "whole"):
        assert probe.score(view, "class").auroc.low > 0.9, view
    area = probe.score("region", "class").auroc
    assert area.low < 0.5 < area.high
    assert probe.score("background", "source", "b").auroc.low > 0.9
    assert (probe.images, probe.patients, probe.without_region, probe.unreadable) == (120, 60, 0, 0)
    assert probe.score("background", "class").auroc.n_patients == 60


def test_shuffled_labels_leave_about_a_half(tmp_path: Path) -> None:
    probe = background_probe(make_cohort(tmp_path, inside=0, outside=80), SMALL)
    for target in ("class", "source"):
        area = probe.score("background", target, shuffled=True).auroc
        assert area.low < 0.5 < area.high
        assert area.value == pytest.approx(0.5, abs=0.06)
        assert (area.resamples, area.level) == (20, 19 / 21)
    assert not [score for score in probe.scores if score.shuffled and score.view != "background"]


def test_a_region_that_differs_by_class_is_told_by_its_outline(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=0, outside=0)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:22, 8:24] = 255
    Image.fromarray(mask).save(tmp_path / "wide.png")
    cases = [replace(case, mask=tmp_path / "wide.png") if case.label else case for case in cohort.cases]
    probe = background_probe(replace(cohort, cases=tuple(cases)), SMALL)
    assert probe.score("outline", "class").auroc.value == 1
    border = probe.score("border", "class").auroc
    assert border.low < 0.5 < border.high


def test_scores_are_those_of_scikit_learn_on_other_patients(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=20, outside=12)
    settings = replace(SMALL, folds=3)
    probe = background_probe(cohort, settings)
    pixels = []
    for case in cohort.cases:
        image = np.asarray(Image.open(case.image), np.float64) / 255
        seen = np.ones((SIDE, SIDE), bool)
        pixels.append(((image - image.mean()) / image.std())[seen].reshape(8, 4, 8, 4).mean((1, 3)).ravel())
    features, labels = np.stack(pixels), np.asarray([case.label for case in cohort.cases])
    patients = np.asarray([case.patient for case in cohort.cases])
    from sklearn.model_selection import GroupKFold

    answers = np.zeros(len(labels))
    for fit, test in GroupKFold(3).split(features, labels, patients):
        scaler = StandardScaler().fit(features[fit])
        ridge = Ridge(alpha=0.3 * len(fit)).fit(scaler.transform(features[fit]), labels[fit])
        answers[test] = ridge.predict(scaler.transform(features[test]))
    expected = roc_auc_score(labels, answers)
    assert 0.7 < expected < 0.99
    assert probe.score("whole", "class").auroc.value == pytest.approx(expected, abs=0.05)


def test_patients_are_not_parted_between_folds(tmp_path: Path) -> None:
    """Two images of a patient share their noise; labels that only a patient's noise tells must not be learned."""
    cohort = make_cohort(tmp_path, inside=0, outside=0)
    generator = np.random.default_rng(3)
    label_of = {f"p{n}": int(generator.integers(0, 2)) for n in range(60)}
    cases = []
    for number, case in enumerate(cohort.cases):
        noise = np.random.default_rng(number // 2).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        noise[0, number % 2] = 0
        Image.fromarray(noise).save(tmp_path / f"own{number}.png")
        cases.append(replace(case, image=tmp_path / f"own{number}.png", label=label_of[case.patient]))
    probe = background_probe(replace(cohort, cases=tuple(cases)), SMALL)
    area = probe.score("whole", "class").auroc
    assert area.low < 0.5 < area.high


def test_without_regions_border_and_whole_image_are_left(tmp_path: Path) -> None:
    probe = background_probe(make_cohort(tmp_path, inside=80, outside=0, masks=False), SMALL)
    assert {score.view for score in probe.scores} == {"border", "whole"}
    assert probe.without_region == 120
    with pytest.raises(DataError, match="no score of class 'mean' from the background; the cohort has no regions"):
        probe.score("background", "class")


def test_unreadable_images_are_counted_and_left_out(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=80, outside=0)
    cohort.cases[5].image.write_bytes(b"no image")
    cohort.cases[7].image.unlink()
    probe = background_probe(cohort, SMALL)
    assert (probe.images, probe.unreadable) == (118, 2)
    assert probe.score("region", "class").auroc.n == 118


def test_a_multilabel_cohort_has_an_area_a_label_and_unknown_ones_do_not_count(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=80, outside=80)
    cases = tuple(
        replace(case, label=(float(case.label == 1), math.nan if number % 10 == 0 else number // 2 % 3 / 2, 0.0))
        for number, case in enumerate(cohort.cases)
    )
    cohort = Cohort(tmp_path, "multilabel", ("ill", "chance", "never"), cases)
    probe = background_probe(cohort, SMALL)
    assert {score.of for score in probe.scores if score.target == "class"} == {"mean", "ill", "chance"}
    ill, chance = (probe.score("background", "class", name).auroc.value for name in ("ill", "chance"))
    assert ill > 0.95 > 0.75 > chance
    assert probe.score("background", "class").auroc.value == pytest.approx((ill + chance) / 2)


def test_images_are_drawn_by_patient_and_the_order_does_not_count(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=80, outside=20)
    settings = replace(SMALL, images=80)
    probe = background_probe(cohort, settings)
    assert (probe.images, probe.patients) == (80, 40)
    again = background_probe(replace(cohort, cases=cohort.cases[::-1]), settings)
    assert again.score("whole", "class").auroc.value == pytest.approx(
        probe.score("whole", "class").auroc.value, abs=0.02
    )


def test_a_network_may_take_the_place_of_the_linear_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = make_cohort(tmp_path, inside=80, outside=0, n=40)
    monkeypatch.setattr("sightline.evaluation.background_probe.probe._NETWORK_SHUFFLES", 2)
    probe = background_probe(cohort, replace(SMALL, size=16, network=True, folds=3))
    assert probe.score("region", "class").auroc.value > 0.9
    assert probe.score("background", "class", shuffled=True).auroc.resamples == 2


def test_what_a_probe_sees_knows_nothing_of_the_region(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    image, region = generator.random((SIDE, SIDE)), np.zeros((SIDE, SIDE), bool)
    region[10:20, 12:22] = True
    other = np.where(region, generator.random((SIDE, SIDE)), image)
    one, two = views_of(image, region, SMALL), views_of(other, region, SMALL)
    assert set(one) == set(VIEWS)
    for view in ("background", "outline", "border"):
        assert np.array_equal(one[view], two[view]), view
    outside = np.where(region, image, 0.5)
    assert np.array_equal(one["region"], views_of(outside, region, SMALL)["region"])


def test_nothing_to_tell_and_too_few_patients_are_errors(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path, inside=0, outside=0, n=8)
    with pytest.raises(DataError, match="a probe of 5 folds needs at least 10 patients"):
        background_probe(cohort, SMALL)
    cases = tuple(replace(case, label=0, source="") for case in cohort.cases)
    with pytest.raises(DataError, match="nothing to tell apart: all images are of one class and one source"):
        background_probe(replace(cohort, cases=cases), SMALL)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"size": 2}, "size must be at least 4, got 2"),
        ({"folds": 2}, "folds must be at least 3, got 2"),
        ({"margin": 0.6}, "margin must be a share"),
        ({"border": -0.1}, "border must be a share"),
        ({"network": True, "size": 20}, "size must be a multiple of 16 for a network, got 20"),
    ],
)
def test_settings_out_of_range_are_errors(words: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ProbeSettings(**words)
