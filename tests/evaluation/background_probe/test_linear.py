import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sightline.evaluation.background_probe.linear import linear_scores


def table(seed: int, n: int = 90, f: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((n, f)) * np.arange(1, f + 1) + 5
    targets = (features[:, [2, 5]] + 4 * generator.standard_normal((n, 2)) > 5).astype(float)
    return features, targets, generator.integers(0, 5, n)


@pytest.mark.parametrize("strength", [1e-3, 0.5, 30.0])
@pytest.mark.parametrize("f", [12, 200], ids=["more images than features", "fewer"])
def test_with_one_strength_it_is_the_ridge_regression_of_scikit_learn(strength: float, f: int) -> None:
    features, targets, folds = table(0, f=f)
    scores = linear_scores(features, targets, folds, strengths=[strength])
    for fold in range(5):
        fit, test = folds != fold, folds == fold
        scaler = StandardScaler().fit(features[fit])
        ridge = Ridge(alpha=strength * fit.sum()).fit(scaler.transform(features[fit]), targets[fit])
        expected = ridge.predict(scaler.transform(features[test])) - targets[fit].mean(axis=0)
        np.testing.assert_allclose(scores[test], expected, atol=1e-9)


def test_the_strength_is_chosen_on_the_next_fold() -> None:
    features, targets, folds = table(1)
    strengths = (1e-3, 1.0, 100.0)
    chosen = linear_scores(features, targets, folds, strengths=strengths)
    single = {strength: linear_scores(features, targets, folds, strengths=[strength]) for strength in strengths}
    for fold in range(5):
        tune, test = folds == (fold + 1) % 5, folds == fold
        fit = ~tune & ~test
        scaler = StandardScaler().fit(features[fit])
        for column in range(2):
            areas = {}
            for strength in strengths:
                ridge = Ridge(alpha=strength * fit.sum()).fit(scaler.transform(features[fit]), targets[fit, column])
                areas[strength] = roc_auc_score(targets[tune, column], ridge.predict(scaler.transform(features[tune])))
            best = max(areas, key=lambda strength: areas[strength])
            np.testing.assert_allclose(chosen[test, column], single[best][test, column], atol=1e-9)


def test_labels_of_a_fold_do_not_move_its_own_scores() -> None:
    features, targets, folds = table(2)
    turned = np.where(folds[:, None] == 3, 1 - targets, targets)
    one, other = (linear_scores(features, each, folds, strengths=[1.0]) for each in (targets, turned))
    np.testing.assert_array_equal(one[folds == 3], other[folds == 3])
    assert not np.allclose(one[folds == 2], other[folds == 2])


def test_unknown_labels_are_left_out_for_their_target_alone() -> None:
    features, targets, folds = table(3)
    holes = targets.copy()
    holes[::3, 1] = np.nan
    scores = linear_scores(features, holes, folds)
    np.testing.assert_allclose(scores[:, 0], linear_scores(features, targets[:, :1], folds)[:, 0])
    kept = ~np.isnan(holes[:, 1])
    np.testing.assert_allclose(
        scores[kept, 1], linear_scores(features[kept], targets[kept, 1:], folds[kept])[:, 0], atol=1e-9
    )


def test_features_that_do_not_vary_count_for_nothing() -> None:
    features, targets, folds = table(4)
    padded = np.concatenate([features, np.full((len(features), 3), 7.0)], axis=1)
    np.testing.assert_allclose(
        linear_scores(padded, targets, folds), linear_scores(features, targets, folds), atol=1e-9
    )


def test_equal_labels_give_equal_scores() -> None:
    features, targets, folds = table(5)
    assert not linear_scores(features, np.zeros_like(targets), folds).any()
