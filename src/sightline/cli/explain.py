"""Draw where a run looks: heatmaps over the images, red for the class and blue against it.

sightline explain runs/isnet --split test --number 12
sightline explain runs/isnet --method lrp grad_cam integrated_gradients --set integrated_gradients.steps=100 --sheet
sightline explain runs/isnet scan.png folder/ --target pneumonia --maps npy
sightline explain runs/isnet scan.dcm --dicom
sightline explain --list

Each case gets a folder with a picture a method, and a maps.json that says what was asked and what came out. Run the
same command again to continue where it stopped. --jobs draws in several processes, --cluster on a Dask cluster, batch
by batch. Machines that share a disk may also divide the work by --shard 1/3, 2/3 and 3/3; the command without it then
lists all.
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import StoppedError, UsageError
from sightline.cli.talk import progress
from sightline.cli.working import add_machines


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.usage = "sightline explain RUN [IMAGE ...] [options]\n       sightline explain --list"
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "images", nargs="*", type=Path, metavar="IMAGE", help="image files or folders, in place of the run's cohort"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the methods, what they cost and when not to trust them"
    )
    parser.add_argument("--split", metavar="NAME", help="of the cohort; default: test")
    parser.add_argument("--bias", choices=("on", "off", "swapped"), help="of the cohort; default: on")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--number", type=int, metavar="N", help="images of the cohort, spread over classes; default: 12")
    which.add_argument("--cases", nargs="+", default=[], metavar="CASE", help="these images of the cohort")
    parser.add_argument(
        "--method", nargs="+", default=["lrp"], metavar="NAME", help="from --list, or all; default: lrp"
    )
    parser.add_argument(
        "--layer", nargs="+", default=[], metavar="NAME", help="of the model, for methods that take one"
    )
    parser.add_argument(
        "--target", default="predicted", help="predicted, label, every, or a class by name or index; default: predicted"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="METHOD.OPTION=VALUE", help="options of methods"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="maps to hold at a time; default: the run's")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: maps/SPLIT or maps/images in the run folder"
    )
    parser.add_argument("--maps", choices=("npy", "nifti"), help="also keep the maps as arrays of float32")
    parser.add_argument(
        "--dicom", action="store_true", help="also write results of DICOM images as DICOM: map, overlay, region, report"
    )
    parser.add_argument(
        "--sheet", action="store_true", help="also draw a contact sheet, a row a case, a column a method"
    )
    add_machines(parser)
    parser.add_argument("--shard", metavar="I/N", help="draw only the I-th of N parts of the maps")
    parser.add_argument("--again", action="store_true", help="replace maps that were drawn with other settings")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Draw, or list the methods."""
    if arguments.list:
        return _list(as_json=arguments.json)
    if arguments.run is None:
        raise UsageError("name a run folder, before the options: sightline explain RUN [IMAGE ...] [options]")
    if arguments.shard and arguments.sheet:
        raise UsageError("--sheet shows all maps; give it to the command without --shard")
    from sightline.cli.explaining import Work
    from sightline.cli.map_words import maps_table, write_sheet
    from sightline.cli.method_words import chosen_methods

    methods = chosen_methods(arguments.method, arguments.set, layers=arguments.layer, batch_size=arguments.batch_size)
    work = Work.prepare(arguments, methods)
    where = work.folder.path
    try:
        with progress() as stage:
            work.draw(stage("maps"))
        records = work.records()
        sheets = write_sheet(where, records, work.title) if arguments.sheet else []
    except KeyboardInterrupt:
        raise StoppedError(f"stopped; {where} holds what is done, the same command continues", exit_code=130) from None
    if arguments.json:
        say_json({"folder": where.as_posix(), "cases": records, "sheets": [file.as_posix() for file in sheets]})
    else:
        say(maps_table(records))
        count = sum(len(record["maps"]) for record in records)
        say("\n" + "\n".join([f"{count} maps of {len(records)} images in {where}", *map(str, sheets)]))
    return 0


def _list(*, as_json: bool) -> int:
    from sightline.attribution.methods import methods

    known = list(methods().values())
    if as_json:
        keys = ("name", "about", "forward", "backward", "caveat", "needs")
        say_json([{key: getattr(method, key) for key in keys} for method in known])
        return 0
    rows = [("method", "forward", "backward", "")]
    for method in known:
        rows.append((method.name, method.forward, method.backward, method.about))
        rows += [
            ("", "", "", f"! {words}") for words in (method.caveat, method.needs and f"needs {method.needs}") if words
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip())
    say("\nforward, backward: passes through the model for the map of one class, roughly")
    return 0
