from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, GradCAM, Label, Predicted
from sightline.errors import DataError, SettingsError, ShapeError
from sightline.evaluation.evaluate import EvaluationSettings, evaluate
from sightline.metrics.resampling import Resampling
from sightline.types import Batch, Explanation

FEW = EvaluationSettings(resampling=Resampling(resamples=50))
CLASSES = ("a", "b", "c")
Six = Callable[..., list[Batch]]
Models = Callable[..., nn.Module]
Explainer = Callable[[nn.Module, Tensor, Any], Explanation]


def test_answers_and_shares_of_six_images_equal_those_on_paper(
    six: Six, pixel_model: Models, explainer: Explainer
) -> None:
    result = evaluate(
        pixel_model(), six(), task="multiclass", classes=CLASSES, explainer=explainer, target=0, settings=FEW
    )
    known = result.predictions
    assert known.predicted.tolist() == [0, 1, 2, 1, 0, 0]
    assert known.labels.tolist() == [0, 1, 2, 0, 0, 2]
    assert known.probabilities[0] == pytest.approx(np.array([np.e, 1, 1]) / (np.e + 2))
    assert result.metrics["accuracy"].value == pytest.approx(4 / 6)
    assert result.scores.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    # class 0 is explained by pixel 0 (1, inside) and pixel 1 (-0.5, outside); the second region is unknown
    np.testing.assert_allclose(known.relevance_inside, [2 / 3, np.nan, *[2 / 3] * 4], rtol=1e-6)
    np.testing.assert_equal(known.region_area, [0.5, np.nan, *[0.5] * 4])
    assert result.metrics["relevance_inside"].value == pytest.approx(2 / 3)
    assert result.metrics["relevance_inside"].n == 5
    assert known.patients == known.cases


def test_batches_of_any_size_give_the_same_result(six: Six, pixel_model: Models, explainer: Explainer) -> None:
    results = [
        evaluate(
            pixel_model(), six(size), task="multiclass", classes=CLASSES, explainer=explainer, target=1, settings=FEW
        ).as_dict()
        for size in (1, 4, 6)
    ]
    np.testing.assert_equal(results[1:], results[:-1])


def test_model_comes_back_as_it_was_also_after_an_error(six: Six, pixel_model: Models) -> None:
    model = nn.Sequential(pixel_model(), nn.BatchNorm1d(3))
    model[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()

    def fails(model: nn.Module, images: Tensor, target: object) -> Explanation:
        assert not model.training
        raise ValueError("broken")

    evaluate(model, six(), task="multiclass", classes=CLASSES, settings=FEW)
    with pytest.raises(ValueError, match="broken"):
        evaluate(model, six(), task="multiclass", classes=CLASSES, explainer=fails, settings=FEW)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_no_graph_is_recorded_and_inference_mode_is_off(six: Six, pixel_model: Models, explainer: Explainer) -> None:
    seen = []
    model = pixel_model()
    model.register_forward_hook(
        lambda *_: seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), model.training))
    )
    for drawn in (None, explainer):
        evaluate(model, six(), task="multiclass", classes=CLASSES, explainer=drawn, target=0, settings=FEW)
    assert seen == [(False, False, False)] * 4
    assert torch.is_grad_enabled()


def test_explanations_are_limited_evenly_and_do_not_change_the_answers(
    six: Six, pixel_model: Models, explainer: Explainer
) -> None:
    settings = replace(FEW, explain=3, keep=2)
    result = evaluate(
        pixel_model(), six(), task="multiclass", classes=CLASSES, explainer=explainer, target=0, settings=settings
    )
    assert result.predictions.explained.tolist() == [0, 0, 0, -1, -1, -1]
    assert list(result.maps) == ["case-0", "case-1"]  # classes a and b
    plain = evaluate(pixel_model(), six(), task="multiclass", classes=CLASSES, settings=FEW)
    np.testing.assert_equal(plain.predictions.probabilities, result.predictions.probabilities)
    assert plain.maps == {}
    assert "relevance_inside" not in plain.metrics


def test_named_cases_are_explained_and_kept_whatever_the_limit(
    six: Six, pixel_model: Models, explainer: Explainer
) -> None:
    settings = replace(FEW, explain=0, keep=("case-5", "case-1"))
    result = evaluate(
        pixel_model(), six(), task="multiclass", classes=CLASSES, explainer=explainer, target=2, settings=settings
    )
    assert list(result.maps) == ["case-1", "case-5"]
    assert result.predictions.explained.tolist() == [-1, 2, -1, -1, -1, 2]


def test_a_function_as_target_is_asked_with_each_batch(six: Six, pixel_model: Models, explainer: Explainer) -> None:
    result = evaluate(
        pixel_model(),
        six(),
        task="multiclass",
        classes=CLASSES,
        explainer=explainer,
        target=lambda batch: batch.labels,
        settings=FEW,
    )
    assert (result.predictions.explained == result.predictions.labels).all()


