from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import CAM, LRP, Class, EveryClass, GradCAM, HiResCAM
from sightline.errors import SettingsError, ShapeError, UnsupportedOperationError
from sightline.models.axialnet import AxialNet, MaxAxialNet, axialnet
from sightline.types import LinearAnswer

SIZE = (12, 64, 64)
SMALL = {"size": SIZE, "width": 8, "trunk_stages": 3, "padding": 1}
TRUNK, CUSTOM = 11_689_512 - 513_000, 320_384  # parameters of ResNet-18 less its head, of the custom convolutions
LINEAR = {"as published": {}, "no custom convolutions": {"channels": []}, "final 3-D convolution": {"final_3d": True}}


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def make(randomise: Callable[[nn.Module], None]) -> Callable[..., AxialNet]:
    """Build a small one in double precision, in evaluation mode, with no bias of 0."""

    def build(**options: object) -> AxialNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = axialnet(3, **SMALL, **options).double().eval()  # type: ignore[arg-type]
        randomise(model)
        return model

    return build


def closed_form(answer: LinearAnswer) -> Tensor:
    """HiResCAM of every class `(N, K, *G)`, as the record says."""
    return answer.scale * (answer.weights * answer.features[:, None]).sum(2)


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ({}, 80 * (16 * 6 * 6) + 80),
        ({"pool": "max"}, 80 * (16 * 6 * 6) + 80),
        ({"channels": []}, 80 * (512 * 14 * 14) + 80),
        ({"final_3d": True}, 80 * (16 * 135 * 6 * 6) + 80),
    ],
)
def test_parameters_follow_from_the_layer_table(options: dict[str, object], head: int) -> None:
    with torch.device("meta"):
        model = axialnet(80, **options)  # type: ignore[arg-type]
        logits = model(torch.empty(1, 1, 405, 420, 420))
    custom = 0 if options.get("channels") == [] else CUSTOM
    assert sum(p.numel() for p in model.head.parameters()) == head
    assert sum(p.numel() for p in model.parameters()) == TRUNK + custom + head
    assert logits.shape == (1, 80)


def test_as_published_it_has_eleven_and_a_half_million() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in axialnet(80).parameters()) == 11_543_056


