"""AxialNet, the mask loss and the ISNet on CT phantoms: the tables and two figures; see ct_phantoms.md.

    python docs/experiments/ct_phantoms.py runs/ct_phantoms --planes docs/images/ct_phantoms_planes.png \
        --slices docs/images/ct_phantoms_slices.png

The folder holds the runs, each evaluated on all conditions. The share of LRP inside the organs is computed once, into
`lrp_inside.json` of each run.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, EveryClass, upsample_to
from sightline.attribution.explainer import evaluation_mode
from sightline.cli.opening import open_runs
from sightline.comparing import Condition, condition_batches, load_trained
from sightline.data import Cohort, read_cohort
from sightline.data.readers import read_volume
from sightline.evaluation import organ_iou_change, read_organ_iou
from sightline.metrics import Resampling, patient_means, resample_slices, slice_score_curves
from sightline.regions import known
from sightline.reporting import cut_planes, slice_curves_figure
from sightline.runs import write_json
from sightline.training import TrainSettings

CONDITIONS = ("test", "test-off", "test-swapped", "ood")
FIRST = "axialnet"
LRP_MAP = LRP(epsilon=1e-2, input_rule="zb")


def interval(value: dict[str, Any]) -> str:
    """Write a value with its interval."""
    return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def scores(folder: Path, names: list[str]) -> str:
    """AUROC on each condition, then OrganIoU and the share of LRP inside, one line a run, in Markdown."""
    head = ["recipe", "AUROC, shortcut on", "off", "inverted", "other scanner", "OrganIoU", "LRP inside"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name in names:
        cells = []
        for condition in CONDITIONS:
            metrics = json.loads((folder / name / "evaluation" / condition / "metrics.json").read_text())["metrics"]
            cells.append(interval(metrics["auroc"]))
        told = json.loads((folder / name / "evaluation" / "test" / "organ_iou.json").read_text())
        cells.append(interval(told["scores"]["overall"]))
        cells.append(interval(json.loads((folder / name / "lrp_inside.json").read_text())))
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def changes(folder: Path, names: list[str]) -> str:
    """Relative gain in OrganIoU over the plain run on each condition, on the same pairs, in Markdown."""
    lines = [f"| OrganIoU over {FIRST} | {' | '.join(CONDITIONS)} |", "|---|" + "---|" * len(CONDITIONS)]
    for name in names:
        if name == FIRST:
            continue
        cells = []
        for condition in CONDITIONS:
            runs = [read_organ_iou(folder / each / "evaluation" / condition) for each in (FIRST, name)]
            change = organ_iou_change(*runs, resampling=Resampling())
            cells.append(f"{change.first.value:.2f} to {change.second.value:.2f}, {100 * change.relative.value:+.0f} %")
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def lrp_inside(model: nn.Module, settings: TrainSettings, cohort: Cohort, run: Path) -> None:
    """Share of absolute relevance inside the organ, over scans and the findings that they have."""
    file = run / "lrp_inside.json"
    if file.is_file():
        return
    patients = {case.id: case.patient for case in cohort.cases}
    shares, people = [], []
    with evaluation_mode(model), torch.no_grad():
        for batch in condition_batches(settings.data, cohort, Condition("test")):
            maps = LRP_MAP(model, batch.images, EveryClass()).attribution.abs().sum(2)  # (N, K, D, H, W)
            allowed = nn.functional.interpolate(batch.regions, tuple(maps.shape[2:]), mode="nearest")
            share = (maps * allowed.nan_to_num()).flatten(2).sum(2) / maps.flatten(2).sum(2)
            for row, label in (known(batch.regions) & (batch.labels > 0)).nonzero().tolist():
                shares.append(float(share[row, label]))
                people.append(patients[batch.cases[row]])
    (mean,) = patient_means([[share] for share in shares], people, resampling=Resampling())
    write_json(file, mean.as_dict())


def slice_curves(model: nn.Module, settings: TrainSettings, cohort: Cohort, path: Path) -> None:
    """Scores of the slices over scans with and without each finding, shortcuts off."""
    found, labels, people = [], [], []
    patients = {case.id: case.patient for case in cohort.cases}
    with evaluation_mode(model), torch.no_grad():
        for batch in condition_batches(settings.data, cohort, Condition("test", "off")):
            found += list(model.slice_scores(batch.images).numpy())  # type: ignore[operator]  # AxialNet has it
            labels += batch.labels.tolist()
            people += [patients[case] for case in batch.cases]
    curves = slice_score_curves(resample_slices(found, 27), labels, people, cohort.classes, resampling=Resampling())
    slice_curves_figure(curves).savefig(path)


def planes(runs: dict[str, tuple[nn.Module, TrainSettings]], cohort: Cohort, path: Path) -> None:
    """Two cases, a finding of each: HiResCAM and LRP of every run in three planes through the middle of the lesion."""
    shown = [("nodule", 0), ("hiatal_hernia", 0)]
    figure, axes = plt.subplots(2 * len(shown), 3 * len(runs), figsize=(4.4 * len(runs), 1.95 * 2 * len(shown)))
    for row, (finding, which) in enumerate(shown):
        label = cohort.classes.index(finding)
        case = [c for c in cohort.split("test").cases if isinstance(c.label, tuple) and c.label[label] > 0][which]
        volume = read_volume(case.image)
        one = Cohort(cohort.root, cohort.task, cohort.classes, (case,), cohort.value_range, cohort.units)
        for column, (name, (model, settings)) in enumerate(runs.items()):
            batch = next(iter(condition_batches(settings.data, one, Condition("test"))))
            for line, (word, drawn) in enumerate(maps(model, batch.images, label).items()):
                allowed, spacing = batch.regions[0, label], volume.spacing_mm or (4, 4, 4)
                cut = cut_planes(volume.values, drawn, allowed, spacing_mm=spacing)
                for place, (plane, picture) in enumerate(cut.pictures.items()):
                    ax = axes[2 * row + line, 3 * column + place]
                    ax.imshow(picture)
                    ax.set_axis_off()
                    if place == 0:
                        ax.set_title(f"{name}\n{finding}, {word}", fontsize=9, loc="left")
                    else:
                        ax.set_title(plane, fontsize=8, loc="left", color="0.4")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def maps(model: nn.Module, images: Tensor, label: int) -> dict[str, Tensor]:
    """HiResCAM and LRP of one class of one volume, `(D, H, W)` each."""
    with evaluation_mode(model), torch.no_grad():
        answer = model.linear_answer(images)  # type: ignore[operator]  # AxialNet has it
        cam = answer.scale * (answer.weights[label] * answer.features[0]).sum(0)
        relevance = LRP_MAP(model, images, EveryClass()).attribution[0, label].sum(0)
    return {"HiResCAM": upsample_to(cam[None, None].relu(), tuple(images.shape[2:]))[0, 0], "LRP": relevance}


def main() -> None:
    """Print the tables and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--planes", type=Path)
    parser.add_argument("--slices", type=Path)
    options = parser.parse_args()
    trained = sorted(file.parent.name for file in options.folder.glob("*/model.safetensors"))
    names = [FIRST, *(name for name in trained if name != FIRST)]
    opened = {}
    for name, (settings, run) in open_runs([options.folder / name for name in names]).items():
        cohort = read_cohort(settings.data.cohort)
        model = load_trained(settings, run, num_classes=cohort.num_classes)
        lrp_inside(model, settings, cohort, run.path)
        opened[name] = (model, settings)
    print(f"{scores(options.folder, names)}\n\n{changes(options.folder, names)}")
    if options.slices:
        slice_curves(*opened[names[-1]], cohort, options.slices)
    if options.planes:
        planes(opened, cohort, options.planes)


if __name__ == "__main__":
    main()
