import pytest
import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.models.layers import initialise_convolutions, layers_for


def test_layers_are_those_of_the_dimensions() -> None:
    assert layers_for(2).conv is nn.Conv2d
    assert layers_for(3).adaptive_avg_pool is nn.AdaptiveAvgPool3d


def test_other_dimensions_are_refused_in_words() -> None:
    with pytest.raises(SettingsError, match=r"dimensions must be 2 \(images\) or 3 \(volumes\), got 4"):
        layers_for(4)


@pytest.mark.parametrize(("mode", "variance"), [("fan_in", 2 / (16 * 27)), ("fan_out", 2 / (64 * 27))])
def test_weights_have_hes_variance_and_biases_are_zero(mode: str, variance: float) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.Conv3d(16, 64, 3)
        initialise_convolutions(layer, mode=mode)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.001)
    assert (layer.bias == 0).all()
