import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models import AttentionGate

SCORES = torch.tensor([[[[1.0, 2.0], [5.0, 2.0]]]])
EXPONENTIALS = torch.tensor([[[[math.exp(1), math.exp(2)], [math.exp(5), math.exp(2)]]]])
BY_HAND = {
    "mean_flow": torch.tensor([[[[0.0, 1.0], [4.0, 1.0]]]]) / 6,
    "mean": SCORES / 10,
    "range_normalise": torch.tensor([[[[0.0, 0.25], [1.0, 0.25]]]]),
    "softmax": EXPONENTIALS / EXPONENTIALS.sum(),
    "sigmoid": 1 / (1 + 1 / EXPONENTIALS),
}


@pytest.mark.parametrize("normalisation", BY_HAND)
def test_scores_are_normalised_as_by_hand(normalisation: str) -> None:
    gate = AttentionGate(2, 2, 2, normalisation=normalisation)
    torch.testing.assert_close(gate.normalise(SCORES), BY_HAND[normalisation])
    volume = torch.stack((SCORES, SCORES), 2)  # twice as many places
    half = 2 if normalisation in ("mean_flow", "mean", "softmax") else 1
    torch.testing.assert_close(gate.normalise(volume), torch.stack((BY_HAND[normalisation],) * 2, 2) / half)


@torch.no_grad()
def test_the_gate_is_the_paper_written_out(randomise: Callable[[nn.Module], None]) -> None:
    gate = AttentionGate(3, 4, 5).double()
    randomise(gate)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 6, 4, generator=generator, dtype=torch.float64)
    gating = torch.rand(2, 4, 3, 2, generator=generator, dtype=torch.float64)
    theta, phi, psi = (layer.weight.flatten(1) for layer in (gate.theta, gate.phi, gate.psi))
    signal = F.interpolate(torch.einsum("ic,nchw->nihw", phi, gating), (6, 4), mode="bilinear")
    inner = (torch.einsum("ic,nchw->nihw", theta, x) + signal).clamp(min=0)
    scores = torch.einsum("i,nihw->nhw", psi[0], inner) + gate.psi.bias
    scores = scores - scores.amin((1, 2), keepdim=True)
    expected = (scores / scores.sum((1, 2), keepdim=True)).unsqueeze(1)
    gated, attention = gate(x, gating)
    torch.testing.assert_close(attention, expected)
    torch.testing.assert_close(gated, x * expected)


@pytest.mark.parametrize("normalisation", ["mean_flow", "range_normalise"])
def test_even_scores_let_nothing_pass_and_send_no_gradient_that_is_not_a_number(normalisation: str) -> None:
    gate = AttentionGate(2, 2, 2, normalisation=normalisation)
    scores = torch.full((1, 1, 2, 2), 3.0, requires_grad=True)
    attention: Tensor = gate.normalise(scores)
    assert (attention == 0).all()
    (gradient,) = torch.autograd.grad(attention.sum(), scores)
    assert gradient.isfinite().all()


def test_a_sigmoid_gate_starts_open() -> None:
    assert AttentionGate(2, 2, 2, normalisation="sigmoid").psi.bias.item() == 3
    assert AttentionGate(2, 2, 2).psi.bias.item() == 0


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"normalisation must be one of mean_flow, mean, .*got 'concatenation'"):
        AttentionGate(2, 2, 2, normalisation="concatenation")
