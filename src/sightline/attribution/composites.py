r"""Which rule of LRP each kind of layer has: rules and their composites, as data.

For a linear layer $z_j = \sum_i x_i w_{ij} + b_j$ every rule shares the relevance $R_j$ of an output among the inputs,
$R_i = \sum_j \frac{p_{ij}}{\sum_{i'} p_{i'j}} R_j$, and differs in the parts $p_{ij}$; $+$ and $-$ clamp at 0, and $b$
counts as an input of 1.

| rule | parts |
|---|---|
| `Epsilon` | $x_i w_{ij}$ |
| `ZPlus` | $(x_i w_{ij})^+$ |
| `AlphaBeta` | $\alpha$ times the shares of $(x_i w_{ij})^+$ less $\beta$ times those of $(x_i w_{ij})^-$ |
| `Gamma` | $x_i w_{ij} + \gamma (x_i w_{ij})^{\pm}$, of the sign of $z_j$ |

The denominators are kept from 0 by $\epsilon\,\mathrm{sign}(z)$. The layer that reads the pixels may have one of the
rules of `sightline.attribution.rules.input_layer` instead.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from sightline.errors import SettingsError

InputRule = Literal["zb", "flat", "w_square"]


@dataclass(frozen=True)
class Epsilon:
    """Relevance by contribution, less what `epsilon` absorbs.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 58.
    """

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check(self.epsilon)


@dataclass(frozen=True)
class ZPlus:
    """Relevance by positive contribution alone; negative inputs with negative weights contribute too.

    Reference:
        Montavon et al. 2017, doi:10.1016/j.patcog.2016.11.008, eq. 13, for inputs that are not negative.
    """

    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check(self.epsilon)


@dataclass(frozen=True)
class AlphaBeta:
    """Positive and negative contributions apart, weighted by `alpha` and `beta`, which differ by 1.

    Reference:
        Bach et al. 2015, doi:10.1371/journal.pone.0130140, eq. 60.
    """

    alpha: float = 2.0
    beta: float = 1.0
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check(self.epsilon)
        if not (self.beta >= 0 and abs(self.alpha - self.beta - 1) < 1e-9):
            raise SettingsError(f"alpha - beta must be 1 and beta at least 0, got {self.alpha} and {self.beta}")


@dataclass(frozen=True)
class Gamma:
    """Contributions of the sign of the output count `1 + gamma` fold.

    Reference:
        Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10, section 10.2.3; for outputs and inputs of either sign
        Andeol et al. 2021, arXiv:2109.02473.
    """

    gamma: float = 0.25
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        _check(self.epsilon)
        if not self.gamma >= 0:
            raise SettingsError(f"gamma must be at least 0, got {self.gamma}")


def _check(epsilon: float) -> None:
    if not epsilon >= 0:
        raise SettingsError(f"epsilon must be at least 0, got {epsilon}")


Rule = Epsilon | ZPlus | AlphaBeta | Gamma


@dataclass(frozen=True)
class Composite:
    """Rules by kind of layer.

    Attributes:
        convolution: of convolutions, transposed ones too.
        linear: of fully connected layers.
        first: of the layers that read the images; None treats them as any other.
    """

    convolution: Rule
    linear: Rule
    first: InputRule | None = None

    def __post_init__(self) -> None:
        if self.first not in (None, *get_args(InputRule)):
            raise SettingsError(f"first must be {', '.join(get_args(InputRule))} or None, got {self.first!r}")


COMPOSITES = {
    "epsilon": Composite(Epsilon(), Epsilon()),
    "epsilon_plus": Composite(ZPlus(), Epsilon()),
    "epsilon_plus_flat": Composite(ZPlus(), Epsilon(), first="flat"),
    "epsilon_alpha2_beta1": Composite(AlphaBeta(2, 1), Epsilon()),
    "epsilon_alpha2_beta1_flat": Composite(AlphaBeta(2, 1), Epsilon(), first="flat"),
    "epsilon_gamma_box": Composite(Gamma(0.25), Epsilon(), first="zb"),
}
