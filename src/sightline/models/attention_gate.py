"""Attention gates: what a coarse map knows of the whole decides how much of each place of a finer map passes on."""

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.layers import initialise_convolutions, layers_for

GateNormalisation = Literal["mean_flow", "mean", "range_normalise", "softmax", "sigmoid"]

_LEAST = 1e-4  # sum or range of scores below which they are taken as even
_OPEN = 3.0  # bias from which a sigmoid gate starts, open


class AttentionGate(nn.Module):
    r"""Additive attention of a feature map under a gating signal.

    $$q = \psi^\top \mathrm{relu}(\Theta x + \mathrm{up}(\Phi g)) + b, \qquad \hat x = \mathrm{normalise}(q) \odot x$$

    | `normalisation` | coefficients of $q$ over the places |
    |---|---|
    | `mean_flow` | $(q - \min q) / \sum (q - \min q)$ |
    | `mean` | $q / \sum q$ |
    | `range_normalise` | $(q - \min q) / (\max q - \min q)$ |
    | `softmax` | $\mathrm{softmax}(q)$ |
    | `sigmoid` | $\sigma(q)$, with $b$ starting at 3 |

    Where $q$ is even over all places, `mean_flow` and `range_normalise` give 0; the released code divides 0 by 0.
    LRP passes all of them but `mean`, whose sum may be 0.

    Args:
        channels: of the feature map.
        gating_channels: of the gating signal.
        inner_channels: of both after their 1×1 convolution.
        normalisation: as above.
        dimensions: number of spatial axes, 2 or 3.

    Raises:
        SettingsError: there is no such normalisation.

    Reference:
        Schlemper et al. 2019, doi:10.1016/j.media.2019.01.012; `mean_flow` is what their released configurations for
        classification have.
    """

    def __init__(
        self,
        channels: int,
        gating_channels: int,
        inner_channels: int,
        *,
        normalisation: GateNormalisation = "mean_flow",
        dimensions: int = 2,
    ) -> None:
        super().__init__()
        if normalisation not in get_args(GateNormalisation):
            raise SettingsError(
                f"normalisation must be one of {', '.join(get_args(GateNormalisation))}, got {normalisation!r}"
            )
        layers = layers_for(dimensions)
        self.normalise = _NORMALISATIONS[normalisation]
        self.mode = "bilinear" if dimensions == 2 else "trilinear"
        self.theta = layers.conv(channels, inner_channels, 1, bias=False)
        self.phi = layers.conv(gating_channels, inner_channels, 1, bias=False)
        self.relu = nn.ReLU()
        self.psi = layers.conv(inner_channels, 1, 1)

        initialise_convolutions(self, mode="fan_in")
        if normalisation == "sigmoid" and self.psi.bias is not None:
            nn.init.constant_(self.psi.bias, _OPEN)

    def forward(self, x: Tensor, gating: Tensor) -> tuple[Tensor, Tensor]:
        """Gate a feature map.

        Args:
            x: `(N, channels, *S)`.
            gating: `(N, gating_channels, *S')`, brought to `S` by linear interpolation.

        Returns:
            The gated map, shaped as `x`, and the coefficients, `(N, 1, *S)`.
        """
        signal = F.interpolate(self.phi(gating), size=x.shape[2:], mode=self.mode, align_corners=False)
        attention = self.normalise(self.psi(self.relu(self.theta(x) + signal)))
        return x * attention, attention


def _mean_flow(scores: Tensor) -> Tensor:
    return F.normalize(_from_zero(scores), p=1, dim=2, eps=_LEAST).view_as(scores)


def _mean(scores: Tensor) -> Tensor:
    flat = scores.flatten(2)
    return (flat / flat.sum(2, keepdim=True)).view_as(scores)


def _range_normalise(scores: Tensor) -> Tensor:
    return F.normalize(_from_zero(scores), p=float("inf"), dim=2, eps=_LEAST).view_as(scores)


def _softmax(scores: Tensor) -> Tensor:
    return scores.flatten(2).softmax(2).view_as(scores)


def _sigmoid(scores: Tensor) -> Tensor:
    return scores.sigmoid()


def _from_zero(scores: Tensor) -> Tensor:
    """Scores less their least one, `(N, 1, places)`; a maximum, for which LRP has a rule."""
    flat = scores.flatten(2)
    return flat + (-flat).amax(2, keepdim=True)


_NORMALISATIONS = {
    "mean_flow": _mean_flow,
    "mean": _mean,
    "range_normalise": _range_normalise,
    "softmax": _softmax,
    "sigmoid": _sigmoid,
}
