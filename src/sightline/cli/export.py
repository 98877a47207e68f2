"""Write the classifier of a run as ordinary files, which need neither the run nor, most of them, Sightline.

sightline export runs/isnet                                     # weights and what they mean
sightline export runs/isnet --format all --out exports/isnet
sightline export runs/isnet --format onnx --maps lrp            # a graph that returns logits and maps

Each format is a folder: safetensors (weights and model.json, for sightline.models.open_classifier), torch (a program of
torch.export), onnx, monai (a bundle) and huggingface (weights, config.json, model card). A file is kept only if it
answers as the model does; how far the two are apart is told.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.data import Cohort
    from sightline.exporting import Export, Exported, Maps

_MIB = 2**20


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--format",
        nargs="+",
        default=[],
        metavar="NAME",
        help="safetensors, torch, onnx, monai, huggingface, or all; default: safetensors, with --maps onnx",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: export in the run folder")
    parser.add_argument(
        "--maps", metavar="METHOD", help="torch and onnx: also return maps, by a method of one pass of explain --list"
    )
    parser.add_argument(
        "--target", default="predicted", help="of the maps: predicted, or a class by name or index; default: predicted"
    )
    parser.add_argument("--layer", nargs="+", default=[], metavar="NAME", help="of the model, for maps that take one")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="METHOD.OPTION=VALUE", help="of maps")
    parser.add_argument(
        "--license", default="unknown", metavar="NAME", help="of the weights, such as cc-by-4.0; default: %(default)s"
    )
    parser.add_argument("--again", action="store_true", help="replace what was exported before")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Export."""
    from sightline.exporting import FORMATS, WITH_MAPS

    if arguments.maps is None and (arguments.target != "predicted" or arguments.layer or arguments.set):
        raise UsageError("--target, --layer and --set are about maps; name a method with --maps")
    every = FORMATS if arguments.maps is None else WITH_MAPS
    formats = arguments.format or (["safetensors"] if arguments.maps is None else ["onnx"])
    out = arguments.out or arguments.run / "export"
    export = _export(arguments)
    with progress() as stage:

        def begin(form: str) -> None:
            stage(f"export {form}")(0, None)

        written = export.write(every if "all" in formats else formats, out, progress=begin)
    if arguments.json:
        say_json([_as_dict(each) for each in written])
    else:
        say(_table(written))
        say("\n" + "\n".join(str(each.folder) for each in written))
    return 0


def _export(arguments: Namespace) -> "Export":
    """Open the run and say what is to be written."""
    from sightline.data import read_cohort
    from sightline.exporting import Export, classifier_of, examples_of
    from sightline.training import load_trained, open_run

    settings, run = open_run(arguments.run)
    cohort = read_cohort(settings.data.cohort)
    maps = _maps(arguments, cohort)
    classifier = classifier_of(settings, load_trained(settings, run, num_classes=cohort.num_classes), cohort)
    card, scores = _card(arguments.run, cohort)
    return Export(
        classifier,
        maps,
        examples=examples_of(cohort, settings),
        card=card,
        scores=scores,
        licence=arguments.license,
        again=arguments.again,
    )


def _maps(arguments: Namespace, cohort: "Cohort") -> "Maps | None":
    from sightline.cli.method_words import aim_of, chosen_methods
    from sightline.exporting import Maps

    if arguments.maps is None:
        return None
    if arguments.maps == "all":
        raise UsageError("--maps takes one method; export another graph for another one")
    chosen = chosen_methods([arguments.maps], arguments.set, layers=arguments.layer, batch_size=None)
    ((name, explainer),) = chosen.items()
    aim = aim_of(arguments.target, cohort)
    if aim in ("label", "every"):
        raise UsageError(f"--target {aim}: a graph explains the predicted class, or one that is named")
    return Maps(name, explainer, None if isinstance(aim, str) else aim)


def _card(folder: Path, cohort: "Cohort") -> tuple[str, tuple[Any, ...]]:
    """Write the model card of a run, and list what it was measured to have."""
    from sightline.cli.cards import make_cards
    from sightline.cli.contents import read_comparison
    from sightline.cli.opening import open_runs
    from sightline.cli.score_tables import METRICS, condition_words
    from sightline.comparing import Comparison
    from sightline.errors import RunError
    from sightline.exporting import Measured
    from sightline.reporting import card_markdown

    runs = open_runs([folder])
    try:
        comparison = read_comparison(runs)
    except RunError:  # not evaluated
        comparison = Comparison({name: {} for name in runs})
    card, *_ = make_cards(runs, comparison, cohort)
    ((_, tested),) = comparison.evaluations.items()
    scores = tuple(
        Measured(cohort.root.name, condition_words(condition), key, METRICS[key], interval.value)
        for condition, result in tested.items()
        for key, interval in result.metrics.items()
        if key in METRICS
    )
    return card_markdown(card), scores


def _table(written: "tuple[Exported, ...]") -> str:
    maps = any(each.agreement.maps is not None for each in written)
    head = ["format", "MiB", "images at a time", "logits differ by", *(["maps differ by"] if maps else [])]
    rows = []
    for each in written:
        cells = [
            each.format,
            f"{sum(each.files.values()) / _MIB:.1f}",
            "any" if each.batch is None else str(each.batch),
        ]
        cells.append(f"{each.agreement.logits:.0e}")
        rows.append(cells + ([f"{each.agreement.maps:.0e}"] if each.agreement.maps is not None else []))
    return table(head, rows)


def _as_dict(each: "Exported") -> dict[str, Any]:
    from sightline.exporting.agreement import LOGITS_WITHIN, MAPS_WITHIN

    told = each.agreement
    agreement: dict[str, Any] = {"images": told.images, "logits": told.logits, "logits_within": LOGITS_WITHIN}
    if told.maps is not None:
        agreement |= {"maps": told.maps, "maps_within": MAPS_WITHIN}
    return {
        "format": each.format,
        "folder": each.folder.as_posix(),
        "files": each.files,
        "images_at_a_time": each.batch or "any",
        "agreement": agreement,
    }
