"""How a model in training does on the validation split."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import numpy as np
import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Cohort
from sightline.guidance import Guidance
from sightline.metrics import accuracy, confusion_matrix, f1, label_tables, macro_f1, mean_defined
from sightline.training.processes import Processes
from sightline.types import Batch

Measured = tuple[dict[str, float], Tensor, Tensor]  # values, labels and answers of a batch


def validate(
    model: nn.Module,
    batches: Iterable[Batch],
    guidance: Guidance,
    cohort: Cohort,
    processes: Processes | None = None,
) -> dict[str, float]:
    """Measure the training objective and the scores of the answers, in evaluation mode.

    Args:
        model: comes back in the mode it was in.
        batches: of the validation split, in order; of those of several processes each has one after the other in turns.
        guidance: whose loss is the objective; comes back in its mode.
        cohort: for its task and classes.
        processes: that have the other batches; all get the same scores, which are those of one process.

    Returns:
        `val_loss` and each part of it as `val_<part>`, means over the images of the batches that have it;
        `val_accuracy` and `val_macro_f1`, for several labels an image means over those that are certain.
    """
    device = next(model.parameters()).device
    measured = []
    with evaluation_mode(model, guidance), torch.no_grad():
        for batch in batches:
            guided = guidance(model, *(t.to(device) for t in (batch.images, batch.labels, batch.regions)))
            values = {name: float(value) for name, value in {"loss": guided.loss, **guided.parts}.items()}
            multilabel = batch.labels.ndim == 2
            answered = guided.logits > 0 if multilabel else guided.logits.argmax(1)
            measured.append((values, batch.labels, answered.cpu()))
    told = measured if processes is None else _in_order(processes.everyone(measured))
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for values, labels, _ in told:
        for name, value in values.items():
            if name == "loss" or not math.isnan(value):  # a part may not be measured in every batch
                sums[name] += value * len(labels)
                counts[name] += len(labels)
    truth, answers = (torch.cat(each).numpy() for each in list(zip(*told, strict=True))[1:])
    if truth.ndim == 2:
        table = label_tables(np.where(np.isin(truth, (0, 1)), truth, np.nan), answers)
        right, f1_score = mean_defined(accuracy(table)), mean_defined(f1(table)[:, 1])
    else:
        table = confusion_matrix(truth, answers, num_classes=cohort.num_classes)
        right, f1_score = accuracy(table), macro_f1(table)
    scores = {f"val_{name}": value / counts[name] for name, value in sums.items()}
    return scores | {"val_accuracy": float(right), "val_macro_f1": float(f1_score)}


def _in_order(of_processes: Sequence[Sequence[Measured]]) -> list[Measured]:
    """What was measured, in the order of the batches."""
    return [each for each in chain.from_iterable(zip_longest(*of_processes)) if each is not None]
