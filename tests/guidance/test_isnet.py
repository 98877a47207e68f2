import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import EveryClass, Label
from sightline.errors import DataError, ShapeError
from sightline.guidance import BackgroundRelevance
from sightline.guidance.relevance_range import RelevanceRange

NAN = float("nan")
IMAGES = torch.zeros(2, 1, 2, 2)
LABELS = torch.tensor([0, 2])
# the upper row is the region; mean inside and worst outside of the maps of three classes in two images
MAPS = torch.tensor(
    [
        [[[2.0, 2.0], [0.0, 2.0]], [[1.0, 3.0], [-6.0, 1.0]], [[5.0, -5.0], [0.0, 0.0]]],
        [[[0.0, 0.5], [0.25, 0.0]], [[20.0, 20.0], [0.0, -60.0]], [[4.0, 0.0], [2.0, 0.0]]],
    ]
).unsqueeze(2)  # (N, K, C, H, W)
TOP = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).expand(2, 1, 2, 2)
BACKGROUND = torch.tensor([[math.log(2), math.log(4), 0.0], [math.log(2), math.log(4), math.log(2)]])
FOREGROUND = torch.tensor([[0.0, 0.0, 0.0], [0.5**2, 15.0**2, 0.0]])  # sums inside 4 4 10 | 0.5 40 4; C1 = 1, C2 = 25
OUTSIDE = torch.tensor([[2 / 6, 7 / 11, 0.0], [0.25 / 0.75, 60 / 100, 2 / 6]])

# the paper's, in which the numbers above are worked
PAPER = {"strength": 0.7, "least": 1.0, "most": 25.0, "tolerance": 0.0, "excess": "quadratic"}

Guide = Callable[..., BackgroundRelevance]


@pytest.fixture
def guide(painted: Callable[..., Any]) -> Guide:
    """Make a guidance that sees the painted maps and pools the worst pixel."""

    def make(maps: Tensor = MAPS, *hidden: Tensor, **options: Any) -> BackgroundRelevance:
        return BackgroundRelevance(explainer=painted(maps, hidden), **{**PAPER, "decay": 0.0, **options})

    return make


@pytest.fixture
def model(fixed: Callable[[tuple[float, ...]], nn.Module]) -> nn.Module:
    return fixed((0.3, -0.2, 0.1))


def test_the_loss_is_the_weighted_sum_of_its_parts(guide: Guide, model: nn.Module) -> None:
    guidance = guide(variant="original", strength=0.7, background_weight=2.0, foreground_weight=3.0)
    guided = guidance(model, IMAGES, LABELS, TOP)
    classification = F.cross_entropy(model(IMAGES), LABELS)
    expected = 0.3 * classification + 0.7 * (2 * BACKGROUND.mean() + 3 * FOREGROUND.mean())
    torch.testing.assert_close(guided.loss, expected)
    torch.testing.assert_close(guided.logits, model(IMAGES))
    parts = {"classification": classification, "background": BACKGROUND.mean()}
    parts |= {"foreground": FOREGROUND.mean(), "outside": OUTSIDE.mean()}
    assert guided.parts.keys() == parts.keys()
    for name, part in parts.items():
        torch.testing.assert_close(guided.parts[name], part.detach())
        assert not guided.parts[name].requires_grad


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_strength_mixes_from_classification_alone_to_maps_alone(
    guide: Guide, model: nn.Module, strength: float
) -> None:
    guided = guide(variant="original", strength=strength)(model, IMAGES, LABELS, TOP)
    maps = BACKGROUND.mean() + 3 * FOREGROUND.mean()
    torch.testing.assert_close(guided.loss, maps if strength else F.cross_entropy(model(IMAGES), LABELS))


def test_a_pooled_share_is_a_decay_that_depends_on_the_number_of_pixels(guide: Guide, model: nn.Module) -> None:
    by_share = guide(variant="original", decay=None, pooled_share=0.5)(model, IMAGES, LABELS, TOP)
    by_decay = guide(variant="original", decay=0.5)(model, IMAGES, LABELS, TOP)  # 1 / (1 - d) = 0.5 * 4 pixels
    torch.testing.assert_close(by_share.loss, by_decay.loss)
    assert by_share.loss < guide(variant="original")(model, IMAGES, LABELS, TOP).loss


