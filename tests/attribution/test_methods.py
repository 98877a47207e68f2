import dataclasses
import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import sightline.attribution
from sightline.attribution import (
    COMPOSITES,
    Class,
    CompositeLRP,
    Explainer,
    GradCAM,
    IntegratedGradients,
    SmoothGrad,
)
from sightline.attribution.methods import Method, find_method, methods, options_of, ready_methods
from sightline.errors import SettingsError, SightlineError

FEW = {"steps": 3, "samples": 3, "masks": 3}


def few(method: Method) -> Explainer:
    """The method with as few passes as make sense."""
    return method.explainer(**{name: count for name, count in FEW.items() if method.has(name)})


@pytest.fixture(params=sorted(methods()))
def method(request: pytest.FixtureRequest) -> Method:
    return methods()[request.param]


def test_every_explainer_that_is_exported_is_a_method() -> None:
    exported = [getattr(sightline.attribution, name) for name in sightline.attribution.__all__]
    concrete = {k for k in exported if inspect.isclass(k) and issubclass(k, Explainer) and not inspect.isabstract(k)}
    assert {method.kind for method in methods().values()} == concrete


def test_an_explainer_that_is_not_exported_is_none() -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(Explainer):
        def __call__(self, model: nn.Module, images: Tensor, target: object) -> None: ...

    methods.cache_clear()
    assert "mine" not in methods()


def test_names_are_those_of_the_literature() -> None:
    words = "lrp grad_cam grad_cam_plus_plus hirescam xgrad_cam layer_cam score_cam cam integrated_gradients deconvnet"
    words += " expected_gradients smooth_grad gradient_times_input guided_backpropagation saliency occlusion rise lime"
    assert set(words.split()) <= set(methods())
    assert find_method("grad_cam").title == "Grad-CAM"
    assert find_method("grad_cam_plus_plus").title == "Grad-CAM++"
    assert find_method("guided_backpropagation").title == "Guided backpropagation"
    assert find_method("smooth_grad").title == "SmoothGrad"
    assert find_method("lrp").title == "LRP"


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_is_a_method(name: str) -> None:
    assert find_method(name).explainer(low=-1.0) == CompositeLRP(composite=name, low=-1.0)
    assert "composite" not in vars(find_method(name).options()())


def test_what_a_composite_is_is_read_off_its_rules() -> None:
    told = "LRP: Gamma(0.25) in convolutions, Epsilon in linear layers, zb in the first layer"
    assert find_method("epsilon_gamma_box").about == told


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GradCAM++", "unknown method 'GradCAM++'. Did you mean grad_cam_plus_plus?"),
        ("grad-cam", "unknown method 'grad-cam'. Did you mean grad_cam?"),
        ("saliensy", "unknown method 'saliensy'. Did you mean saliency?"),
        ("xyzzy", f"unknown method 'xyzzy'. The methods are {', '.join(methods())}."),
    ],
)
def test_an_unknown_method_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        find_method(name)
    assert str(caught.value) == message


def test_all_draws_each_explanation_once_and_none_that_lacks_something() -> None:
    ready = ready_methods()
    explainers = [method.explainer() for method in ready]
    assert len(set(explainers)) == len(explainers)
    assert {method.name for method in methods().values()} - {method.name for method in ready} == {
        "composite_lrp",  # is epsilon_plus
        "expected_gradients",
    }


def test_default_options_make_the_default_explainer(method: Method) -> None:
    assert method.explainer(**vars(method.options()())) == method.explainer()


def test_options_hold_what_can_be_written_down() -> None:
    names = {name: set(vars(find_method(name).options()())) for name in ("lime", "expected_gradients", "saliency")}
    assert names["lime"] == {"segments", "samples", "ridge", "kernel_width", "value", "seed", "batch_size"}
    assert names["expected_gradients"] == {"samples", "seed", "batch_size"}
    assert names["saliency"] == set()
    hints = {item.name: item.type for item in dataclasses.fields(find_method("integrated_gradients").options())}
    assert hints["baseline"] is float
    assert find_method("grad_cam").has("layer")
    assert not find_method("lrp").has("layer")


def test_options_are_checked_as_the_explainer_checks_them() -> None:
    with pytest.raises(SettingsError, match="steps and batch_size must be at least 1"):
        find_method("integrated_gradients").options()(steps=0)


def test_an_explainer_inside_another_is_given_by_its_name() -> None:
    smooth = find_method("smooth_grad")
    assert vars(smooth.options()())["inner"] == "saliency"
    assert smooth.explainer(inner="grad_cam", samples=2) == SmoothGrad(GradCAM(), samples=2)
    with pytest.raises(SettingsError, match=r"inner: unknown method 'gradcam'. Did you mean grad_cam\?"):
        smooth.options()(inner="gradcam")


def test_options_of_a_map_are_plain_and_leave_out_what_does_not_change_it() -> None:
    assert options_of(IntegratedGradients(steps=7, batch_size=2)) == {"baseline": 0.0, "steps": 7, "rule": "midpoint"}
    assert options_of(SmoothGrad(GradCAM("layer")))["inner"]["layer"] == "layer"
    black, white = (options_of(IntegratedGradients(baseline=torch.full((1, 1, 2, 2), v))) for v in (0.0, 1.0))
    assert black["baseline"]["tensor"] == [1, 1, 2, 2]
    assert black != white


class Counting(nn.Module):
    """Counts forward passes and images; its answers may have no graph."""

    def __init__(self, net: nn.Module, *, graph: bool = True) -> None:
        super().__init__()
        self.net, self.graph, self.calls, self.images = net, graph, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls, self.images = self.calls + 1, self.images + len(images)
        logits = self.net(images)
        return logits if self.graph else logits.detach()


def test_a_method_passes_forward_as_often_as_it_says(
    method: Method, make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    model = Counting(make_net(pooled=True, attends=True))
    with torch.no_grad():
        few(method)(model, make_images(1, 2, 8, 8), Class(0))
    count, _, unit = method.forward.partition(" ")
    if count == "1":
        assert model.calls == 1
    elif count.isdecimal() and not unit:
        assert model.calls == int(count)
    elif unit:
        assert count == str(getattr(method.kind(), unit))
        assert FEW[unit] <= model.images <= FEW[unit] + 4
    else:
        assert model.images > 4, "windows or channels"


def test_a_method_without_backward_passes_needs_no_graph(
    method: Method, make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    model = Counting(make_net(pooled=True, attends=True), graph=False)
    explainer = dataclasses.replace(few(method), layer="net.7") if method.has("layer") else few(method)
    if method.backward == "0":
        assert explainer(model, make_images(1, 2, 8, 8), Class(0)).attribution.any()
    else:
        with pytest.raises(SightlineError, match=r"do not depend|rule|one linear"):
            explainer(model, make_images(1, 2, 8, 8), Class(0))


def test_caveats_name_those_that_fail_sanity_checks() -> None:
    failing = {method.name for method in methods().values() if method.caveat}
    positive = set(COMPOSITES) - {"epsilon"}
    assert failing == {"deconvnet", "guided_backpropagation", "guided_grad_cam"} | positive


def test_each_has_one_line_about_it(method: Method) -> None:
    assert method.about
    assert "\n" not in method.about
