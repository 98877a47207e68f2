"""How well class and source are told from what surrounds the lungs: two cohorts, three ways to erase, two probes.

See background_probe.md. `--out` holds one JSON file a probe; what is there is not computed again.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from sightline.data import Cohort, read_cohort
from sightline.evaluation.background_probe import ProbeSettings, background_probe
from sightline.evaluation.background_probe.probe import MEAN
from sightline.runs import write_json

SHOWN = (("kermany", "class", "normal"), ("mixed", "class", MEAN), ("mixed", "source", "kermany"))
TITLES = ("Kermany: normal or pneumonia", "mixed: class, mean of three", "mixed: hospital")
LINEAR = {
    f"{name}_{erase}": (name, ProbeSettings(erase=erase))
    for name in ("kermany", "mixed")
    for erase in ("hull", "box", "outline")
}
NETWORK = {f"{name}_network": (name, ProbeSettings(network=True, size=64, images=800)) for name in ("kermany", "mixed")}


def learned_from(folder: Path) -> Cohort:
    """All images of the hospitals that are trained on."""
    cohort = read_cohort(folder)
    return replace(cohort, cases=tuple(case for case in cohort.cases if case.split != "ood"))


def probe(cohorts: Path, out: Path, *, network: bool) -> None:
    """Write what is missing."""
    for title, (name, settings) in (LINEAR | (NETWORK if network else {})).items():
        file = out / f"{title}.json"
        if not file.is_file():
            found = background_probe(learned_from(cohorts / name), settings)
            scores = [score.as_dict() for score in found.scores]
            write_json(
                file,
                {"settings": asdict(settings), "images": found.images, "patients": found.patients, "scores": scores},
            )
        show(title, read(file))


def read(file: Path) -> dict[tuple[str, str, str, bool], dict[str, Any]]:
    """Areas by view, target, which, and whether the labels were shuffled."""
    scores = json.loads(file.read_text())["scores"]
    return {(each["view"], each["target"], each["of"], each["shuffled"]): each["auroc"] for each in scores}


def show(title: str, areas: dict[tuple[str, str, str, bool], dict[str, Any]]) -> None:
    """Print the areas."""
    print(title)
    for (view, target, of, shuffled), area in areas.items():
        words = " shuffled" if shuffled else ""
        print(f"  {view:10} {target:6} {of:20}{words:9} {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]")


def draw(out: Path, picture: Path) -> None:
    """Draw the areas of each view, the region erased in three ways."""
    rows = [("whole", "hull", False), ("region", "hull", False)]
    rows += [("background", erase, False) for erase in ("outline", "hull", "box")]
    rows += [("outline", erase, False) for erase in ("outline", "hull", "box")]
    rows += [("border", "hull", False), ("background", "hull", True)]
    names = {"outline": "as drawn", "hull": "convex hull", "box": "box"}
    labels = {"whole": "whole image", "region": "lungs only", "border": "outer frame only"}
    figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
    for axis, (name, target, of), title in zip(axes, SHOWN, TITLES, strict=True):
        for place, (view, erase, shuffled) in enumerate(reversed(rows)):
            area = read(out / f"{name}_{erase}.json")[view, target, of, shuffled]
            colour = "0.6" if shuffled else {"whole": "0.2", "region": "tab:blue"}.get(view, "tab:red")
            filled = colour if view != "outline" else "white"
            axis.plot([area["low"], area["high"]], [place, place], color=colour, linewidth=2)
            axis.plot(area["value"], place, "o", color=colour, markerfacecolor=filled)
            axis.annotate(
                f"{area['value']:.2f}",
                (area["value"], place),
                (0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
        axis.axvline(0.5, color="0.7", linestyle=":")
        axis.set(title=title, xlim=(0.42, 1.02), xlabel="area under the curve, unseen patients")
        axis.spines[["top", "right"]].set_visible(False)
    words = []
    for view, erase, shuffled in reversed(rows):
        word = labels.get(
            view, f"lungs erased, {names[erase]}" if view == "background" else f"that outline alone, {names[erase]}"
        )
        words.append(word if not shuffled else "lungs erased, labels shuffled")
    axes[0].set_yticks(range(len(rows)), words)
    figure.savefig(picture, dpi=130)


def main() -> None:
    """Probe and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=Path, default=Path("runs/cohorts"))
    parser.add_argument("--out", type=Path, default=Path("runs/background_probe"))
    parser.add_argument("--network", action="store_true", help="also the small network, on 800 images")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    probe(options.cohorts, options.out, network=options.network)
    if options.picture:
        draw(options.out, options.picture)


if __name__ == "__main__":
    main()