def test_maps_of_another_resolution_meet_regions_of_their_own(guide: Guide, model: nn.Module) -> None:
    fine = TOP.repeat_interleave(3, 2).repeat_interleave(3, 3)
    guided = guide(variant="original")(model, torch.zeros(2, 1, 6, 6), LABELS, fine)
    torch.testing.assert_close(guided.loss, guide(variant="original")(model, IMAGES, LABELS, TOP).loss)


# two channels that cancel one another: |R| is 6 outside and 3 at both places inside, of every class in every image
CANCELLING = torch.tensor([[[3.0, -3.0], [3.0, 0.0]], [[0.0, 0.0], [-3.0, 0.0]]]).expand(2, 3, 2, 2, 2)


@pytest.mark.parametrize("variant", ["original", "stochastic"])
def test_relevance_that_cancels_in_the_map_counts_at_the_first_layer(
    guide: Guide, model: nn.Module, variant: str
) -> None:
    without, weighed = (
        guide(MAPS, CANCELLING, variant=variant, first_layer_weight=weight)(model, IMAGES, LABELS, TOP)
        for weight in (0.0, 2.0)
    )
    torch.testing.assert_close(weighed.parts["first_layer"].item(), math.log(1 + 6 / 3))
    torch.testing.assert_close(weighed.loss, without.loss + 0.7 * 2 * math.log(3))
    assert "first_layer" not in guide(variant=variant)(model, IMAGES, LABELS, TOP).parts


def test_the_first_layer_counts_what_touches_the_region_as_inside(guide: Guide, model: nn.Module) -> None:
    regions = torch.zeros(2, 1, 4, 4)
    regions[:, :, 3, 0] = 1  # covers a quarter of the place where |R| is 6
    fine = MAPS.repeat_interleave(2, 3).repeat_interleave(2, 4)
    parts = guide(fine, CANCELLING, variant="original")(model, torch.zeros(2, 1, 4, 4), LABELS, regions).parts
    torch.testing.assert_close(parts["first_layer"].item(), math.log(1 + 3 / 6))


def test_the_first_layer_is_not_penalised_where_the_region_is_unknown(guide: Guide, model: nn.Module) -> None:
    regions, hidden = TOP.clone(), CANCELLING.clone()
    regions[1], hidden[1] = NAN, 100 * hidden[1]
    parts = guide(MAPS, hidden, variant="original")(model, IMAGES, LABELS, regions).parts
    torch.testing.assert_close(parts["first_layer"].item(), math.log(3))


def test_a_margin_moves_the_border_of_what_is_penalised(guide: Guide, model: nn.Module) -> None:
    parts = guide(variant="original", margin=0.49)(model, IMAGES, LABELS, TOP).parts  # one of two pixels
    assert parts["background"] == 0
    torch.testing.assert_close(parts["outside"], OUTSIDE.mean())
    torch.testing.assert_close(parts["foreground"], FOREGROUND.mean())


def test_an_unknown_region_weighs_nothing(guide: Guide, model: nn.Module) -> None:
    regions = TOP.clone()
    regions[1] = NAN
    parts = guide(variant="original")(model, IMAGES, LABELS, regions).parts
    torch.testing.assert_close(parts["background"], BACKGROUND[0].mean())
    torch.testing.assert_close(parts["foreground"], FOREGROUND[0].mean())
    torch.testing.assert_close(parts["outside"], OUTSIDE[0].mean())


def test_an_unknown_region_sends_no_gradient(guide: Guide, model: nn.Module) -> None:
    maps, regions = MAPS.clone().requires_grad_(), TOP.clone()
    regions[1] = NAN
    (gradient,) = torch.autograd.grad(guide(maps, variant="original")(model, IMAGES, LABELS, regions).loss, maps)
    assert gradient[0].abs().sum() > 0
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize("variant", ["original", "stochastic", "selective"])
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_without_a_known_region_is_classified_only(
    guide: Guide, model: nn.Module, variant: str, training: bool
) -> None:
    guidance = guide(variant=variant, strength=0.25, goal=None).train(training)
    guided = guidance(model, IMAGES, LABELS, torch.full((2, 1, 2, 2), NAN))
    torch.testing.assert_close(guided.loss, 0.75 * F.cross_entropy(model(IMAGES), LABELS))
    assert guided.parts.keys() == {"classification"}


def per_class_regions() -> Tensor:
    """Class 0 may look at the upper row, class 1 at the lower, class 2 anywhere."""
    top = TOP[0, 0]
    return torch.stack([top, 1 - top, torch.ones(2, 2)]).expand(2, 3, 2, 2)


