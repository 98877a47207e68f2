"""Guidance as a mixin of the Hugging Face `Trainer`, and its models as the explainers want them."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import Guidance
from sightline.integrations.own_loss import check_guide, guided_by
from sightline.integrations.reading import checked, take

Inputs = Mapping[str, Any]


class LogitsOf(nn.Module):
    """A model that takes keywords and answers with a record, as a module from images to logits.

    For explaining it: `LRP()(LogitsOf(model), images, Predicted())`. Its layers have the names that they have in the
    model.

    Args:
        model: answers with something that has `logits`, as `ViTForImageClassification`; it stays as it is.
        images: keyword of the images.
        inputs: further keywords, the same for every call.

    Raises:
        SettingsError: the answer has no logits.
    """

    def __init__(self, model: nn.Module, *, images: str = "pixel_values", inputs: Inputs | None = None) -> None:
        super().__init__()
        self.model, self.images, self.inputs = model, images, dict(inputs or {})
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        """Classify images `(N, C, *S)`."""
        return logits_of(self.model(**{**self.inputs, self.images: images}))

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:  # noqa: ANN401
        """Layers by the names that they have in the model."""
        yield from self.model.named_modules(*args, **kwargs)


class GuidanceMixin:
    """Adds guidance to a `Trainer`: `class GuidedTrainer(GuidanceMixin, Trainer)`.

    In training the loss that the trainer would take of the same answer, the model's `loss_function`, a smoothed one or
    that of `compute_loss_func`, stands for the guidance's classification loss. It is a mean over each batch, and
    batches that are accumulated count alike. In evaluation the loss is the trainer's own. The means of the guidance's
    parts are logged with the loss.

    Args:
        *args: of the trainer.
        guide: the guidance; one without parameters.
        images: name of the images in a batch.
        labels: name of the labels in a batch.
        regions: name of the regions in a batch, `(N, 1 or K, *S)`; the column is kept for the training, and the model
            never sees it.
        prefix: of the names of the guidance's parts in the log.
        **kwargs: of the trainer.

    Raises:
        SettingsError: `guide` cannot be added from outside, or the model has neither logits nor a loss.
        DataError: a batch has no regions.
    """

    loss_is_scaled_for_ga = False  # a mean over the batch, which the trainer divides by the number that it accumulates

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - of the trainer
        guide: Guidance,
        images: str = "pixel_values",
        labels: str = "labels",
        regions: str = "regions",
        prefix: str = "guidance_",
        **kwargs: Any,  # noqa: ANN401 - of the trainer
    ) -> None:
        super().__init__(*args, **kwargs)
        trainer: Any = self
        check_guide(guide, trainer.model)
        self.guide = guide.to(trainer.args.device).train()
        self.images, self.labels, self.regions, self.prefix = images, labels, regions, prefix
        self._parts: dict[str, list[Tensor]] = {}

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Inputs,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - as the trainer's
        """Return the guided loss in training, else the trainer's own; with the outputs if asked."""
        own: Any = super()
        if not model.training:
            return own.compute_loss(model, inputs, return_outputs, num_items_in_batch)
        check_guide(self.guide, model)
        images, labels, regions = checked(
            [
                take(inputs, what, [name])
                for what, name in (("images", self.images), ("labels", self.labels), ("regions", self.regions))
            ]
        )
        rest = {name: value for name, value in inputs.items() if name not in (self.images, self.labels, self.regions)}
        trainer: Any = self
        first = _FirstAnswer(model, self.images, rest)

        def own_loss(_logits: Tensor, _labels: Tensor) -> Tensor:
            unwrapped = trainer.accelerator.unwrap_model(model)
            answered = _Answered(unwrapped, first.outputs, self.labels)
            loss: Tensor = own.compute_loss(answered, {**rest, self.labels: labels})
            return loss

        guided = guided_by(self.guide, own_loss, first, images, labels, regions)
        for name, value in guided.parts.items():
            self._parts.setdefault(name, []).append(value)
        return (guided.loss, first.outputs) if return_outputs else guided.loss

    def prediction_step(self, model: nn.Module, inputs: Inputs, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Evaluate as ever; the model does not see the regions."""
        own: Any = super()
        return own.prediction_step(
            model, {name: value for name, value in inputs.items() if name != self.regions}, *args, **kwargs
        )

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the trainer's
        """Log, with the mean of each part since the last time where the training loss is logged."""
        if "loss" in logs:
            for name, values in self._parts.items():
                known = [float(value) for value in values if value == value]
                if known:
                    logs[f"{self.prefix}{name}"] = sum(known) / len(known)
            self._parts.clear()
        own: Any = super()
        own.log(logs, *args, **kwargs)

    def _set_signature_columns_if_needed(self) -> None:
        """Keep the column of the regions, which the model's `forward` does not name."""
        own: Any = super()
        own._set_signature_columns_if_needed()
        trainer: Any = self
        if self.regions not in trainer._signature_columns:
            trainer._signature_columns = [*trainer._signature_columns, self.regions]


class _FirstAnswer(nn.Module):
    """A model from images to logits that keeps what it answered in its first call; later ones have other images."""

    def __init__(self, model: nn.Module, images: str, inputs: Inputs) -> None:
        super().__init__()
        self.model, self.images, self.inputs = model, images, inputs
        self.outputs: Any = None

    def forward(self, images: Tensor) -> Tensor:
        outputs = self.model(**{**self.inputs, self.images: images})
        if self.outputs is None and torch.is_grad_enabled():  # without, a guidance only looks how the model is made
            self.outputs = outputs
        return logits_of(outputs)

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:  # noqa: ANN401
        """Layers by the names that they have in the model."""
        yield from self.model.named_modules(*args, **kwargs)


class _Answered(nn.Module):
    """A model that has answered already, for the trainer to take the loss of its answer."""

    def __init__(self, model: Any, outputs: Any, labels: str) -> None:  # noqa: ANN401 - whatever the library trains
        super().__init__()
        self.model, self.outputs, self.labels = model, outputs, labels

    def forward(self, **inputs: Any) -> Any:  # noqa: ANN401 - as the model's
        labels = inputs.get(self.labels)
        if labels is None:  # the trainer has a loss of its own
            return self.outputs
        loss_function = getattr(self.model, "loss_function", None)
        if loss_function is None:
            raise SettingsError(
                f"{type(self.model).__name__} has no loss_function, as models of the library have; "
                "give the trainer a compute_loss_func"
            )
        return {"loss": loss_function(labels, self.outputs.logits, self.model.config)}


def logits_of(outputs: Any) -> Tensor:  # noqa: ANN401 - whatever a model answers
    """Return the logits of what a model answered.

    Raises:
        SettingsError: it has none.
    """
    logits = getattr(outputs, "logits", None)
    if not isinstance(logits, Tensor):
        raise SettingsError(
            f"the model must answer with something that has logits, as models for image classification do, "
            f"got {type(outputs).__name__}"
        )
    return logits
