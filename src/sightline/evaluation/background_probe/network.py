"""A small convolutional network in place of the linear probe: it also finds marks that are not always in one place."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.data.images import Array

_BATCH, _RATE = 32, 3e-3


def network_scores(images: Array, targets: Array, folds: Array, *, seed: int, epochs: int = 12) -> Array:
    """Score every image by a network that was trained on other folds.

    Args:
        images: `(N, S, S)`.
        targets: 1, 0, or NaN where unknown, `(N, T)`; one network answers all.
        folds: fold of each image, from 0, `(N,)`.
        seed: of weights and order.
        epochs: over the images of the other folds.

    Returns:
        Logits, `(N, T)`.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(images, np.float32))[:, None]  # (N, 1, S, S)
    wanted = torch.from_numpy(np.asarray(targets, np.float32))
    scores = np.zeros(targets.shape)
    for fold in range(int(folds.max()) + 1):
        test = torch.from_numpy(folds == fold)
        network = _trained(pixels[~test], wanted[~test], seed=seed + fold, epochs=epochs)
        with torch.no_grad():
            scores[folds == fold] = (
                torch.cat([network(part) for part in torch.split(pixels[test], 256)]).double().numpy()
            )
    return scores


def _trained(images: Tensor, targets: Tensor, *, seed: int, epochs: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # of weights, order and dropout
        torch.manual_seed(seed)
        network = _network(targets.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
        steps = epochs * -(-len(images) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=steps)
        network.train()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(images)), _BATCH):
                known = ~targets[rows].isnan()
                wanted = targets[rows].nan_to_num()
                errors = F.binary_cross_entropy_with_logits(network(images[rows]), wanted, reduction="none")
                optimiser.zero_grad()
                torch.autograd.backward((errors * known).sum() / known.sum().clamp(min=1))
                optimiser.step()
                schedule.step()
    return network.eval()


def _network(outputs: int) -> nn.Module:
    """Three convolutions, and a place left to every sixteenth of the image: marks have their corners."""
    layers: list[nn.Module] = []
    for inputs, channels in ((1, 16), (16, 32), (32, 48)):
        layers += [
            nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
            nn.GroupNorm(8, channels),  # samples of a batch do not mix
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * 16, outputs))