@torch.no_grad()
def test_the_logit_is_the_mean_of_the_scores_of_the_slices(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make()
    z = model.features(volumes)  # tested by itself
    w, b = model.head.weight.view(3, *z.shape[1:2], *z.shape[3:]), model.head.bias
    scores = torch.stack([(w * z[:, None, :, h]).sum((2, 3, 4)) + b for h in range(4)], 2)
    torch.testing.assert_close(model.slice_scores(volumes), scores)
    torch.testing.assert_close(model(volumes), scores.mean(2))
    greatest = MaxAxialNet(3, model.features).double()
    greatest.load_state_dict(model.state_dict())
    torch.testing.assert_close(greatest.slice_scores(volumes), scores)
    torch.testing.assert_close(greatest(volumes), scores.amax(2))
    assert (scores.std(2) > 1e-4).all()


@torch.no_grad()
def test_a_final_3d_convolution_reads_each_slice_by_weights_of_its_own(
    make: Callable[..., AxialNet], volumes: Tensor
) -> None:
    model = make(final_3d=True)
    z = model.features(volumes)
    kernel = model.head.weight.view(3, *z.shape[1:])
    logits = nn.functional.conv3d(z, kernel, model.head.bias).flatten(1)
    torch.testing.assert_close(model(volumes), logits)
    torch.testing.assert_close(model.slice_scores(volumes).mean(2), logits)


@pytest.mark.parametrize("options", LINEAR.values(), ids=LINEAR)
@pytest.mark.parametrize("layer", ["features", None])
@pytest.mark.parametrize("training", [True, False])
def test_hirescam_in_closed_form_is_the_engines_and_adds_up_to_the_logit(
    make: Callable[..., AxialNet], volumes: Tensor, options: dict[str, object], layer: str | None, training: bool
) -> None:
    model = make(**options).train(training)
    engine = HiResCAM(layer=layer)(model, volumes, EveryClass())
    answer = model.linear_answer(volumes)
    maps = closed_form(answer)
    assert maps.abs().max() > 1e-3
    torch.testing.assert_close(maps, engine.attribution[:, :, 0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(maps.sum((2, 3, 4)) + answer.bias, answer.logits, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(answer.logits, engine.logits, rtol=1e-6, atol=1e-9)
    assert torch.equal(answer.logits, model(volumes))


def test_in_single_precision_they_agree_to_a_millionth(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make().float()
    engine = HiResCAM(layer="features")(model, volumes.float(), EveryClass())
    answer = model.linear_answer(volumes.float())
    maps = closed_form(answer)
    torch.testing.assert_close(maps, engine.attribution[:, :, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(maps.sum((2, 3, 4)) + answer.bias, engine.logits, rtol=0, atol=1e-6)


def test_grad_cam_is_another_map_and_no_cam_applies(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make()
    by_place, by_feature = (
        explain(model, volumes, Class(1)).attribution
        for explain in (HiResCAM(layer="features"), GradCAM(layer="features", rectify=False))
    )
    assert by_place.shape == by_feature.shape
    correlation = torch.corrcoef(torch.stack([by_place.flatten(), by_feature.flatten()]))[0, 1]
    assert correlation.abs() < 0.95
    with pytest.raises(UnsupportedOperationError):
        CAM(layer="features")(model, volumes, Class(1))


def test_what_is_linear_can_be_trained(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make()
    closed_form(model.linear_answer(volumes)).square().sum().backward()
    assert model.head.bias.grad is None
    touched = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert touched == {name for name, _ in model.named_parameters()} - {"head.bias"}
    assert all(parameter.grad.any() for name, parameter in model.named_parameters() if name in touched)


def test_the_greatest_score_is_explained_at_its_slice_alone(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make(pool="max")
    assert isinstance(model, MaxAxialNet)
    assert not hasattr(model, "linear_answer")
    explanation = HiResCAM()(model, volumes, Class(2))
    seen = explanation.attribution[:, 0].abs().sum((2, 3)) > 0
    expected = nn.functional.one_hot(model.slice_scores(volumes)[:, 2].argmax(1), 4).bool()
    assert torch.equal(seen, expected)
    total = explanation.attribution.sum((1, 2, 3, 4)) + model.head.bias[2]
    torch.testing.assert_close(total, explanation.logits[:, 2])


@pytest.mark.parametrize("options", [*LINEAR.values(), {"pool": "max"}], ids=[*LINEAR, "max"])
def test_lrp_without_biases_conserves_relevance(
    make: Callable[..., AxialNet], volumes: Tensor, options: dict[str, object]
) -> None:
    model = make(**options)
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.zero_()
    explanation = LRP(epsilon=1e-9)(model, volumes, Class(0))
    total = explanation.attribution.sum((1, 2, 3, 4))
    torch.testing.assert_close(total, explanation.logits[:, 0], rtol=1e-4, atol=1e-9)
    assert explanation.attribution.shape == volumes.shape
    assert explanation.logits.abs().max() > 1e-3


def test_volumes_of_a_batch_do_not_mix(make: Callable[..., AxialNet], volumes: Tensor) -> None:
    model = make()
    torch.testing.assert_close(model(volumes)[1:], model(volumes[1:]))


def test_dropped_features_are_missing_in_the_map_and_in_the_logit(
    make: Callable[..., AxialNet], volumes: Tensor
) -> None:
    model = make(dropout=0.5)
    whole = model.linear_answer(volumes)
    assert torch.equal(whole.logits, model(volumes))
    model.features.dropout.train()
    answer = model.linear_answer(volumes)
    torch.testing.assert_close(closed_form(answer).sum((2, 3, 4)) + answer.bias, answer.logits)
    present = whole.features != 0
    dropped = (answer.features == 0) & present
    assert 0.2 < dropped.sum() / present.sum() < 0.8
    torch.testing.assert_close(answer.features[~dropped], 2 * whole.features[~dropped])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "mx"}, "pool must be one of mean, max, got 'mx'"),
        ({"pool": "max", "final_3d": True}, "pool must be mean where final_3d is set, got 'max'"),
    ],
)
def test_what_cannot_be_built_is_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        axialnet(3, **SMALL, **options)  # type: ignore[arg-type]


def test_volumes_of_another_size_are_refused(make: Callable[..., AxialNet]) -> None:
    with pytest.raises(ShapeError, match=r"volumes must be \(N, 1, 12, 64, 64\), .* got \(1, 1, 12, 64, 96\)"):
        make()(torch.zeros(1, 1, 12, 64, 96, dtype=torch.float64))
