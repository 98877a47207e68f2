"""What cannot be explained is refused by every explainer in one line, and the model is left as it was."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

import sightline.attribution as exported
from sightline.attribution import (
    CAM,
    LIME,
    LRP,
    RISE,
    AttentionRollout,
    Class,
    CompositeLRP,
    EveryClass,
    Explainer,
    GradientAttentionRollout,
    GuidedBackpropagation,
    IntegratedGradients,
    Label,
    Occlusion,
    Saliency,
    SmoothGrad,
    Target,
)
from sightline.errors import LayerNotFoundError, SettingsError, ShapeError, SightlineError, UnsupportedOperationError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]
Function = Callable[[Tensor], Tensor]


def explainers() -> list[type[Explainer]]:
    """All that are exported, in order."""
    kinds = [kind for kind in vars(exported).values() if isinstance(kind, type) and issubclass(kind, Explainer)]
    return sorted((kind for kind in kinds if not inspect.isabstract(kind)), key=lambda kind: kind.__name__)


def fields_of(kind: type[Explainer]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


ATTENDING = (AttentionRollout, GradientAttentionRollout)
RELEVANCE = (LRP, CompositeLRP)
ASKING = (LIME, Occlusion, RISE)  # only for answers: what a model does inside is nothing to them
MAPPED = [kind for kind in explainers() if "layer" in fields_of(kind)]  # drawn at a feature map
FEW = {RISE: {"masks": 4}, LIME: {"samples": 4}, SmoothGrad: {"samples": 2}}


def make(kind: type[Explainer], **options: Any) -> Explainer:
    return kind(**FEW.get(kind, {}), **options)


@pytest.fixture(params=explainers(), ids=lambda kind: kind.__name__)
def explainer(request: pytest.FixtureRequest) -> Explainer:
    return make(request.param)


@pytest.fixture
def net(explainer: Explainer, make_net: MakeNet) -> nn.Module:
    """A network that the explainer can explain, in training mode but for one part, with one weight frozen."""
    net = make_net(pooled=isinstance(explainer, CAM), attends=isinstance(explainer, ATTENDING)).train()
    net[4].eval()
    net[0].weight.requires_grad_(False)
    return net


def state(model: nn.Module) -> list[Any]:
    """What an explanation must not change, beside the values of weights."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        [(type(part), part.training, *(len(getattr(part, kind)) for kind in hooks)) for part in model.modules()],
        [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
        torch._C._len_torch_function_stack(),
        torch._C._autograd._saved_tensors_hooks_get_disabled_error_message(),
        torch.is_grad_enabled(),
    ]


def refusal(
    explainer: Explainer,
    model: nn.Module,
    images: Any,
    target: Any = Class(0),  # noqa: B008 - frozen
    kind: type[SightlineError] = ShapeError,
) -> str:
    """The one line that a call is refused with."""
    before, weights = state(model), [parameter.detach().clone() for parameter in model.parameters()]
    pixels = images.clone() if isinstance(images, Tensor) else None
    with pytest.raises(kind) as caught:
        explainer(model, images, target)
    assert state(model) == before
    assert all(a.is_meta or torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert pixels is None or pixels.is_meta or torch.equal(images, pixels)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def says(message: str, *words: str) -> None:
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} missing in: {message}"


