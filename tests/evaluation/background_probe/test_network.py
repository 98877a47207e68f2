import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from sightline.evaluation.background_probe.network import network_scores


def marked(n: int = 110, side: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, with a cross at a random place of the images that are positive: no pixel alone tells them."""
    generator = np.random.default_rng(0)
    images = 0.3 * generator.standard_normal((n, side, side)).astype(np.float32)
    labels = generator.integers(0, 2, n)
    for image, label in zip(images, labels, strict=True):
        row, column = generator.integers(2, side - 2, 2)
        image[row, column - 2 : column + 3] += 3 if label else 0
        image[row - 2 : row + 3, column] += 3
    return images, labels[:, None].astype(float), generator.integers(0, 2, n)


def test_a_mark_at_any_place_is_found_on_unseen_images() -> None:
    images, targets, folds = marked()
    scores = network_scores(images, targets, folds, seed=0, epochs=12)
    assert roc_auc_score(targets[:, 0], scores[:, 0]) > 0.9


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    images, targets, folds = marked(24)
    targets[0] = np.nan
    before = torch.get_rng_state()
    once, again, other = (network_scores(images, targets, folds, seed=seed, epochs=1) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert np.isfinite(once).all()


def test_labels_of_a_fold_do_not_move_its_own_scores() -> None:
    images, targets, folds = marked(24)
    turned = np.where(folds[:, None] == 1, 1 - targets, targets)
    one, other = (network_scores(images, each, folds, seed=0, epochs=1) for each in (targets, turned))
    np.testing.assert_array_equal(one[folds == 1], other[folds == 1])
    assert not np.array_equal(one[folds == 0], other[folds == 0])
