"""Checks of maps of relevance."""

from dataclasses import replace

import torch
from torch import Tensor

from sightline.attribution import COMPOSITES, LRP, AlphaBeta, CompositeLRP, Label, ZPlus
from sightline.attribution.composites import Composite, Rule

from .comparing import adds_up, close, map_of, sums
from .references import Subject, convolutions, with_relus, without_biases

_EPSILON = 1e-2


def lrp(explainer: LRP, subject: Subject, found: Tensor) -> str:
    name = "sum"
    if subject.architecture.rectified:
        copy = with_relus(subject.model, lambda g, z: g * z.clamp(min=0) / (z.clamp(min=0) + _EPSILON))
        close(map_of(LRP(_EPSILON, None), subject), subject.images * subject.gradient(model=copy))
        name = "quotient"
    bare = without_biases(subject.model)
    scores = subject.scores(subject.images, bare).detach()
    for rule in (None, explainer.input_rule):
        adds_up(sums(map_of(LRP(0.0, rule, attention=0.0), subject, bare)), scores)
    return name


def composite_lrp(explainer: CompositeLRP, subject: Subject, found: Tensor) -> str:
    rules = COMPOSITES[str(explainer.composite)]
    exact = Composite(replace(rules.convolution, epsilon=0.0), replace(rules.linear, epsilon=0.0), rules.first)
    bare = without_biases(subject.model)
    called = convolutions(bare, subject.images)
    if rules.first is not None:
        called = [each for each in called if not each.reads(subject.images)]
    layers = tuple(each.output for each in called)
    with torch.no_grad():
        explained = CompositeLRP(exact, attention=0.0, layers=layers)(bare, subject.images, Label(subject.labels))
    total, size = sums(explained.attribution), sums(explained.attribution.abs())
    for each in called:
        relevance = explained.layers.get(each.output)
        if relevance is None:  # none arrives where a gate is computed
            continue
        total = total + sums(relevance * (1 - _kept(exact.convolution, each.parts(1), each.parts(-1))))
        size = torch.maximum(size, sums(relevance.abs()))
    adds_up(total, subject.scores(subject.images, bare).detach(), size=size)
    return "balance"


def _kept(rule: Rule, positive: Tensor, negative: Tensor) -> Tensor:
    """Share of an output's relevance that a rule hands on whose epsilon is no more than a guard against 0/0.

    A side without parts has nothing to share among, or parts as small as the guard, as SiLU makes them far below 0.
    """
    guard = torch.finfo(positive.dtype).tiny ** 0.5
    above, below = positive / (positive + guard), negative / (negative - guard)
    if isinstance(rule, AlphaBeta):
        return rule.alpha * above - rule.beta * below
    return above if isinstance(rule, ZPlus) else torch.maximum(above, below)
