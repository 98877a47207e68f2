"""Do maps change when the weights do? Train, randomise from the head down, compare: the tables and figure of the page.

    python docs/experiments/randomisation.py --out runs/randomisation --figure docs/images/randomisation.png

Takes about half an hour on one core; what is in the folder is not done again. Needs scikit-image
(`pip install 'sightline[image]'`).

A method passes or fails by this rule, which was written down before the maps of the page were compared, though after
trials in which the upper half of the layers had told methods apart:

- Likeness is Spearman's correlation of the absolute maps of one image and class, averaged over images. A map of zeros
  has none; it is left out and counted.
- The floor is the likeness of the trained model's map to the map that the completely randomised model has of another
  image, of another class. They share neither weights nor image, only strides, borders and the common anatomy.
- What stays is (likeness - floor) / (1 - floor): 1 for the same map, 0 for an unrelated one.
- A method passes where less than half stays, with the upper half of the layers randomised and with all of them: the
  upper bound, one-sided 95 % of Student over the trained models, is below 0.5 both times. It fails where the lower
  bound is above 0.5 at one of them. Otherwise the matter is open.
"""

import argparse
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import t as student
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from sightline.attribution import Explainer, Label, upsample_to
from sightline.attribution.methods import find_method
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.metrics import cascading_randomisation, independent_randomisation, map_similarity
from sightline.metrics.correlation import spearman
from sightline.models import resnet18
from sightline.reporting import heatmap_overlay
from sightline.reporting.themes import LIGHT, box, lettering, new_figure, points, save_figure
from sightline.runs import atomic_path

Likeness = Callable[[Tensor, Tensor], Tensor]  # of two maps each, `(N, H, W)`, to `(N,)`

SIZE, TRAIN, TEST = 64, 240, 24
SEEDS = tuple(range(8))
STAGES = ("last layer", "upper half", "all")
METHODS = (
    "saliency",
    "gradient_times_input",
    "integrated_gradients",
    "deep_lift",
    "lrp",
    "epsilon",
    "epsilon_gamma_box",
    "epsilon_alpha2_beta1",
    "epsilon_plus",
    "grad_cam",
    "hirescam",
    "guided_grad_cam",
    "guided_backpropagation",
    "deconvnet",
)


def phantoms(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Radiographs of three classes in turn, each with the marks of its hospital, and their labels."""
    hospitals = (RIVERSIDE, HILLCREST, NORTHGATE)
    labels = torch.arange(count) % len(hospitals)
    films = [
        render_phantom((seed, row), FINDINGS[label], hospitals[label], SIZE).image
        for row, label in enumerate(labels.tolist())
    ]
    return torch.from_numpy(np.stack(films)[:, None] / np.float32(255)), labels


def plain_cnn() -> nn.Sequential:
    """Eight convolutions with ReLUs and nothing else, global average pooling, one linear layer."""
    layers: list[nn.Module] = []
    channels = 1
    for width in (16, 32, 64, 64):
        for _ in range(2):
            convolution = nn.Conv2d(channels, width, 3, padding=1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
            layers += [convolution, nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


MODELS: dict[str, tuple[Callable[[], nn.Module], str | None]] = {  # and the layer of their class activation maps
    "plain CNN": (plain_cnn, None),
    "ResNet-18": (lambda: resnet18(3, in_channels=1, width=8), "layer3"),
}


def explainer(name: str, layer: str | None) -> Explainer:
    """Make the explainer of a method, with its defaults but for the layer and the number of steps."""
    method = find_method(name)
    options = {"layer": layer, "steps": 10}
    return method.explainer(**{option: value for option, value in options.items() if method.has(option)})


def train(model: nn.Module, images: Tensor, labels: Tensor, *, epochs: int = 6, seed: int) -> None:
    """Train in batches of 16, and leave the model in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, epochs * -(-len(images) // 16))
    model.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(images), generator=generator), 16):
            optimiser.zero_grad()
            F.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    model.eval()


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of absolute maps, each divided by its maximum, `(N,)`; NaN where one is empty."""
    found = []
    for pair in zip(first, second, strict=True):
        a, b = ((map_.abs().double() / map_.abs().max()).numpy() for map_ in pair)
        empty = np.isnan(a).any() or np.isnan(b).any()
        found.append(math.nan if empty else structural_similarity(a, b, data_range=1.0, gaussian_weights=True))
    return torch.tensor(found)


def signed(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of the maps as they are, `(N,)`."""
    return spearman(first.flatten(1), second.flatten(1))