# class 1: mean inside 3.5 | 30, worst outside 3 | 20
PER_CLASS = torch.tensor([[math.log(2), math.log1p(3 / 3.5), 0.0], [math.log(2), math.log1p(20 / 30), 0.0]])


def test_each_class_has_its_region_in_the_original(guide: Guide, model: nn.Module) -> None:
    parts = guide(variant="original")(model, IMAGES, LABELS, per_class_regions()).parts
    torch.testing.assert_close(parts["background"], PER_CLASS.mean())


@pytest.mark.parametrize("variant", ["stochastic", "selective"])
def test_the_explained_class_has_its_region(guide: Guide, model: nn.Module, variant: str) -> None:
    guidance = guide(variant=variant)
    state = guidance.generator.get_state()
    classes = torch.tensor([1, 1])  # the least likely by the logits
    if variant == "stochastic":
        classes = torch.randint(3, (2,), generator=torch.Generator().set_state(state))
    parts = guidance(model, IMAGES, LABELS, per_class_regions()).parts
    torch.testing.assert_close(parts["background"], PER_CLASS[torch.arange(2), classes].mean())


def test_regions_for_each_class_need_to_know_the_class(painted: Callable[..., Any], model: nn.Module) -> None:
    class Combined(painted):  # type: ignore[misc, valid-type]
        def __call__(self, *arguments: Any) -> Any:
            explanation = super().__call__(*arguments)
            return type(explanation)(explanation.logits, explanation.attribution, None)

    guidance = BackgroundRelevance(explainer=Combined(MAPS))
    assert guidance(model, IMAGES, LABELS, TOP).loss.isfinite()
    with pytest.raises(ShapeError, match="explains one class an image, or every class"):
        guidance(model, IMAGES, LABELS, per_class_regions())


@pytest.mark.parametrize("known_classes", [3, 1])
def test_the_mean_over_all_draws_of_a_class_is_the_original(guide: Guide, model: nn.Module, known_classes: int) -> None:
    regions, hidden = TOP.repeat(1, 3, 1, 1), MAPS.abs() + CANCELLING
    regions[0, known_classes:] = NAN  # of the first image, so that the number of known maps varies with the draw
    guidance = guide(MAPS, hidden)
    drawn: dict[str, list[Tensor]] = {"losses": [], "first layer": []}
    for classes in product(range(3), repeat=2):
        target = Label(torch.tensor(classes))
        explanation = guidance.explainer(model, IMAGES, target)
        drawn["losses"].append(torch.stack(guidance.heatmap_losses(explanation, regions)[:2]))
        drawn["first layer"].append(guidance.first_layer_loss(explanation, regions))
    every = guidance.explainer(model, IMAGES, EveryClass())
    wanted = torch.stack(guidance.heatmap_losses(every, regions)[:2])
    torch.testing.assert_close(torch.stack(drawn["losses"]).mean(0), wanted)
    torch.testing.assert_close(torch.stack(drawn["first layer"]).mean(), guidance.first_layer_loss(every, regions))


def test_the_stochastic_variant_draws_every_class_alike(guide: Guide, model: nn.Module) -> None:
    wanted = guide(variant="original")(model, IMAGES, LABELS, TOP).parts
    guidance = guide(variant="stochastic")
    draws = [guidance(model, IMAGES, LABELS, TOP).parts for _ in range(1500)]
    for name in ("background", "foreground"):
        values = torch.stack([parts[name] for parts in draws])
        assert values.std() > 0.1
        assert abs(values.mean() - wanted[name]) < 4 * values.std() / len(draws) ** 0.5


def test_the_share_outside_is_not_known_where_no_explained_map_is(guide: Guide, model: nn.Module) -> None:
    regions = torch.full((2, 3, 2, 2), NAN)
    regions[0, 1] = 1
    guidance = guide(variant="stochastic", goal=0.1)
    for _ in range(20):
        before, parts = guidance.strength, guidance(model, IMAGES, LABELS, regions).parts
        assert parts["background"].isfinite()
        if parts["outside"].isnan():
            assert guidance.strength == before
            return
    raise AssertionError("20 draws, and all of the one class that is known")


def test_every_second_step_is_guided_twice_as_heavily(guide: Guide, model: nn.Module) -> None:
    plain, lazy = guide(variant="original"), guide(variant="original", every=3)
    each = plain(model, IMAGES, LABELS, TOP)
    steps = [lazy(model, IMAGES, LABELS, TOP) for _ in range(6)]
    assert ["background" in step.parts for step in steps] == [True, False, False, True, False, False]
    torch.testing.assert_close(torch.stack([step.loss for step in steps]).sum(), 6 * each.loss)
    torch.testing.assert_close(steps[0].loss - steps[1].loss, 3 * 0.7 * (BACKGROUND.mean() + 3 * FOREGROUND.mean()))


