"""The ISNet: classification and background relevance minimisation in one loss."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    CompositeLRP,
    EveryClass,
    Explainer,
    GradientTimesInput,
    RandomClass,
    Selective,
    Target,
)
from sightline.attribution.explainer import evaluation_mode
from sightline.errors import DataError, SettingsError
from sightline.guidance.aligned_maps import aligned_maps, anywhere, common_region, map_weights, sums_of_relevance
from sightline.guidance.background_loss import background_loss, decay_for_share
from sightline.guidance.dual import AllLogits, positive_lrp
from sightline.guidance.foreground_loss import foreground_loss
from sightline.guidance.guidance import Guidance, check_regions
from sightline.guidance.isnet_settings import BackgroundRelevanceSettings
from sightline.guidance.layer_relevance import last_of_each_resolution, maps_of_layer, supervised
from sightline.guidance.multiplier import Multiplier
from sightline.guidance.relevance_range import RelevanceRange
from sightline.guidance.second_pass import buffers_held
from sightline.guidance.sharing import found, gathered, mean_over_processes, rows_of_batch
from sightline.regions import grow_region
from sightline.types import Batch, Explanation, Guided


class BackgroundRelevance(Guidance):
    r"""The ISNet loss: $(1 - P) L_C + P (w_1 L_1 + w_2 L_2)$.

    Works in any training loop, on any model that the explainer can explain::

        guide = BackgroundRelevance(strength=0.7)
        guide(model, images, labels, regions).loss.backward()

    Its state, small as it is (the random classes to come, the steps done, the ranges measured, the multiplier of a
    goal), is in its `state_dict`, so a resumed training goes on as it would have.

    Args:
        settings: all options at once; or give them by name.
        explainer: another map to penalise than that of the settings; its maps may have another resolution than the
            regions.
        **options: fields of `BackgroundRelevanceSettings`.

    Attributes:
        ranges: C1 and C2 by name of the map: `map`, `positive` of the dual variant, `map/LAYER` of a layer.

    Reference:
        Bassi et al. 2024, doi:10.1038/s41467-023-44371-z, eq. 4 and 15; the variants and the supervision of layers
        after Bassi et al. 2024, doi:10.1109/ACCESS.2024.3462781.
    """

    kind = BackgroundRelevanceSettings
    settings: BackgroundRelevanceSettings
    steps: Tensor

    def __init__(
        self,
        settings: BackgroundRelevanceSettings | None = None,
        *,
        explainer: Explainer | None = None,
        **options: Any,  # noqa: ANN401 - the fields of the settings
    ) -> None:
        super().__init__(settings, **options)
        s = self.settings
        if explainer is not None and s.layers:
            raise SettingsError("layers must be those of the explainer where one is given, as in LRP(layers=...)")
        named = () if s.layers == "auto" else s.layers
        lrp = LRP(epsilon=s.epsilon, input_rule=s.input_rule, layers=named)
        chosen = lrp if s.explanation == "lrp" else GradientTimesInput()
        self.explainer = explainer or chosen
        self.positive: Explainer | None = None
        if s.variant == "dual":
            self.positive = positive_lrp(epsilon=s.epsilon, input_rule=s.input_rule, layers=named)
        self.multiplier = Multiplier(goal=s.goal) if s.goal is not None else None
        self.generator = torch.Generator().manual_seed(s.seed)
        self.ranges: dict[str, RelevanceRange] = {}
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the draw and the ranges as they are."""
        ranges = {name: dict(vars(each)) for name, each in self.ranges.items()}
        return {"generator": self.generator.get_state(), "ranges": ranges}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up the state of the draw and the ranges."""
        self.generator.set_state(state["generator"].cpu())
        self.ranges = {name: RelevanceRange(**each) for name, each in state["ranges"].items()}

    @property
    def target(self) -> Target:
        """What is explained in a step; in evaluation mode the random classes are the same for every batch."""
        if self.settings.variant == "original":
            return EveryClass()
        if self.settings.variant == "selective":
            return Selective()
        if self.settings.variant == "dual":
            return AllLogits()
        # validating must neither vary nor move on the draws of training
        generator = self.generator if self.training else torch.Generator().manual_seed(self.settings.seed)
        return RandomClass(generator, rows_of_batch)

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, explain, and penalise relevance outside the regions. See `Guidance`."""
        s = self.settings
        known_regions = check_regions(images, regions)
        step = int(self.steps)
        if self.training:
            self.steps += 1
        if self.training and step < s.warm_up:
            return self._warm_up(model, images, labels, regions, step)
        if (self.training and step % s.every) or not found(known_regions):
            return self._classified(model(images), labels)
        explanations = self.explain(model, images, self.target)
        logits = explanations["map"].logits
        classification = self.classification_loss(logits, labels)
        with torch.autocast(images.device.type, enabled=False):  # sums over many pixels need every digit
            heatmap, parts = self._heatmap(explanations, regions)
        if self.multiplier is not None and self.training:
            self.multiplier.update(mean_over_processes(parts["outside"].detach()))
        every = s.every if self.training else 1
        loss = (1 - self.strength) * classification + every * self.strength * heatmap
        parts = {"classification": classification, **parts}
        if self.multiplier is not None:
            parts["strength"] = images.new_tensor(self.strength)
        if s.warm_up:
            parts["least"], parts["most"] = (images.new_tensor(value) for value in self.range_of("map"))
        return Guided(logits, loss, {name: part.detach() for name, part in parts.items()})

    @property
    def strength(self) -> float:
        """Share of the heatmap loss now: as set, or as the multiplier of the goal stands."""
        return self.settings.strength if self.multiplier is None else self.multiplier.strength

    def range_of(self, name: str) -> tuple[float, float]:
        """C1 and C2 of a map now: as measured, or as set."""
        found = self.ranges.get(name) or RelevanceRange(self.settings.least, self.settings.most)
        return found.least, found.most

    def explain(self, model: nn.Module, images: Tensor, target: Target) -> dict[str, Explanation]:
        """Classify and draw the maps to penalise, by name; the first has the logits that are trained.

        The positive relevance of the dual variant takes a forward pass of its own, which leaves running statistics
        alone; dropout draws anew in it.
        """
        if isinstance(self.explainer, LRP) and self.settings.layers == "auto" and not self.explainer.layers:
            self._watch(last_of_each_resolution(model, images))
        explanations = {"map": self.explainer(model, images, target)}
        if self.positive is not None:
            with buffers_held(model):
                explanations["positive"] = self.positive(model, images, AllLogits(magnitude=True))
        return explanations

    def _watch(self, layers: tuple[str, ...]) -> None:
        if isinstance(self.explainer, LRP):
            self.explainer = replace(self.explainer, layers=layers)
        if isinstance(self.positive, CompositeLRP):
            self.positive = replace(self.positive, layers=layers)

    def _classified(self, logits: Tensor, labels: Tensor) -> Guided:
        loss = self.classification_loss(logits, labels)
        return Guided(logits, (1 - self.strength) * loss, {"classification": loss.detach()})

    def _warm_up(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor, step: int) -> Guided:
        """Train the classification alone, and measure the ranges in the last fifth of these steps."""
        steps = self.settings.warm_up
        if step < steps - max(1, steps // 5):
            return self._classified(model(images), labels)
        explanations = self.explain(model, images, self.target)
        with torch.autocast(images.device.type, enabled=False):
            for name, sums in self._sums_inside(explanations, regions).items():
                self._range(name).add(gathered(sums))
        if step + 1 == steps:
            for measured in self.ranges.values():
                measured.settle()
        return self._classified(explanations["map"].logits, labels)

    def _range(self, name: str) -> RelevanceRange:
        return self.ranges.setdefault(name, RelevanceRange(self.settings.least, self.settings.most))

    def _heatmap(self, explanations: Mapping[str, Explanation], regions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The heatmap loss, of which each part is a mean over the maps drawn, and these parts."""
        s = self.settings
        own = [self.heatmap_losses(each, regions, name) for name, each in explanations.items()]
        background, foreground, outside = (torch.stack(part).mean() for part in zip(*own, strict=True))
        first_layer = torch.stack([self.first_layer_loss(each, regions) for each in explanations.values()]).mean()
        heatmap = s.background_weight * background + s.foreground_weight * foreground
        heatmap = heatmap + s.first_layer_weight * first_layer
        parts = {"background": background, "foreground": foreground, "outside": outside}
        if explanations["map"].hidden:
            parts["first_layer"] = first_layer
        if layers := self.layer_losses(explanations, regions):
            heatmap = supervised([heatmap, *layers], s.layer_weights, decay=s.layer_decay)
            parts["layers"] = torch.stack(layers).mean()
        return heatmap, parts

    def heatmap_losses(
        self, explanation: Explanation, regions: Tensor, name: str = "map"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Background loss, foreground loss, and share of absolute relevance outside, each a mean over the known maps.

        The losses are divided by the number of known maps to be expected of a random class, so that they stay unbiased
        where only some classes of an image have a region. A region that allows nothing, as of an absent class, costs
        what `evidence_loss` says; it has no foreground and no share outside.

        Args:
            explanation: of `(N, C, *S)` or `(N, K, C, *S)` maps.
            regions: `(N, 1 or K, *S)`, NaN where unknown.
            name: whose C1 and C2 hold.

        Returns:
            Three scalars, on the graph; the share is NaN where no explained map has a known region.
        """
        s = self.settings
        regions = self._common(explanation, regions)
        maps, allowed = aligned_maps(explanation, regions)  # (N, M, C, *S), (N, M, *S)
        seen, weight = anywhere(allowed).to(maps.dtype), map_weights(allowed, regions)  # (N, M)
        allowed = allowed.nan_to_num()
        background = self._background(maps, grow_region(allowed, s.margin))
        inside, whole = sums_of_relevance(maps, allowed)
        least, most = self.range_of(name)
        foreground = foreground_loss(inside, least=least, most=most, excess=s.excess)
        outside = 1 - inside / (whole + torch.finfo(whole.dtype).tiny)
        foreground = foreground * seen
        count = mean_over_processes(seen.sum())
        return (background * weight).sum(), (foreground * weight).sum(), (outside * seen).sum() / count

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
        s, losses = self.settings, []
        for relevance in explanation.hidden:
            maps, touched, weight = maps_of_layer(explanation, relevance, self._common(explanation, regions), s.margin)
            losses.append((self._background(maps, touched) * weight).sum())
        return torch.stack(losses).mean() if losses else explanation.logits.new_zeros(())

    def layer_losses(self, explanations: Mapping[str, Explanation], regions: Tensor) -> list[Tensor]:
        r"""Heatmap loss $w_1 L_1 + w_2 L_2$ of $\sum_c |R_c|$ at each layer that is supervised.

        Args:
            explanations: by name, with the relevance of these `layers`.
            regions: `(N, 1 or K, *S)`, NaN where unknown.

        Returns:
            A scalar for each layer, on the graph, in the order of the layers.
        """
        s, losses = self.settings, []
        for layer in explanations["map"].layers:
            each = []
            for name, explanation in explanations.items():
                maps, touched, weight = maps_of_layer(
                    explanation, explanation.layers[layer], self._common(explanation, regions), s.margin
                )
                inside, _ = sums_of_relevance(maps, touched)
                least, most = self.range_of(f"{name}/{layer}")
                foreground = foreground_loss(inside, least=least, most=most, excess=s.excess)
                loss = s.background_weight * self._background(maps, touched) + s.foreground_weight * foreground
                each.append((loss * weight).sum())
            losses.append(torch.stack(each).mean())
        return losses

    def prepare(self, model: nn.Module, batches: Iterable[Batch]) -> Mapping[str, float]:
        """Calibrate C1 and C2 on as many batches as the settings want. See `Guidance`."""
        wanted = self.settings.calibrate
        if not wanted:
            return {}
        least, most = self.calibrate(model, islice(batches, wanted))
        return {"least": least, "most": most, "batches": wanted}

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> tuple[float, float]:
        """Set C1 and C2 to the least and greatest relevance inside a region that a model shows now.

        The paper takes them from a commonly trained classifier; give one, or your own model with its trained weights.

        Args:
            model: any classifier; comes back as it was.
            batches: a few.

        Returns:
            C1 and C2 of the map of the pixels; `ranges` has those of all maps.

        Raises:
            DataError: no batch has a known region.
        """
        seen: dict[str, list[Tensor]] = {}
        target = self.target if self.settings.variant in ("selective", "dual") else EveryClass()
        with evaluation_mode(model), torch.no_grad():
            for batch in batches:
                for name, sums in self._sums_inside(self.explain(model, batch.images, target), batch.regions).items():
                    seen.setdefault(name, []).append(gathered(sums))
        for name in seen or ("map",):
            values = torch.cat(seen[name]) if seen else torch.empty(0)
            if not len(values) or not float(values.max()) > 0:
                raise DataError("calibration needs a batch with a known region and relevance inside it; found none")
            most = float(values.max())
            self.ranges[name] = RelevanceRange(max(float(values.min()), 1e-3 * most), most)
        return self.range_of("map")

    def _sums_inside(self, explanations: Mapping[str, Explanation], regions: Tensor) -> dict[str, Tensor]:
        """Sums of absolute relevance inside the known regions, `(n,)`, by name of the map."""
        s, found = self.settings, {}
        for name, explanation in explanations.items():
            maps, allowed = aligned_maps(explanation, self._common(explanation, regions))
            found[name] = sums_of_relevance(maps, allowed.nan_to_num())[0][anywhere(allowed)]
            for layer, relevance in explanation.layers.items():
                maps, touched, weight = maps_of_layer(
                    explanation, relevance, self._common(explanation, regions), s.margin
                )
                found[f"{name}/{layer}"] = sums_of_relevance(maps, touched)[0][weight > 0]
        return found

    def _common(self, explanation: Explanation, regions: Tensor) -> Tensor:
        """Regions of the maps that are explained: those of the dual variant belong to all classes together.

        If all are absent, these maps, which are of no single class, can be told nothing.
        """
        if self.settings.variant != "dual":
            return regions
        common = common_region(regions, explanation.logits.shape[1])
        nowhere = ~anywhere(common).reshape(-1, *(1,) * (regions.ndim - 1))
        return common.masked_fill(nowhere, torch.nan)

    def _background(self, maps: Tensor, allowed: Tensor) -> Tensor:
        s = self.settings
        return background_loss(maps, allowed, decay=self._decay(allowed), slope=s.slope, tolerance=s.tolerance)

    def _decay(self, allowed: Tensor) -> float:
        s = self.settings
        return decay_for_share(s.pooled_share, allowed[0, 0].numel()) if s.decay is None else s.decay
