r"""Averages over classes that count each decision once, instead of each class once.

They take one table `[[TN, FP], [FN, TP]]` a label, as `label_tables` gives them, add the tables up and score the sum,
so that frequent labels weigh more. A task with one class an image has such tables too (`one_vs_rest_tables`); there
micro precision, recall and F1 are all the accuracy.
"""

import numpy as np

from sightline.metrics.averages import Array
from sightline.metrics.classification import f1, precision, recall, specificity


def one_vs_rest_tables(table: Array) -> Array:
    """Turn counts of K classes into a table of each class against all others, `(..., K, K)` to `(..., K, 2, 2)`.

    Example:
        >>> one_vs_rest_tables(np.array([[6.0, 2.0], [1.0, 3.0]]))[1].tolist()
        [[6.0, 2.0], [1.0, 3.0]]
    """
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    missed, false = table.sum(-1) - hits, table.sum(-2) - hits
    right = table.sum((-2, -1))[..., None] - hits - missed - false
    return np.stack([np.stack([right, false], -1), np.stack([missed, hits], -1)], -2)


def pooled_table(tables: Array) -> Array:
    """Add up the tables of all labels, `(..., L, 2, 2)` to `(..., 2, 2)`."""
    pooled: Array = np.asarray(tables, np.float64).sum(-3)
    return pooled


def micro_precision(tables: Array) -> Array:
    """Share of all positive decisions that were right, `(..., L, 2, 2)` to `(...)`; NaN without one."""
    return precision(pooled_table(tables))[..., 1]


def micro_recall(tables: Array) -> Array:
    """Share of all labels that apply and were found, `(..., L, 2, 2)` to `(...)`; NaN without one."""
    return recall(pooled_table(tables))[..., 1]


def micro_specificity(tables: Array) -> Array:
    """Share of all labels that do not apply and were not decided on, `(..., L, 2, 2)` to `(...)`; NaN without one."""
    return specificity(pooled_table(tables))[..., 1]


def micro_f1(tables: Array) -> Array:
    """Harmonic mean of micro precision and recall, `(..., L, 2, 2)` to `(...)`; NaN where all is true negative."""
    return f1(pooled_table(tables))[..., 1]
