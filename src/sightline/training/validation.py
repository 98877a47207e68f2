"""How a model in training does on the validation split."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Cohort
from sightline.guidance import Guidance
from sightline.metrics import accuracy, confusion_matrix, f1, label_tables, macro_f1, mean_defined
from sightline.types import Batch


def validate(model: nn.Module, batches: Iterable[Batch], guidance: Guidance, cohort: Cohort) -> dict[str, float]:
    """Measure the training objective and the scores of the answers, in evaluation mode.

    Args:
        model: comes back in the mode it was in.
        batches: of the validation split, in order.
        guidance: whose loss is the objective; comes back in its mode.
        cohort: for its task and classes.

    Returns:
        `val_loss` and each part of it as `val_<part>`, means over the images of the batches that have it;
        `val_accuracy` and `val_macro_f1`, for several labels an image means over those that are certain.
    """
    device = next(model.parameters()).device
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    labels, predicted = [], []
    with evaluation_mode(model, guidance), torch.no_grad():
        for batch in batches:
            guided = guidance(model, *(t.to(device) for t in (batch.images, batch.labels, batch.regions)))
            count = len(batch.images)
            for name, value in {"loss": guided.loss, **guided.parts}.items():
                if name == "loss" or not value.isnan():  # a part may not be measured in every batch
                    sums[name] += float(value) * count
                    counts[name] += count
            labels.append(batch.labels)
            multilabel = batch.labels.ndim == 2
            predicted.append((guided.logits > 0).cpu() if multilabel else guided.logits.argmax(1).cpu())
    truth, answers = torch.cat(labels).numpy(), torch.cat(predicted).numpy()
    if truth.ndim == 2:
        table = label_tables(np.where(np.isin(truth, (0, 1)), truth, np.nan), answers)
        right, f1_score = mean_defined(accuracy(table)), mean_defined(f1(table)[:, 1])
    else:
        table = confusion_matrix(truth, answers, num_classes=cohort.num_classes)
        right, f1_score = accuracy(table), macro_f1(table)
    scores = {f"val_{name}": value / counts[name] for name, value in sums.items()}
    return scores | {"val_accuracy": float(right), "val_macro_f1": float(f1_score)}
