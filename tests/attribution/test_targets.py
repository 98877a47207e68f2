from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    Class,
    EveryClass,
    Label,
    LogOdds,
    Predicted,
    RandomClass,
    Selection,
    Selective,
    Target,
)
from sightline.attribution.explainer import same_scores
from sightline.errors import SettingsError, ShapeError

LOGITS = torch.tensor([[1.0, 3.0, -2.0], [0.0, -1.0, 4.0]])


def test_class_label_and_prediction_select_their_logits() -> None:
    selection = Class(0).select(LOGITS)
    assert (selection.scores.tolist(), selection.classes.tolist()) == ([[1, 0]], [0, 0])
    selection = Label(torch.tensor([2, 1])).select(LOGITS)
    assert (selection.scores.tolist(), selection.classes.tolist()) == ([[-2, -1]], [2, 1])
    selection = Predicted().select(LOGITS)
    assert (selection.scores.tolist(), selection.classes.tolist()) == ([[3, 4]], [1, 2])


def test_every_class_selects_a_row_a_class() -> None:
    selection = EveryClass().select(LOGITS)
    assert selection.every
    assert selection.classes is None
    assert torch.equal(selection.scores, LOGITS.T)


def test_random_class_is_uniform_and_repeats_with_its_generator() -> None:
    logits = torch.arange(4.0).expand(4000, 4)
    selection = RandomClass(torch.Generator().manual_seed(0)).select(logits)
    assert torch.equal(selection.scores[0], selection.classes.float())
    counts = selection.classes.bincount(minlength=4)
    assert (counts - 1000).abs().max() < 4 * (4000 * 0.25 * 0.75) ** 0.5  # four standard deviations
    again = RandomClass(torch.Generator().manual_seed(0)).select(logits)
    assert torch.equal(selection.classes, again.classes)


def test_selective_is_the_log_odds_of_the_least_softmax_output() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    e = torch.e
    p = 1 / (1 + e + e**2)
    selection = Selective(delta=0.01).select(logits)
    expected = torch.log(torch.tensor((p + 0.01) / (1 - p + 0.01), dtype=torch.float64))
    torch.testing.assert_close(selection.scores, expected.view(1, 1))
    assert selection.classes.tolist() == [0]
    (gradient,) = torch.autograd.grad(selection.scores.sum(), logits)
    softmax = torch.tensor([1, e, e**2], dtype=torch.float64) * p
    by_p = 1 / (p + 0.01) + 1 / (1 - p + 0.01)  # d eta / d p, and d p / d y_k = p (delta_0k - softmax_k)
    by_logit = by_p * p * (torch.tensor([1.0, 0, 0], dtype=torch.float64) - softmax)
    torch.testing.assert_close(gradient[0], by_logit)


def test_log_odds_are_the_logit_against_all_others_by_hand() -> None:
    logits = torch.tensor([[4.0, 2.0, 3.0], [1.0, 7.0, 8.0]], dtype=torch.float64).log()  # in 9ths and in 16ths
    every = LogOdds(EveryClass()).select(logits)
    odds = torch.tensor([[4 / 5, 2 / 7, 3 / 6], [1 / 15, 7 / 9, 8 / 8]], dtype=torch.float64)
    torch.testing.assert_close(every.scores, odds.log().T)
    assert every.every
    assert every.classes is None
    p = logits.softmax(1)
    torch.testing.assert_close(every.scores.T, p.log() - (1 - p).log())
    for inner in (Class(1), Label(torch.tensor([2, 0])), Predicted(), RandomClass(torch.Generator().manual_seed(0))):
        one = LogOdds(inner).select(logits)
        assert not one.every
        torch.testing.assert_close(one.scores[0], every.scores[one.classes, torch.arange(2)])
    assert LogOdds(Label(torch.tensor([2, 0]))).select(logits).classes.tolist() == [2, 0]


def test_of_two_classes_the_log_odds_are_the_difference_of_the_logits() -> None:
    logits = torch.tensor([[5.0, 2.0], [-1.0, 3.0]])
    assert LogOdds(EveryClass()).select(logits).scores.tolist() == [[3, -4], [-3, 4]]


def test_log_odds_neither_overflow_nor_round_to_infinity() -> None:
    logits = torch.tensor([[1e4, 0.0, -1e4], [60.0, 0.0, 0.0]], requires_grad=True)
    scores = LogOdds(EveryClass()).select(logits).scores
    expected = torch.tensor([[1e4, -1e4, -2e4], [60 - torch.tensor(2.0).log(), -60, -60]])
    torch.testing.assert_close(scores.T, expected)
    (gradient,) = torch.autograd.grad(scores[0].sum(), logits)
    assert gradient.tolist() == [[1, -1, 0], [1, -0.5, -0.5]]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), scale=st.sampled_from([0.1, 1.0, 20.0]))
