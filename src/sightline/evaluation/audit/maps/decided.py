"""What the model decided on, one class an image, and how surely."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.subject import Subject

Floats: TypeAlias = NDArray[np.float64]

CONFIDENT = 0.9
"""Least probability of a sure answer."""


def answered(look: Look) -> NDArray[np.int64]:
    """Class of each answer, `(N,)`: the one that the maps explain, but of a single output the one decided on.

    Where any number of classes may be present it is the likeliest, whether it was decided on or not.
    """
    return look.decisions if look.subject.outputs == 1 and look.subject.task == "binary" else look.explained


def confidence(look: Look) -> Floats:
    """Probability of the class answered, `(N,)`."""
    found: Floats = look.probabilities[np.arange(len(look)), answered(look)]
    return found


def decided(subject: Subject, probabilities: Floats, explained: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is decided, `(N,)`, from probabilities `(N, K)`: the class, or of many labels whether that one is there."""
    decisions = subject.decide(probabilities)
    return decisions[np.arange(len(decisions)), explained] if decisions.ndim == 2 else decisions
