from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, CompositeLRP, Predicted, Saliency
from sightline.errors import SettingsError, ShapeError
from sightline.models.temporal_gaze import remember, temporal_gaze

SMALL = {"in_channels": 7, "width": 4}


@pytest.fixture
def gazed() -> Tensor:
    """Three images `(3, 7, 64, 64)` with four frames."""
    return torch.rand(3, 7, 64, 64, generator=torch.Generator().manual_seed(1))


def test_parameters_are_those_of_the_layer_table() -> None:
    network = 3 * 64 * 7 * 7 + 2 * 64 + (64 * 56 * 56 + 1) * 128 + 2 * 128 + (128 + 1) * 64
    direction = 4 * 64 * (64 + 64) + 2 * 4 * 64
    count = 2 * network + 2 * direction + (128 + 1) * 64 + (2 * 64 + 1) * 3
    for in_channels in (4, 13, 33):  # the frames share one network
        with torch.device("meta"):
            model = temporal_gaze(3, in_channels=in_channels)
        assert sum(p.numel() for p in model.parameters()) == count == 51_491_779


@pytest.mark.parametrize("layers", [1, 3])
def test_the_lstm_written_out_is_torchs(layers: int) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(4, 5, layers, batch_first=True, bidirectional=True).double()
    frames = torch.randn(3, 6, 4, dtype=torch.float64)
    states, last = remember(lstm, frames)
    expected, (hidden, _) = lstm(frames)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(last, torch.cat((hidden[-2], hidden[-1]), 1))


@torch.no_grad()
def test_logits_are_the_code_written_out(
    gazed: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = temporal_gaze(5, **SMALL)
    norm, state = weights(model), model.state_dict()

    def network(pictures: Tensor, name: str) -> Tensor:
        x = F.conv2d(pictures, state[f"{name}.conv1.weight"], stride=2, padding=3).clamp(min=0)
        x = F.max_pool2d(F.batch_norm(x, *norm(f"{name}.batch1")), 3, 2, 1)
        x = F.adaptive_avg_pool2d(x, 56).flatten(1)
        x = F.linear(x, state[f"{name}.dense_layers.0.weight"], state[f"{name}.dense_layers.0.bias"]).clamp(min=0)
        x = F.batch_norm(x, *norm(f"{name}.dense_layers.1")).clamp(min=0)
        return F.linear(x, state[f"{name}.final_dense.weight"], state[f"{name}.final_dense.bias"])

    pictures = gazed.double()
    frames = torch.stack([network(pictures[:, [c, c, c]], "heatmap_cnn") for c in range(3, 7)], 1)
    states, (hidden, _) = model.heatmap_rnn.rnn(frames)
    seen = []
    for image in range(3):
        query = torch.cat((hidden[0, image], hidden[1, image]))
        weight = torch.stack([query @ state_ for state_ in states[image]]) / 4**0.5
        seen.append((weight.softmax(0)[:, None] * states[image]).sum(0))
    gaze = F.linear(torch.stack(seen), state["heatmap_rnn.dense.weight"], state["heatmap_rnn.dense.bias"])
    both = torch.cat((network(pictures[:, :3], "image_encoder"), gaze), 1)
    expected = F.linear(both, state["classifier.fc.weight"], state["classifier.fc.bias"])
    torch.testing.assert_close(model(pictures), expected)


def test_the_order_of_the_frames_matters(gazed: Tensor) -> None:
    model = temporal_gaze(3, **SMALL).eval()
    backwards = torch.cat((gazed[:, :3], gazed[:, 3:].flip(1)), 1)
    assert not torch.allclose(model(gazed), model(backwards))
    repeated = torch.cat((gazed[:, :3], gazed[:, 3:4].expand(-1, 4, -1, -1)), 1)
    torch.testing.assert_close(model(repeated), model(torch.cat((repeated[:, :3], repeated[:, 3:].flip(1)), 1)))


def test_gradients_reach_every_weight_and_every_frame(gazed: Tensor) -> None:
    model, images = temporal_gaze(3, **SMALL, dropout=0.5, layers=2), gazed.requires_grad_()
    model(images).square().sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum((0, 2, 3)) > 0).all()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("explainer", [LRP(), LRP(epsilon=1e-2, input_rule="zb"), CompositeLRP(), Saliency()])
def test_explanations_reach_the_image_and_every_frame(gazed: Tensor, explainer: LRP | CompositeLRP | Saliency) -> None:
    model = temporal_gaze(3, **SMALL).eval()
    explanation = explainer(model, gazed, Predicted())
    torch.testing.assert_close(explanation.logits, model(gazed))
    assert explanation.attribution.isfinite().all()
    assert (explanation.attribution.abs().sum((2, 3)) > 0).all()


def test_dropout_acts_in_training_only(gazed: Tensor) -> None:
    model = temporal_gaze(3, **SMALL, dropout=0.5)
    assert not torch.equal(model(gazed), model(gazed))
    model.eval()
    assert torch.equal(model(gazed), model(gazed))


def test_what_cannot_be_read_is_refused(gazed: Tensor) -> None:
    with pytest.raises(SettingsError, match="in_channels must be more than image_channels, one for each frame of gaze"):
        temporal_gaze(3, in_channels=3)
    with pytest.raises(ShapeError, match=r"images must be \(N, 7, H, W\), the last 4 channels frames of gaze, got"):
        temporal_gaze(3, **SMALL)(gazed[:, :6])
