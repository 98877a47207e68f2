"""Train a segmenter on the images that have masks, and make masks for those that have none.

  sightline prepare masks train COHORT --out RUN
  sightline prepare masks apply RUN COHORT --out FOLDER

`train` needs a cohort with masks and the splits train and val (`sightline prepare split`); it can be killed at any time
and goes on with --resume. `apply` writes a mask an image, a cohort that points to them, `masks.csv` with what is
suspicious about each, and `masks.png` to look at.
"""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import RunFailedError, UsageError
from sightline.cli.talk import progress
from sightline.errors import RunError

if TYPE_CHECKING:
    from sightline.data import Cohort
    from sightline.segmenting import MadeMask

_CHANGES = ("epochs", "size", "batch_size", "seed", "device")


def configure(parser: Parser) -> None:
    """Add the two things to do and their options."""
    steps = parser.add_subparsers(dest="step", required=True, metavar="train | apply")
    train = steps.add_parser("train", help="train a U-Net on the masks of a cohort and choose its threshold")
    train.add_argument("cohort", type=Path, help="folder or table, with masks and the splits train and val")
    train.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder")
    train.add_argument(
        "--recipe",
        choices=("practical", "paper"),
        default="practical",
        help="practical: minutes on a CPU; paper: 600 epochs of a full U-Net, for a GPU; default: %(default)s",
    )
    train.add_argument("--epochs", type=int, help="passes over the training split; default: of the recipe")
    train.add_argument("--size", type=int, help="side of the network's input, pixels; default: of the recipe")
    train.add_argument("--batch-size", type=int, help="images a batch; default: of the recipe")
    train.add_argument("--seed", type=int, help="default: 0")
    train.add_argument("--device", help="auto, cpu, cuda or cuda:<number>; default: auto")
    train.add_argument("--resume", action="store_true", help="continue the run in the folder")
    apply = steps.add_parser("apply", help="make masks for the images of a cohort")
    apply.add_argument("run", type=Path, metavar="RUN", help="run folder of a trained segmenter")
    apply.add_argument("cohort", type=Path, help="folder or table")
    apply.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for masks and table")
    apply.add_argument("--sheet", type=int, default=72, metavar="N", help="masks on the sheet; default: %(default)s")
    apply.add_argument("--device", default="auto", help="default: %(default)s")
    for each in (train, apply):
        each.add_common()


def run(arguments: Namespace) -> int:
    """Train or apply."""
    return {"train": _train, "apply": _apply}[arguments.step](arguments)


def _train(arguments: Namespace) -> int:
    from sightline.runs import RunFolder
    from sightline.segmenting import RECIPES, chosen_threshold, train_segmenter

    given = {name: getattr(arguments, name) for name in _CHANGES if getattr(arguments, name) is not None}
    settings = replace(RECIPES[arguments.recipe](arguments.cohort), **given)
    with progress() as stage:
        try:
            trained = train_segmenter(
                settings, arguments.out, resume=arguments.resume, advance=stage("training the segmenter")
            )
        except RunError as error:
            if RunFolder(arguments.out).status.get("reason") == str(error).splitlines()[0]:
                raise RunFailedError(str(error)) from error  # begun, not refused
            raise
    choice = chosen_threshold(trained.path)
    if arguments.json:
        say_json({"run": trained.path.as_posix(), **trained.status, **choice})
    else:
        say(
            f"{trained.path}: threshold {choice['threshold']:.2f}, IoU {choice['iou']:.3f} and Dice "
            f"{choice['dice']:.3f} on {choice['images']} validation images; next: sightline prepare masks apply "
            f"{trained.path} COHORT --out FOLDER"
        )
    return 0


def _apply(arguments: Namespace) -> int:
    from sightline.data import read_cohort
    from sightline.segmenting import compare_masks, load_segmenter, make_masks

    if arguments.sheet < 1:
        raise UsageError(f"--sheet must be at least 1, got {arguments.sheet}")
    segmenter = load_segmenter(arguments.run, device=arguments.device)
    cohort = read_cohort(arguments.cohort)
    with progress() as stage:
        made = make_masks(segmenter, cohort, arguments.out, advance=stage("masks"))
    sheets = _write_sheet(made, cohort, arguments.out, most=arguments.sheet)
    review = {each.case.id: list(each.review) for each in made if each.review}
    compared = compare_masks(made)
    if arguments.json:
        result = {"cohort": arguments.out.as_posix(), "images": len(made), "threshold": segmenter.threshold}
        say_json({**result, "compared": compared, "review": review, "sheets": [file.as_posix() for file in sheets]})
        return 0
    say(f"{arguments.out}: {len(made)} masks, {len(review)} to be looked at (masks.csv, {sheets[0].name})")
    if compared:
        say(f"with the {compared['images']} masks there were: IoU {compared['iou']:.3f}, Dice {compared['dice']:.3f}")
    return 0


def _write_sheet(made: Sequence["MadeMask"], cohort: "Cohort", folder: Path, *, most: int) -> list[Path]:
    from sightline.data.readers.masks import read_mask
    from sightline.data.readers.pixels import read_unit
    from sightline.reporting.mask_sheet import mask_tile, write_mask_sheet
    from sightline.segmenting import true_mask, worth_seeing

    tiles = []
    for each in worth_seeing(made, most):
        image = read_unit(each.case.image, value_range=cohort.value_range, name=cohort.name(each.case.image))
        given = None if each.case.mask is None else true_mask(cohort, each.case, image.shape)
        words = f"confidence {each.shape.confidence:.2f}" + ("" if each.iou is None else f", IoU {each.iou:.2f}")
        mask = read_mask(each.file, image=each.case.image) > 0
        tiles.append(mask_tile(each.case.id, image, mask, given, words=words, review=each.review))
    review = sum(bool(each.review) for each in made)
    title = f"{len(tiles)} of {len(made)} masks, {review} to be looked at"
    return write_mask_sheet(folder / "masks.png", tiles, title=title)