def test_the_gradient_of_log_odds_shares_minus_one_among_the_other_classes(
    seed: int, classes: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(3, classes, generator=generator, dtype=torch.float64)
    logits.requires_grad_()
    scores = LogOdds(EveryClass()).select(logits).scores
    for k in range(classes):
        (gradient,) = torch.autograd.grad(scores[k].sum(), logits, create_graph=True)
        others = [j for j in range(classes) if j != k]
        torch.testing.assert_close(gradient[:, others], -logits[:, others].softmax(1))
        torch.testing.assert_close(gradient[:, k], torch.ones(3, dtype=torch.float64))
    assert torch.autograd.gradgradcheck(lambda y: LogOdds(EveryClass()).select(y).scores, logits)


def test_log_odds_need_classes_to_compare() -> None:
    with pytest.raises(ShapeError, match="need at least 2 classes, got 1"):
        LogOdds(Class(0)).select(torch.zeros(2, 1))
    with pytest.raises(ShapeError, match="target class must lie in 0 to 2, got 3"):
        LogOdds(Class(3)).select(LOGITS)

    class Sum(Target):
        def select(self, logits: Tensor) -> Selection:
            return Selection(logits.sum(1)[None])

    with pytest.raises(SettingsError, match="log-odds are those of a class, but Sum chooses none"):
        LogOdds(Sum()).select(LOGITS)


@pytest.mark.parametrize(
    "target",
    [
        Class(1),
        Label(torch.tensor([2, 1])),
        Predicted(),
        EveryClass(),
        RandomClass(),
        Selective(),
        LogOdds(Predicted()),
        LogOdds(EveryClass()),
    ],
)
def test_the_same_choice_can_be_made_from_other_logits(target: Target) -> None:
    selection = target.select(LOGITS)
    assert torch.equal(selection.again(LOGITS, torch.tensor([0, 1])), selection.scores)
    turned = selection.again(LOGITS[[1, 0, 1]] + 1, torch.tensor([1, 0, 1]))  # as many as wanted of each image
    shift = 0 if isinstance(target, Selective | LogOdds) else 1  # a softmax does not feel it
    torch.testing.assert_close(turned, selection.scores[:, [1, 0, 1]] + shift)
    other = selection.again(LOGITS.flip(1), torch.tensor([0, 1]))
    if isinstance(target, Predicted):  # chosen once, from the images themselves
        assert other.tolist() == [[3, 0]]


def test_a_target_that_cannot_choose_again_is_refused() -> None:
    with pytest.raises(SettingsError, match="'again'"):
        same_scores(Selection(LOGITS.T), LOGITS, torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Class(3), "target class must lie in 0 to 2, got 3"),
        (Class(-1), "target class must lie in 0 to 2, got -1"),
        (Label(torch.tensor([0])), r"labels must be \(2,\), one class an image, got \(1,\)"),
        (Label(torch.tensor([0, 3])), "labels must lie in 0 to 2, got 0 to 3"),
        (Label(torch.tensor([-1, 1])), "labels must lie in 0 to 2, got -1 to 1"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(target: Target, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        target.select(LOGITS)


def test_selective_needs_two_classes() -> None:
    with pytest.raises(ShapeError, match="at least 2, got 1"):
        Selective().select(torch.zeros(2, 1))


@pytest.mark.parametrize("input_rule", ["zb", "flat", None])
@pytest.mark.parametrize("grad", [True, False])
def test_k_maps_equal_k_single_maps(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor], input_rule: str | None, grad: bool
) -> None:
    net, images, method = make_net(), make_images(), LRP(input_rule=input_rule)
    with torch.set_grad_enabled(grad):
        every = method(net, images, EveryClass()).attribution
        single = [method(net, images, Class(k)).attribution for k in range(3)]
    assert every.shape == (3, 3, 2, 8, 8)
    torch.testing.assert_close(every, torch.stack(single, 1))


def test_a_loss_on_random_classes_has_the_mean_over_classes_as_its_expectation(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net(), make_images(1, 2, 8, 8)
    draws = 3000
    with torch.no_grad():
        every = LRP()(net, images, EveryClass()).attribution.abs().sum((2, 3, 4))[0]
        one = LRP()(net, images.expand(draws, -1, -1, -1), RandomClass(torch.Generator().manual_seed(0)))
    losses = one.attribution.abs().sum((1, 2, 3))
    assert (losses.mean() - every.mean()).abs() < 4 * every.std() / draws**0.5


def test_explanation_of_a_combination_of_logits_is_the_combination_of_explanations(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net(), make_images()
    every = LRP()(net, images, EveryClass())
    (weights,) = torch.autograd.grad(Selective().select(every.logits).scores.sum(), every.logits, retain_graph=True)
    selective = LRP()(net, images, Selective()).attribution
    torch.testing.assert_close(selective, torch.einsum("nk,nkchw->nchw", weights, every.attribution))
    p = every.logits.softmax(1)  # every other class speaks against the second by its share of what is not it
    against = every.attribution * (p / (1 - p[:, 1:2]))[:, :, None, None, None]
    log_odds = LRP()(net, images, LogOdds(Class(1)))
    torch.testing.assert_close(log_odds.attribution, every.attribution[:, 1] - against[:, [0, 2]].sum(1))
    assert log_odds.target.tolist() == [1, 1, 1]
