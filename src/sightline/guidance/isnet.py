"""The ISNet: classification and background relevance minimisation in one loss."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.attribution import LRP, EveryClass, Explainer, RandomClass, Selective, Target
from sightline.attribution.explainer import evaluation_mode
from sightline.errors import DataError, SettingsError, ShapeError
from sightline.guidance.background_loss import background_loss, decay_for_share
from sightline.guidance.foreground_loss import foreground_loss
from sightline.guidance.guidance import Guidance, classification_loss
from sightline.guidance.isnet_settings import BackgroundRelevanceSettings
from sightline.guidance.multiplier import Multiplier
from sightline.regions import grow_region, known, resize_region
from sightline.types import Batch, Explanation, Guided


class BackgroundRelevance(Guidance):
    r"""The ISNet loss: $(1 - P) L_C + P (w_1 L_1 + w_2 L_2)$.

    Works in any training loop, on any model that the explainer can explain::

        guide = BackgroundRelevance(strength=0.7)
        guide(model, images, labels, regions).loss.backward()

    Its state, small as it is (the random classes to come, the steps done, the multiplier of a goal), is in its
    `state_dict`, so a resumed training goes on as it would have.

    Args:
        settings: all options at once; or give them by name.
        explainer: another map to penalise than LRP's; its maps may have another resolution than the regions.
        **options: fields of `BackgroundRelevanceSettings`.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, eq. 4 and 15; the variants after Bassi et al. 2024,
        doi:10.1109/ACCESS.2024.3462781.
    """

    steps: Tensor

    def __init__(
        self,
        settings: BackgroundRelevanceSettings | None = None,
        *,
        explainer: Explainer | None = None,
        **options: Any,  # noqa: ANN401 - the fields of the settings
    ) -> None:
        super().__init__()
        if settings is not None and options:
            raise SettingsError(f"give settings or options by name, not both; got both, with {', '.join(options)}")
        self.settings = s = settings or BackgroundRelevanceSettings(**options)
        self.explainer = explainer or LRP(epsilon=s.epsilon, input_rule=s.input_rule)
        self.multiplier = Multiplier(goal=s.goal) if s.goal is not None else None
        self.generator = torch.Generator().manual_seed(s.seed)
        self.least, self.most = s.least, s.most
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the draw and the calibrated range."""
        return {"generator": self.generator.get_state(), "least": self.least, "most": self.most}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up the state of the draw and the calibrated range."""
        self.generator.set_state(state["generator"].cpu())
        self.least, self.most = state["least"], state["most"]

    @property
    def target(self) -> Target:
        """What is explained in a step; in evaluation mode the random classes are the same for every batch."""
        if self.settings.variant == "original":
            return EveryClass()
        if self.settings.variant == "selective":
            return Selective()
        # validating must neither vary nor move on the draws of training
        return RandomClass(self.generator if self.training else torch.Generator().manual_seed(self.settings.seed))

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, explain, and penalise relevance outside the regions. See `Guidance`."""
        if len(regions) != len(images) or regions.ndim != images.ndim:
            size = ", ".join(map(str, images.shape[2:]))
            raise ShapeError(f"regions must be ({len(images)}, 1 or K, {size}), got {tuple(regions.shape)}")
        if bool(((regions < 0) | (regions > 1)).any()):  # an unknown region is neither
            least, most = float(regions.nan_to_num().min()), float(regions.nan_to_num().max())
            raise DataError(f"regions must lie in [0, 1], got values from {least:g} to {most:g}; scale the masks")
        turn = int(self.steps) % self.settings.every == 0
        if self.training:
            self.steps += 1
        known_regions = known(regions)
        if (self.training and not turn) or not bool(known_regions.any()):
            logits = model(images)
            loss = classification_loss(logits, labels)
            return Guided(logits, (1 - self.strength) * loss, {"classification": loss.detach()})
        explanation = self.explainer(model, images, self.target)
        classification = classification_loss(explanation.logits, labels)
        with torch.autocast(images.device.type, enabled=False):  # sums over many pixels need every digit
            background, foreground, outside = self.heatmap_losses(explanation, regions)
            first_layer = self.first_layer_loss(explanation, regions)
        heatmap = self.settings.background_weight * background + self.settings.foreground_weight * foreground
        heatmap = heatmap + self.settings.first_layer_weight * first_layer
        if self.multiplier is not None and self.training:
            self.multiplier.update(outside.detach())
        every = self.settings.every if self.training else 1
        loss = (1 - self.strength) * classification + every * self.strength * heatmap
        parts = {
            "classification": classification,
            "background": background,
            "foreground": foreground,
            "outside": outside,
        }
        if explanation.hidden:
            parts["first_layer"] = first_layer
        if self.multiplier is not None:
            parts["strength"] = images.new_tensor(self.strength)
        return Guided(explanation.logits, loss, {name: part.detach() for name, part in parts.items()})

    @property
    def strength(self) -> float:
        """Share of the heatmap loss now: as set, or as the multiplier of the goal stands."""
        return self.settings.strength if self.multiplier is None else self.multiplier.strength

    def heatmap_losses(self, explanation: Explanation, regions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Background loss, foreground loss, and share of absolute relevance outside, each a mean over the known maps.

        The losses are divided by the number of known maps to be expected of a random class, so that they stay unbiased
        where only some classes of an image have a region.

        Args:
            explanation: of `(N, C, *S)` or `(N, K, C, *S)` maps.
            regions: `(N, 1 or K, *S)`, NaN where unknown.

        Returns:
            Three scalars, on the graph; the share is NaN where no explained map has a known region.
        """
        s = self.settings
        maps, allowed = _aligned(explanation, regions)  # (N, M, C, *S), (N, M, *S)
        seen, weight = known(allowed).to(maps.dtype), _weights(allowed, regions)  # (N, M)
        allowed = allowed.nan_to_num()
        decay = decay_for_share(s.pooled_share, allowed[0, 0].numel()) if s.decay is None else s.decay
        bigger = grow_region(allowed, s.margin)
        background = background_loss(maps, bigger, decay=decay, slope=s.slope, tolerance=s.tolerance)
        inside, whole = sums_of_relevance(maps, allowed)
        foreground = foreground_loss(inside, least=self.least, most=self.most, excess=s.excess)
        outside = 1 - inside / (whole + torch.finfo(whole.dtype).tiny)
        return (background * weight).sum(), (foreground * weight).sum(), (outside * seen).sum() / seen.sum()

    def first_layer_loss(self, explanation: Explanation, regions: Tensor) -> Tensor:
        r"""Background loss of $\sum_c |R_c|$ at the output of the layers that read the images, a mean as the others.

        The map of the pixels adds up the first layer's channels. A classifier that is trained on that map alone learns
        to let relevance of one sign cancel that of the other just where it reads what it should not
        (`docs/experiments/kermany_marker.md`).

        Args:
            explanation: with `hidden` relevance; without, the loss is 0.
            regions: `(N, 1 or K, *S)`, NaN where unknown.

        Returns:
            Scalar, on the graph.
        """
        s = self.settings
        losses = []
        for relevance in explanation.hidden:
            channel = relevance.ndim - regions.ndim + 1
            summed = replace(explanation, attribution=relevance.abs().sum(channel, keepdim=True))
            given = grow_region(regions, s.margin)
            maps, allowed = _aligned(summed, given)
            weight = _weights(allowed, regions)
            touched = (allowed.nan_to_num() > 0).to(maps.dtype)  # its pixels see a little of both sides
            share = self.settings.pooled_share
            decay = (
                decay_for_share(share, touched[0, 0].numel()) if self.settings.decay is None else self.settings.decay
            )
            loss = background_loss(maps, touched, decay=decay, slope=s.slope, tolerance=s.tolerance)
            losses.append((loss * weight).sum())
        return torch.stack(losses).mean() if losses else explanation.logits.new_zeros(())

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
        """Set C1 and C2 to the least and greatest relevance inside a region that a model shows now.

        The paper takes them from a commonly trained classifier; give one, or your own model with its trained weights.

        Args:
            model: any classifier; comes back as it was.
            batches: a few.

        Returns:
            C1 and C2.

        Raises:
            DataError: no batch has a known region.
        """
        seen = []
        target = Selective() if self.settings.variant == "selective" else EveryClass()
        with evaluation_mode(model), torch.no_grad():
            for batch in batches:
                maps, allowed = _aligned(self.explainer(model, batch.images, target), batch.regions)
                inside, _ = sums_of_relevance(maps, allowed.nan_to_num())
                seen.append(inside[known(allowed)])
        values = torch.cat(seen) if seen else torch.empty(0)
        if not len(values) or not float(values.max()) > 0:
            raise DataError("calibration needs a batch with a known region and relevance inside it; found none")
        self.most = float(values.max())
        self.least = max(float(values.min()), 1e-3 * self.most)
        return self.least, self.most


def _weights(allowed: Tensor, regions: Tensor) -> Tensor:
    """Share of each explained map in a mean, `(N, M)`: those known, by their number expected of a random class."""
    expected = known(regions).to(allowed.dtype).mean(1).sum() * allowed.shape[1]
    return known(allowed).to(allowed.dtype) / expected.clamp(min=1 / regions.shape[1])


def sums_of_relevance(maps: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of absolute relevance inside the regions and in all, each `(N, M)`, of `(N, M, C, *S)` maps."""
    magnitude = maps.abs()
    axes = tuple(range(2, maps.ndim))
    return (magnitude * regions.unsqueeze(2)).sum(axes), magnitude.sum(axes)


def _aligned(explanation: Explanation, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Bring maps to `(N, M, C, *S)` and the regions that belong to them to `(N, M, *S)`, of one resolution and type."""
    maps, target = explanation.attribution, explanation.target
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    spatial = regions.ndim - 2
    if maps.ndim == spatial + 2:
        maps = maps.unsqueeze(1)
    if regions.shape[2:] != maps.shape[3:]:
        regions = resize_region(regions, tuple(maps.shape[3:]))
    regions = regions.to(maps.dtype)
    classes = explanation.logits.shape[1]
    if regions.shape[1] not in (1, classes):
        raise ShapeError(f"regions must be one for all or one for each of {classes} classes, got {regions.shape[1]}")
    if regions.shape[1] == 1 or maps.shape[1] == classes > 1:
        return maps, regions.expand(-1, maps.shape[1], *regions.shape[2:])
    if target is None:
        raise ShapeError("regions for each class need a target that explains one class an image, or every class")
    return maps, regions[torch.arange(len(regions), device=regions.device), target].unsqueeze(1)