def test_evaluation_guides_every_batch_and_counts_none(guide: Guide, model: nn.Module) -> None:
    lazy = guide(variant="original", every=3)
    lazy(model, IMAGES, LABELS, TOP)
    losses = [lazy.eval()(model, IMAGES, LABELS, TOP).loss for _ in range(2)]
    torch.testing.assert_close(losses[0], guide(variant="original")(model, IMAGES, LABELS, TOP).loss)
    assert losses[0] == losses[1]
    assert "background" not in lazy.train()(model, IMAGES, LABELS, TOP).parts


def test_evaluation_neither_varies_nor_moves_on_the_draws_of_training(guide: Guide, model: nn.Module) -> None:
    maps = MAPS.repeat(8, 1, 1, 1, 1)
    one, other = guide(maps, seed=3), guide(maps, seed=3)
    batch = (torch.zeros(16, 1, 2, 2), torch.zeros(16, dtype=torch.int64), TOP.repeat(8, 1, 1, 1))
    first = one.eval()(model, *batch).loss
    assert one.eval()(model, *batch).loss == first
    trained = [one.train()(model, *batch).loss for _ in range(3)]
    assert trained == [other.train()(model, *batch).loss for _ in range(3)]
    assert len({loss.item() for loss in trained}) == 3
    assert one.eval()(model, *batch).loss == first


def test_a_goal_sets_the_strength(guide: Guide, model: nn.Module) -> None:
    strict, lax = (guide(variant="original", goal=goal) for goal in (0.1, 0.9))  # the maps have 0.37 outside
    for guidance, sign in ((strict, 1), (lax, -1)):
        strengths = []
        for _ in range(3):
            guided = guidance(model, IMAGES, LABELS, TOP)
            p = guidance.strength
            expected = (1 - p) * guided.parts["classification"] + p * (BACKGROUND.mean() + 3 * FOREGROUND.mean())
            torch.testing.assert_close(guided.loss.detach(), expected)
            assert guided.parts["strength"] == pytest.approx(p)
            strengths.append(p)
        assert sign * strengths[0] > sign * 0.5
        assert sorted(strengths, reverse=sign < 0) == strengths
    before = strict.strength
    strict.eval()(model, IMAGES, LABELS, TOP)
    assert strict.strength == before


def test_the_state_dict_holds_all_that_changes(guide: Guide, model: nn.Module) -> None:
    one, other = guide(goal=0.2, every=2), guide(goal=0.2, every=2)
    for _ in range(3):
        one(model, IMAGES, LABELS, TOP)
    one.ranges["map"] = RelevanceRange(0.5, 7.0)
    other.load_state_dict(one.state_dict())
    assert other.strength == one.strength != 0.5
    assert other.range_of("map") == (0.5, 7.0)
    steps = [[guidance(model, IMAGES, LABELS, TOP).loss.item() for _ in range(4)] for guidance in (one, other)]
    assert steps[0] == steps[1]


def test_unknown_labels_are_left_out_of_a_guided_step(guide: Guide, model: nn.Module) -> None:
    labels = torch.tensor([[1.0, NAN, NAN], [NAN, NAN, 0.0]])
    guided = guide(variant="original")(model, IMAGES, labels, TOP)
    expected = (F.softplus(torch.tensor(-0.3)) + F.softplus(torch.tensor(0.1))) / 2
    torch.testing.assert_close(guided.parts["classification"], expected)
    guided.loss.backward()
    assert model.logits.grad[1] == 0


@pytest.mark.parametrize(
    ("regions", "error", "says"),
    [
        (torch.ones(3, 1, 2, 2), ShapeError, r"regions must be \(2, 1 or K, 2, 2\), got \(3, 1, 2, 2\)"),
        (torch.ones(2, 2, 2), ShapeError, r"got \(2, 2, 2\)"),
        (torch.ones(2, 2, 2, 2), ShapeError, "one for all or one for each of 3 classes, got 2"),
        (255 * TOP, DataError, r"regions must lie in \[0, 1\], got values from 0 to 255"),
    ],
)
def test_regions_that_do_not_fit_are_refused(
    guide: Guide, model: nn.Module, regions: Tensor, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        guide()(model, IMAGES, LABELS, regions)
