from pathlib import Path

import pytest

from sightline.attribution import LRP, RISE, CompositeLRP, GradCAM, IntegratedGradients, ScoreCAM, SmoothGrad
from sightline.attribution.methods import ready_methods
from sightline.cli.method_words import aim_of, chosen_methods
from sightline.cli.stopping import UsageError
from sightline.data import Cohort

COHORT = Cohort(Path(), "multiclass", ("normal", "0", "label"), ())


def chosen(
    *names: str, words: tuple[str, ...] = (), layers: tuple[str, ...] = (), batch_size: int | None = None
) -> dict:
    return chosen_methods(names, words, layers=layers, batch_size=batch_size)


def test_methods_come_in_the_order_asked_for_each_once() -> None:
    assert chosen("lrp", "epsilon_plus", "lrp") == {"lrp": LRP(), "epsilon_plus": CompositeLRP("epsilon_plus")}
    assert list(chosen("all")) == [method.name for method in ready_methods()]
    assert next(iter(chosen("expected_gradients", "all"))) == "expected_gradients"


def test_options_are_read_by_their_types() -> None:
    words = (
        "integrated_gradients.steps=7",
        "integrated_gradients.rule=gauss-legendre",
        "integrated-gradients.baseline=1",
    )
    assert chosen("integrated_gradients", words=words)["integrated_gradients"] == IntegratedGradients(
        steps=7, rule="gauss-legendre"
    )
    assert chosen("integrated_gradients", words=words)["integrated_gradients"].baseline == 1.0
    assert chosen("lrp", words=("lrp.input_rule=null",))["lrp"] == LRP(input_rule=None)
    assert chosen("smooth_grad", words=("smooth_grad.inner=lrp",))["smooth_grad"] == SmoothGrad(LRP())
    assert chosen("grad_cam", words=("grad_cam.layer=[a, b]",))["grad_cam"] == GradCAM(("a", "b"))


def test_a_layer_is_for_those_that_take_one_and_their_own_setting_wins() -> None:
    found = chosen("lrp", "grad_cam", "score_cam", layers=("a",), words=("score_cam.layer=b",))
    assert found == {"lrp": LRP(), "grad_cam": GradCAM("a"), "score_cam": ScoreCAM("b")}
    assert chosen("grad_cam", layers=("a", "b"))["grad_cam"].layer == ("a", "b")


def test_the_batch_size_is_for_those_that_have_one_and_their_own_setting_wins() -> None:
    found = chosen("lrp", "rise", "score_cam", batch_size=3, words=("score_cam.batch_size=5",))
    assert found["rise"].batch_size == 3
    assert found["score_cam"].batch_size == 5
    assert chosen("rise")["rise"].batch_size == RISE().batch_size


def test_a_class_is_named_before_it_is_counted() -> None:
    assert aim_of("predicted", COHORT) == "predicted"
    assert aim_of("every", COHORT) == "every"
    assert aim_of("normal", COHORT) == 0
    assert aim_of("0", COHORT) == 1, "the class of that name"
    assert aim_of("2", COHORT) == 2
    assert aim_of("label", COHORT) == "label", "the word, not the class"
    with pytest.raises(UsageError, match="--target 3: no such class"):
        aim_of("3", COHORT)
