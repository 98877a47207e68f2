"""The threshold of a segmenter, chosen on images that it was not trained on."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data import Cohort
from sightline.metrics.mask_overlap import THRESHOLDS, Array, best_threshold, overlap
from sightline.runs import write_text
from sightline.segmenting.segmenter import Segmenter, true_mask

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def choose_threshold(segmenter: Segmenter, cohort: Cohort, table: Path) -> dict[str, Any]:
    """Choose the threshold of the greatest mean IoU over images, on the pixels of their files.

    Args:
        segmenter: its threshold is of no account.
        cohort: validation images, all with masks.
        table: CSV to write, with the scores of each image at the threshold.

    Returns:
        `threshold`, `images`, the means `iou` and `dice`, their `quantiles`, and the mean IoU at a half, `iou_at_half`.

    Raises:
        DataNotFoundError, DataError: an image or a mask cannot be used, or there is none.
    """
    names, ious, dices = [], [], []
    for case, probabilities in segmenter.probabilities(cohort):
        counted = overlap(probabilities, true_mask(cohort, case, probabilities.shape), THRESHOLDS)
        names.append(case.id)
        ious.append(counted.iou)
        dices.append(counted.dice)
    iou, dice = np.stack(ious), np.stack(dices)  # (N, T)
    best = best_threshold(iou, THRESHOLDS)
    _write_scores(table, names, iou[:, best], dice[:, best])
    return {
        "threshold": THRESHOLDS[best],
        **summary(iou[:, best], dice[:, best]),
        "iou_at_half": float(iou[:, THRESHOLDS.index(0.5)].mean()),
    }


def summary(iou: Array, dice: Array) -> dict[str, Any]:
    """Return number of images, means and quantiles of the scores `(N,)` of images."""
    quantiles = {
        name: {f"{level:g}": float(value) for level, value in zip(QUANTILES, np.quantile(x, QUANTILES), strict=True)}
        for name, x in (("iou", iou), ("dice", dice))
    }
    return {"images": len(iou), "iou": float(iou.mean()), "dice": float(dice.mean()), "quantiles": quantiles}


def _write_scores(path: Path, names: Sequence[str], iou: Array, dice: Array) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "iou", "dice"])
    writer.writerows([name, f"{a:.4f}", f"{b:.4f}"] for name, a, b in zip(names, iou, dice, strict=True))
    write_text(path, text.getvalue())