def test_float16_on_the_cpu(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    message = refusal(explainer, net.half(), make_images().half())
    says(message, "float32, float64 or bfloat16 on the CPU", "got torch.float16", "model.float()", "images.float()")


class Casts(nn.Module):
    """Works in float16 inside, whatever the images are."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.half()

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images.half())


def test_a_model_that_casts_to_float16(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    says(refusal(explainer, Casts(net), make_images().float()), "logits must be float32", "float16", "model.float()")


def test_bfloat16_is_explained(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    explanation = explainer(net.eval().bfloat16(), make_images().bfloat16(), Class(0))
    assert explanation.attribution.dtype == torch.bfloat16
    assert explanation.attribution.isfinite().all()


TARGETS: list[tuple[Target, tuple[str, ...]]] = [
    (Class(3), ("0 to 2", "got 3")),
    (Class(-1), ("0 to 2", "got -1")),
    (Label(torch.tensor([0, 3, 1])), ("0 to 2", "got 0 to 3")),
    (Label(torch.tensor([0, 1])), ("(3,)", "one class an image", "got (2,)")),
]


def test_a_target_out_of_range(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    for target, words in TARGETS:
        says(refusal(explainer, net, make_images(), target), *words)


def test_a_target_that_is_none(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    says(refusal(explainer, net, make_images(), 2, SettingsError), "target", "Class(3)", "got int")


CHANNELS: list[tuple[tuple[int, ...], tuple[str, ...]]] = [
    ((3, 3, 8, 8), ("must have 2 channels", "layer '0' (Conv2d)", "got (3, 3, 8, 8)", "model of 3 channels")),
    ((3, 1, 8, 8), ("must have 2 channels", "got (3, 1, 8, 8)", "images.repeat_interleave(2, 1)")),
    ((3, 8, 8, 2), ("must have 2 channels", "got (3, 8, 8, 2)", "images.movedim(-1, 1)")),
    ((2, 8, 8), ("(N, C, *S) with 2 spatial axes", "got (2, 8, 8)", "images[None]")),
    ((2, 2, 8, 8, 8), ("(N, C, *S) with 2 spatial axes", "got (2, 2, 8, 8, 8)", "another model")),
]


def test_images_of_other_channels(explainer: Explainer, net: nn.Module) -> None:
    for shape, words in CHANNELS:
        says(refusal(explainer, net, torch.rand(shape, dtype=torch.float64)), *words)


def test_images_of_another_size(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    images = make_images(3, 2, 13, 13)
    if isinstance(explainer, CAM):  # whose model takes any size
        assert explainer(net, images, Class(0)).attribution.any()
        return
    says(refusal(explainer, net, images), "(3, 2, 13, 13)", "(Linear) takes 24 features", "got (3, 54)", "of the size")


def test_images_of_another_dtype(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    message = refusal(explainer, net, make_images().float())
    says(message, "one dtype", "layer '0'", "has torch.float64", "got torch.float32", "images.to(device, dtype)")


def test_a_model_on_another_device(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    message = refusal(explainer, net.to("meta"), make_images())
    says(message, "one device", "float64 on meta", "got torch.float64 on cpu", "model.to(device, dtype)")


def test_images_that_are_no_tensor(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    says(refusal(explainer, net, make_images().numpy()), "tensor (N, C, *S)", "got ndarray", "torch.as_tensor")


class Answers(nn.Module):
    """Returns something made of the logits."""

    def __init__(self, net: nn.Module, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.answer = net, answer

    def forward(self, images: Tensor) -> Any:
        return self.answer(self.net(images))


ANSWERS: list[tuple[Callable[[Tensor], Any], tuple[str, ...]]] = [
    (lambda y: (y,), ("(3, K)", "got tuple", "wrap")),
    (lambda y: {"logits": y}, ("(3, K)", "got dict", "wrap")),
    (lambda y: y[:, 0], ("(3, K)", "got (3,)", "wrap")),
    (lambda y: y[:, :, None, None], ("(3, K)", "got (3, 3, 1, 1)", "wrap")),
    (lambda y: y[:2], ("(3, K)", "got (2, 3)", "wrap")),
    (lambda y: y.argmax(1, keepdim=True), ("floating point", "got torch.int64", "raw")),
]


def test_a_model_that_returns_no_logits(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    for answer, words in ANSWERS:
        says(refusal(explainer, Answers(net, answer), make_images()), "logits", *words)


@pytest.mark.parametrize("kind", MAPPED + list(RELEVANCE), ids=lambda kind: kind.__name__)
def test_a_layer_that_is_not_there(kind: type[Explainer], make_net: MakeNet, make_images: MakeImages) -> None:
    option = {"layers": ("4.conv3",)} if kind in RELEVANCE else {"layer": "4.conv3"}
    message = refusal(make(kind, **option), make_net(pooled=kind is CAM), make_images(), kind=LayerNotFoundError)
    says(message, "layer '4.conv3' is not in the model", "it has", "4.conv1", "4.conv2")


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
def test_a_model_without_a_spatial_layer(kind: type[Explainer], make_images: MakeImages) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    message = refusal(make(kind), net, make_images(), kind=LayerNotFoundError)
    says(message, "class activation map", "no feature map (N, C, *S)", "name its layer", "Saliency")
    message = refusal(make(kind, layer="1"), net, make_images())
    says(message, "layer '1'", "feature map", "got (3, 5)", "another")
    message = refusal(make(kind), net[1:], make_images().flatten(1))
    says(message, "spatial axis", "got (3, 128)", "Saliency")


def test_a_model_without_a_spatial_layer_is_explained_by_its_pixels(make_images: MakeImages) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    for kind in explainers():
        if kind not in (*MAPPED, *ATTENDING):
            assert make(kind)(net, make_images(), Class(0)).attribution.shape[2:] == (8, 8)


def test_a_model_without_attention(make_net: MakeNet, make_images: MakeImages) -> None:
    for kind in ATTENDING:
        message = refusal(kind(), make_net(), make_images(), kind=UnsupportedOperationError)
        says(message, "attention", "LRP")


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


@functools.cache
def compiled() -> nn.Module:
    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        return torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()).double())


UNKNOWN: dict[str, tuple[Function, str]] = {
    "fft": (lambda x: torch.fft.fft2(x).abs(), "fft_fft2"),
    "cdist": (lambda x: x + torch.cdist(x.flatten(2), x.flatten(2) + 1).mean((1, 2)).view(-1, 1, 1, 1), "cdist"),
    "erf": (torch.erf, "erf"),
    "special": (torch.special.i0, "special_i0"),
    "sort": (lambda x: x.sort(1).values, "sort"),
    "solve": (lambda x: torch.linalg.solve(torch.eye(8, dtype=x.dtype) + x @ x.mT, x), "linalg_solve"),
    "autograd function": (Cube.apply, "Cube"),
    "script": (lambda x: compiled()(x), "Relu"),
    "vmap": (torch.vmap(lambda x: 2 * x), "Mul"),
}


class Odd(nn.Module):
    """Convolution, something, convolution, pooling, linear."""

    def __init__(self, something: Function) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)
        self.double()
        self.something = something

    def forward(self, images: Tensor) -> Tensor:
        x = self.something(F.relu(self.conv1(images)))
        return self.fc(F.relu(self.conv2(x)).mean((2, 3)))


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("kind", RELEVANCE, ids=lambda kind: kind.__name__)
def test_an_operation_without_a_rule(kind: type[Explainer], name: str, make_images: MakeImages) -> None:
    something, title = UNKNOWN[name]
    net, images = Odd(something), make_images()
    message = refusal(make(kind), net, images, kind=UnsupportedOperationError)
    says(message, f"'{title}'", "at test_errors.py:", "unknown='gradient'")
    explanation = kind(unknown="gradient")(net, images, Class(0))
    assert explanation.attribution.isfinite().all()
    assert explanation.attribution.any()


@pytest.mark.parametrize("name", UNKNOWN)
def test_explainers_other_than_relevance_do_not_mind_it(name: str, make_images: MakeImages) -> None:
    net, images = Odd(UNKNOWN[name][0]), make_images()
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    torch.testing.assert_close(Saliency()(net, images, Class(1)).attribution, gradient)
    for kind in set(explainers()).difference(RELEVANCE, ATTENDING):
        assert make(kind)(net, images, EveryClass()).attribution.isfinite().all(), kind


class Again(nn.Module):
    """Computes its middle again in the backward pass, to spare memory."""

    def __init__(self, net: nn.Module, *, reentrant: bool) -> None:
        super().__init__()
        self.net, self.reentrant = net, reentrant

    def forward(self, images: Tensor) -> Tensor:
        x = checkpoint(self.net[1:6], self.net[0](images), use_reentrant=self.reentrant)
        return self.net[6:](x)


def test_a_model_that_checkpoints(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    for reentrant in (False, True):
        model, images = Again(net.requires_grad_(True), reentrant=reentrant), make_images()
        if isinstance(explainer, ASKING):
            assert explainer(model, images, Class(0)).attribution.any()
        else:
            message = refusal(explainer, model, images, kind=UnsupportedOperationError)
            says(message, "torch.utils.checkpoint", "turn checkpointing off")


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_gradient_that_nobody_keeps_refuses_a_checkpoint_too(net: nn.Module, make_images: MakeImages) -> None:
    for kind in (Saliency, GuidedBackpropagation, IntegratedGradients):
        for reentrant in (False, True):
            model = Again(net.requires_grad_(True), reentrant=reentrant)
            with pytest.raises(UnsupportedOperationError, match="turn checkpointing off"), torch.no_grad():
                kind()(model, make_images(), Class(0))


def test_saved_tensors_may_be_kept_elsewhere(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    net.eval()
    expected = explainer(net, make_images(), Class(0)).attribution
    with save_on_cpu():
        found = explainer(net, make_images(), Class(0)).attribution
        torch.testing.assert_close(found, expected)


def test_an_error_of_the_models_own_is_passed_on(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    def fail(_: Tensor) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match=r"^broken$") as caught:
        explainer(Answers(net, fail), make_images(), Class(0))
    assert not isinstance(caught.value, SightlineError)


def test_an_empty_batch_has_no_maps(explainer: Explainer, net: nn.Module, make_images: MakeImages) -> None:
    empty, few = make_images()[:0], make_images()
    for target in (Class(0), EveryClass()):
        with torch.no_grad():
            maps = explainer(net.eval(), empty, target).attribution
            assert maps.shape == (0, *explainer(net, few, target).attribution.shape[1:])
