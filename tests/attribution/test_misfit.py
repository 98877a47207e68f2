from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution.explainer import classify
from sightline.attribution.misfit import misfit
from sightline.errors import SettingsError, ShapeError


def why(model: nn.Module, *shape: int, dtype: torch.dtype = torch.float32) -> str | None:
    """What is said of images of a shape that the model breaks off at."""
    images = torch.zeros(shape, dtype=dtype)
    with pytest.raises((RuntimeError, ValueError)) as caught:
        model(images)
    return misfit(model, images, caught.value)


class Inside(nn.Module):
    """A layer with a name, after something."""

    def __init__(self, layer: nn.Module, before: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"entry": layer})
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        return self.stem["entry"](self.before(x))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_first_convolution_says_how_many_channels_it_takes(axes: int) -> None:
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](4, 2, 1)
    told = why(Inside(layer), 2, 3, *(5,) * axes)
    assert told is not None
    assert told.startswith(f"images must have 4 channels for layer 'stem.entry' (Conv{axes}d), (N, 4, *S), got (2, 3, ")
    told = why(Inside(layer), 2, 4, *(5,) * (axes + 1))
    assert told is not None
    assert f"{axes} spatial axes" in told


def test_other_first_layers_speak_too() -> None:
    told = why(nn.BatchNorm2d(3), 2, 4, 5, 5)
    assert told == (
        "images must have 3 channels for the model (BatchNorm2d), (N, 3, *S), got (2, 4, 5, 5); convert the images, or "
        "use a model of 4 channels"
    )
    told = why(Inside(nn.Linear(6, 2)), 2, 4)
    assert told is not None
    assert "layer 'stem.entry' (Linear) takes 6 features, got (2, 4)" in told


def test_images_that_the_model_changes_first_are_not_blamed_for_their_channels() -> None:
    told = why(Inside(nn.Conv2d(3, 2, 1), lambda x: x.repeat(1, 2, 1, 1)), 2, 3, 5, 5)
    assert told is not None
    assert "images (2, 3, 5, 5) do not fit the model" in told
    assert "takes 3 features, got (2, 6, 5, 5)" in told


def test_weights_elsewhere_are_told_from_the_images() -> None:
    told = why(Inside(nn.Conv2d(3, 2, 1)), 2, 3, 5, 5, dtype=torch.float64)
    assert told is not None
    assert "layer 'stem.entry' (Conv2d) has torch.float32 on cpu, got torch.float64 on cpu" in told
    assert told.endswith("use images.to(device, dtype) or model.to(device, dtype)")
    told = why(Inside(nn.Conv2d(3, 2, 1).half()), 2, 3, 5, 5)
    assert told is not None
    assert told.endswith("has torch.float16 on cpu, got torch.float32 on cpu; use model.float()")


def test_a_subclass_with_other_names_for_its_arguments_is_a_layer() -> None:
    class Same(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight)

    told = why(Inside(Same(3, 2, 3)), 2, 4, 5, 5)
    assert told is not None
    assert "must have 3 channels for layer 'stem.entry' (Same)" in told


def test_other_errors_have_other_causes() -> None:
    weight = torch.zeros(2, 3, 1, 1)
    assert why(Inside(nn.AvgPool2d(8)), 2, 3, 5, 5) is None, "no layer declares a size"
    assert why(Inside(nn.Identity(), lambda x: F.conv2d(x, weight)), 2, 4, 5, 5) is None, "no layer was running"
    assert why(Inside(nn.Conv2d(4, 2, 9)), 2, 4, 5, 5) is None, "what it declares fits"


class Raises(nn.Conv2d):
    """A layer that images do not fit, with an error of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(3, 2, 1)
        self.error = error

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        raise self.error


def test_the_first_pass_raises_what_was_found_and_keeps_the_error_behind_it() -> None:
    images = torch.zeros(2, 4, 5, 5)
    error = RuntimeError("torch's words")
    with pytest.raises(ShapeError, match="must have 3 channels") as caught:
        classify(Raises(error), images)
    assert caught.value.__cause__ is error
    for other in (SettingsError("ours"), KeyError("theirs")):
        with pytest.raises(type(other)) as raised:
            classify(Raises(other), images)
        assert raised.value is other
    assert torch.equal(classify(nn.Identity(), images), images)
