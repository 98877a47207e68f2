"""Fetch the images of a study into a folder; the same command again fetches what is missing.

  sightline pacs read https://pacs.example/dicom-web --study 1.2.826.0.1 --out study

A folder a series, a file an image. Reports, results and images for processing are left out. The files hold what the
archive knows about the patient: keep them where such files belong.
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import StoppedError
from sightline.cli.talk import progress


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("url", metavar="URL", help="root of the DICOMweb server")
    parser.add_argument("--study", required=True, metavar="UID", help="StudyInstanceUID")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the images go")
    parser.add_argument("--modality", nargs="+", metavar="NAME", help="of the images; default: CR DX CT")


def run(arguments: Namespace) -> int:
    """Fetch them."""
    from sightline.pacs import IMAGES, Server, read_study

    server = Server(arguments.url, timeout_s=arguments.timeout)
    try:
        with progress() as stage:
            modalities = arguments.modality or IMAGES
            found = read_study(
                server, arguments.study, arguments.out, modalities=modalities, progress=stage("images fetched")
            )
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped; {arguments.out} holds what is done, the same command continues", exit_code=130
        ) from None
    if arguments.json:
        say_json([{**vars(each), "folder": each.folder.as_posix()} for each in found])
        return 0
    rows = [[str(each.folder), each.modality, str(each.images), str(each.fetched)] for each in found]
    say(table(["folder", "modality", "images", "fetched"], rows))
    return 0