@dataclass(frozen=True, eq=False)
class Measured:
    """One method on one trained model.

    Attributes:
        maps: of the trained model and at each of `STAGES`, `(1 + 3, N, H, W)`.
        cascade: likeness at every stage, `(T, N)`.
        alone: likeness with each layer alone randomised, `(T, N)`.
    """

    maps: Tensor
    cascade: Tensor
    alone: Tensor

    @functools.cache  # noqa: B019 - there are few, and all are kept
    def likeness(self, stage: str, measure: Likeness = map_similarity) -> float:
        """Mean likeness at one of `STAGES`."""
        return float(measure(self.maps[0], self.maps[1 + STAGES.index(stage)]).nanmean())

    @functools.cache  # noqa: B019 - as above
    def floor(self, measure: Likeness = map_similarity) -> float:
        """Likeness of maps that share neither weights nor image."""
        return float(measure(self.maps[0], self.maps[-1].roll(1, 0)).nanmean())

    def stays(self, stage: str, measure: Likeness = map_similarity) -> float:
        """What stays at one of `STAGES`."""
        floor = self.floor(measure)
        return (self.likeness(stage, measure) - floor) / (1 - floor)


def measure(explainer: Explainer, model: nn.Module, images: Tensor, labels: Tensor, *, seed: int) -> Measured:
    """Randomise from the head down, then each layer alone, and compare the maps of the same classes."""
    maps: list[Tensor] = []

    def explain(model: nn.Module, images: Tensor) -> Tensor:
        with torch.no_grad():
            maps.append(upsample_to(explainer(model, images, Label(labels)).attribution, (SIZE, SIZE))[:, 0])
        return maps[-1]

    cascade = cascading_randomisation(explain, model, images, seed=seed).similarity
    kept_maps = torch.stack([maps[0], maps[1], maps[len(cascade) // 2], maps[-1]])
    return Measured(kept_maps, cascade, independent_randomisation(explain, model, images, seed=seed).similarity)


def kept(file: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Make tensors once, and read them the next time."""
    if not file.exists():
        made = make()
        with atomic_path(file) as temporary:
            torch.save(made, temporary)
    found: dict[str, Tensor] = torch.load(file)
    return found


def films(split: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Images and labels of a split."""
    count, seed = {"train": (TRAIN, 1), "test": (TEST, 2)}[split]
    found = kept(
        folder / f"films {split}.pt", lambda: dict(zip(("images", "labels"), phantoms(count, seed), strict=True))
    )
    return found["images"], found["labels"]


def trained(name: str, seed: int, folder: Path) -> nn.Module:
    """Train a model, or read its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS[name][0]().eval()

    def learn() -> dict[str, Tensor]:
        train(model, *films("train", folder), seed=seed)
        return model.state_dict()

    model.load_state_dict(kept(folder / f"{name} {seed} weights.pt", learn))
    return model


def measured(name: str, seed: int, folder: Path) -> dict[str, Measured]:
    """Measure each method on a trained model, or read what was measured."""
    model, (images, labels) = trained(name, seed, folder), films("test", folder)
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).double().mean()
    print(f"{name}, seed {seed}: accuracy {right:.2f}", flush=True)

    def result(method: str) -> dict[str, Tensor]:
        return vars(measure(explainer(method, MODELS[name][1]), model, images, labels, seed=seed))

    return {
        method: Measured(**kept(folder / f"{name} {seed} {method}.pt", lambda method=method: result(method)))
        for method in METHODS
    }


def noise_from_above(model: nn.Sequential, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Likeness of the plain CNN's saliency to a gradient that noise has taken the place of above its lower half.

    Returns:
        Of absolute and of signed maps. What the lower half makes of noise holds nothing of the upper half.
    """
    pixels = images.clone().requires_grad_()
    (saliency,) = torch.autograd.grad(model(pixels)[torch.arange(len(labels)), labels].sum(), pixels)
    convolutions = [index for index, layer in enumerate(model) if isinstance(layer, nn.Conv2d)]
    features = model[: convolutions[-3]](pixels)  # the last three and the linear layer are the upper half
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    (passed,) = torch.autograd.grad(features, pixels, noise)
    return tuple(float(likeness(saliency[:, 0], passed[:, 0]).mean()) for likeness in (map_similarity, signed))


Results = dict[tuple[str, int], dict[str, Measured]]  # by model and seed, then by method


@dataclass(frozen=True)
class Bounds:
    """A mean over trained models, with the two one-sided 95 % bounds of Student."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


def stays(found: Results, name: str, method: str, stage: str, measure: Likeness) -> Bounds:
    """What stays of a method's maps on the trained models of an architecture."""
    values = np.array([found[name, seed][method].stays(stage, measure) for seed in SEEDS])
    reach = student.ppf(0.95, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Bounds(values.mean(), values.mean() - reach, values.mean() + reach)


def verdict(found: Results, name: str, method: str, measure: Likeness) -> str:
    """Say what the rule says."""
    at = [stays(found, name, method, stage, measure) for stage in ("upper half", "all")]
    if any(bounds.low > 0.5 for bounds in at):
        return "**fails**"
    return "passes" if all(bounds.high < 0.5 for bounds in at) else "open"


def tables(found: Results, name: str) -> str:
    """Write the table of the rule, and the one of the other measures."""
    alone = ("one of the upper half alone", "one of the lower half alone", "empty")
    rows = [["method", "floor", "upper half", "all", "stays, upper half", "stays, all", "by the rule", *alone]]
    others = [
        ["method", "signed: stays, upper half", "all", "by the rule", "SSIM: stays, upper half", "all", "by the rule"]
    ]
    for method in METHODS:
        of_seeds = [found[name, seed][method] for seed in SEEDS]
        half = len(of_seeds[0].alone) // 2
        numbers = [
            [each.floor(), each.likeness("upper half"), each.likeness("all")]
            + [float(part.nanmean()) for part in (each.alone[:half], each.alone[half:], each.cascade.isnan().float())]
            for each in of_seeds
        ]
        *means, upper, lower, empty = np.mean(numbers, 0)
        rule = [str(stays(found, name, method, stage, map_similarity)) for stage in ("upper half", "all")]
        rows.append(
            [f"`{method}`", *(f"{mean:.2f}" for mean in means), *rule, verdict(found, name, method, map_similarity)]
        )
        rows[-1] += [f"{upper:.2f}", f"{lower:.2f}", f"{empty:.0%}"]
        others.append([f"`{method}`"])
        for measure in (signed, ssim):
            others[-1] += [str(stays(found, name, method, stage, measure)) for stage in ("upper half", "all")]
            others[-1].append(verdict(found, name, method, measure))
    return "\n\n".join(_markdown(lines) for lines in (rows, others))


def _markdown(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


SHOWN = ("lrp", "saliency", "grad_cam", "epsilon_plus", "guided_backpropagation", "deconvnet")
WIDTH, NAMES, PLOT, ROW, TILE, GAP = 1040, 190, 380, 26, 120, 8


def figure(found: Results, images: Tensor, *, shown: str = "ResNet-18", row: int = 0) -> Figure:
    """Draw what stays of each method's maps, and below the maps of one image."""
    top = 110 + ROW * len(METHODS) + 70
    drawn = new_figure(WIDTH, top + 56 + len(SHOWN) * (TILE + GAP), LIGHT)
    _write(drawn, 12, 22, "What stays of the maps when the upper half of the layers is random", size=16, bold=True)
    _legend(drawn)
    for place, name in enumerate(MODELS):
        _dots(drawn, found, name, left=NAMES + place * (PLOT + 24), named=not place)
    title = (
        f"One film, {shown}, seed 0: red speaks for the class, blue against; white neither; each map on its own scale"
    )
    _write(drawn, 12, top, title, size=16, bold=True)
    heads = ("film", "trained", *(f"{stage} random" for stage in STAGES))
    for number, method in enumerate(SHOWN):
        y = top + 48 + number * (TILE + GAP)
        _write(drawn, NAMES - 12, y + TILE / 2, find_method(method).title, size=13, right=True)
        maps = found[shown, 0][method].maps[:, row].numpy()
        for at, head in enumerate(heads):
            x = NAMES + at * (TILE + 4 * GAP)
            if not number:
                _write(drawn, x, y - 16, head, size=13, color=LIGHT.muted)
            axes = drawn.add_axes(box(drawn, x, y, TILE, TILE))
            axes.set_axis_off()
            ground = images[row, 0].numpy() if not at else np.ones((SIZE, SIZE))
            axes.imshow(heatmap_overlay(ground, maps[at - 1] if at else None), interpolation="nearest")
            axes.add_patch(Rectangle((-0.5, -0.5), SIZE, SIZE, fill=False, color=LIGHT.line, linewidth=points(1)))
    return drawn


KINDS = {  # how a measure is drawn, and in which words
    "magnitudes (the rule's measure)": (map_similarity, LIGHT.accent, "o", -0.14),
    "signed maps": (signed, LIGHT.others[1], "D", 0.14),
}
LEAST = -0.62  # of the axis; bars may go on


def _dots(drawn: Figure, found: Results, name: str, *, left: float, named: bool) -> None:
    axes = drawn.add_axes(box(drawn, left, 100, PLOT, ROW * len(METHODS)))
    axes.set_title(name, loc="left", pad=points(8), **lettering(LIGHT.ink, 14))
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlim(LEAST, 1.04)
    axes.set_ylim(len(METHODS) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.set_xticks([0, 0.5, 1], ["0, unrelated", "0.5", "1, the same"], **lettering(LIGHT.muted, 12))
    names = [find_method(method).title if named else "" for method in METHODS]
    axes.set_yticks(range(len(METHODS)), names, **lettering(LIGHT.ink, 13))
    axes.hlines(range(len(METHODS)), LEAST, 1.04, color=LIGHT.line, linewidth=points(1), zorder=0)
    axes.axvline(0.5, color=LIGHT.muted, linewidth=points(1), linestyle=(0, (4, 3)), zorder=0)
    for measure, color, shape, beside in KINDS.values():
        for at, method in enumerate(METHODS):
            bounds, y = stays(found, name, method, "upper half", measure), at + beside
            axes.plot([bounds.low, bounds.high], [y, y], color=color, linewidth=points(2))
            axes.plot(bounds.mean, y, shape, color=color, markersize=points(7), clip_on=False)


def _legend(drawn: Figure) -> None:
    x = NAMES
    for words, (_, color, shape, _) in KINDS.items():
        axes = drawn.add_axes(box(drawn, x, 44, 16, 16))
        axes.set_axis_off()
        axes.plot(0, 0, shape, color=color, markersize=points(7))
        _write(drawn, x + 22, 52, words, size=13)
        x += 52 + 6.6 * len(words)
    words = f"bars: one-sided 95 % bounds over {len(SEEDS)} trained models"
    _write(drawn, x, 52, words, size=13, color=LIGHT.muted)


def _write(
    drawn: Figure,
    x: float,
    y: float,
    words: str,
    *,
    size: float = 14,
    color: str = LIGHT.ink,
    bold: bool = False,
    right: bool = False,
) -> None:
    across, down, _, _ = box(drawn, x, y, 0, 0)
    drawn.text(across, down, words, va="center", ha="right" if right else "left", **lettering(color, size, bold=bold))


def main() -> None:
    """Print the tables, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of weights and results, to go on from")
    parser.add_argument("--figure", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {(name, seed): measured(name, seed, arguments.out) for seed in SEEDS for name in MODELS}
    images, labels = films("test", arguments.out)
    for name in MODELS:
        print(f"\n{name}\n\n{tables(found, name)}")
    print("\nPlain CNN, saliency by seed: upper half random, and noise in its place (absolute, signed)")
    for seed in SEEDS:
        magnitude, sign = noise_from_above(trained("plain CNN", seed, arguments.out), images, labels)
        print(f"{found['plain CNN', seed]['saliency'].likeness('upper half'):.2f}, {magnitude:.2f}, {sign:.2f}")
    save_figure(figure(found, images), arguments.figure)


if __name__ == "__main__":
    main()
