"""The methods that an audit draws maps with, and their maps of cases that some of them cannot explain."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.attribution import LRP, Explainer, GradCAM, GradientTimesInput
from sightline.errors import DataError, SightlineError
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.part import UnfitError


@dataclass(frozen=True)
class NamedExplainer:
    """A method under the name that the reader sees.

    Attributes:
        name: unique among those of a part.
        explainer: the method.
    """

    name: str
    explainer: Explainer

    def maps(self, look: Look, *, needed: bool = False) -> Tensor:
        """Explain the likeliest class: signed maps, channels summed, `(N, *S)` of the images' size, on the CPU.

        Args:
            look: at N cases.
            needed: refuse a model that the method cannot explain.

        Returns:
            The maps; NaN throughout where a map is not finite, and in all of them where the method does not suit the
            model and is not needed.

        Raises:
            UnfitError: the method does not suit the model and is needed.
        """
        try:
            return look.maps(self.explainer)
        except DataError:  # one map is not finite; which of them must not depend on the company
            if len(look) > 1:
                return torch.cat([self.maps(look.rows((case,)), needed=needed) for case in look.cases])
        except SightlineError as error:
            if needed:
                raise UnfitError(f"{self.name} cannot explain the model: {error}") from error
        return torch.full((len(look), *look.images.shape[2:]), torch.nan)


USUAL = (
    NamedExplainer("LRP", LRP()),
    NamedExplainer("Grad-CAM", GradCAM()),
    NamedExplainer("gradient \N{MULTIPLICATION SIGN} input", GradientTimesInput()),
)
"""The methods of an audit if no others are asked for; verdicts rest on the first."""