def test_patients_and_progress_are_passed_on(six: Six, pixel_model: Models) -> None:
    calls: list[tuple[int, int | None]] = []
    patients = {f"case-{index}": f"p{index // 3}" for index in range(6)}
    result = evaluate(
        pixel_model(),
        six(),
        task="multiclass",
        classes=CLASSES,
        patients=patients,
        settings=FEW,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert result.predictions.patients == ("p0",) * 3 + ("p1",) * 3
    assert result.metrics["accuracy"].n_patients == 2
    assert calls == [(1, 2), (2, 2)]
    evaluate(
        pixel_model(),
        iter(six()),
        task="multiclass",
        classes=CLASSES,
        settings=FEW,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls[2:] == [(1, None), (2, None)]


def test_binary_with_one_logit_and_multi_label(batches_of: Six, pixel_model: Models, explainer: Explainer) -> None:
    images = torch.tensor([[2.0, -1, 0, 0], [-3, 4, 0, 0], [1, 1, 0, 0]]).view(3, 1, 2, 2)
    regions = torch.ones(3, 1, 2, 2)
    batches = batches_of(images, torch.tensor([1, 0, 0]), regions)
    result = evaluate(pixel_model(1), batches, task="binary", classes=("no", "yes"), settings=FEW)
    assert result.predictions.predicted.tolist() == [1, 0, 1]
    assert result.metrics["auroc"].value == 1
    labels = torch.tensor([[1.0, 0], [float("nan"), 1], [0, 1]])
    batches = batches_of(images, labels, regions)
    settings = replace(FEW, threshold=0.9, keep=1)
    result = evaluate(
        pixel_model(2),
        batches,
        task="multilabel",
        classes=("x", "y"),
        explainer=explainer,
        target=0,
        settings=settings,
    )
    assert result.predictions.predicted.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert result.per_class["x"]["recall"].value == 0
    assert result.per_class["y"]["recall"].value == 0.5
    assert list(result.maps) == ["case-0"]


@pytest.mark.parametrize("explainer", [LRP(), GradCAM()])
def test_real_explainers_of_a_small_network_are_measured(explainer: Explainer) -> None:
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        )
    regions = torch.zeros(5, 1, 8, 8)
    regions[..., 2:6, 2:6] = 1
    images = torch.rand(5, 1, 8, 8, generator=rng)
    labels = torch.tensor([0, 1, 2, 0, 1])
    batches = [Batch(images, labels, regions, tuple("abcde"))]
    result = evaluate(
        model, batches, task="multiclass", classes=CLASSES, explainer=explainer, target=Predicted(), settings=FEW
    )
    assert (result.predictions.explained == result.predictions.predicted).all()
    shares = result.predictions.relevance_inside
    assert ((shares >= 0) & (shares <= 1))[~np.isnan(shares)].all()
    with torch.no_grad():
        expected = model(images).double().softmax(1).numpy()
    assert result.predictions.probabilities == pytest.approx(expected, abs=1e-6)
    assert result.explained_by == f"{explainer!r}, Predicted()"
    settings = replace(FEW, keep=("b",))
    kept = evaluate(
        model,
        batches,
        task="multiclass",
        classes=CLASSES,
        explainer=explainer,
        target=lambda batch: Label(batch.labels),
        settings=settings,
    )
    assert kept.maps["b"].explained == 1
    assert kept.maps["b"].attribution.shape == (8, 8)


def test_cases_that_cannot_be_scored_are_refused_by_name(six: Six, pixel_model: Models) -> None:
    def run(batches: list[Batch], model: nn.Module | None = None, **options: Any) -> None:
        evaluate(
            model or pixel_model(), batches, **{"task": "multiclass", "classes": CLASSES, "settings": FEW, **options}
        )

    with pytest.raises(DataError, match="case case-0 comes twice"):
        run([*six(), *six()])
    with pytest.raises(DataError, match="case case-0 has no patient"):
        run(six(), patients={"case-9": "p"})
    with pytest.raises(DataError, match="no case to evaluate"):
        run([])
    with pytest.raises(DataError, match="case case-2: label must be 0 to 1, got 2"):
        run(six(), model=pixel_model(2), classes=("a", "b"))
    with pytest.raises(ShapeError, match=r"labels of a multilabel task must be \(4, 3\), got \(4,\)"):
        run(six(), task="multilabel")
    with pytest.raises(ShapeError, match=r"\(N, 3\) logits"):
        run(six(), model=pixel_model(2))
    model = pixel_model()
    model.scale.data.fill_(float("nan"))
    with pytest.raises(DataError, match="answer to case case-0 is not finite"):
        run(six(), model=model)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"threshold must be a probability, 0 to 1, got 50"):
        EvaluationSettings(threshold=50)
    with pytest.raises(SettingsError, match="at least 0, got -1 and 12"):
        EvaluationSettings(explain=-1)
