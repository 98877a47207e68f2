"""List studies, latest first, without saying whose they are.

sightline pacs find https://pacs.example/dicom-web --modality DX --date 20260101-20260131
"""

from argparse import Namespace
from dataclasses import asdict

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("url", metavar="URL", help="root of the DICOMweb server")
    parser.add_argument("--patient", default="", metavar="ID", help="studies of this PatientID")
    parser.add_argument("--accession", default="", metavar="NUMBER", help="of this AccessionNumber")
    parser.add_argument("--date", default="", metavar="DAY[-DAY]", help="of a day YYYYMMDD, or from one to another")
    parser.add_argument("--modality", default="", metavar="NAME", help="with a series of this modality")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="most studies; default: 100")


def run(arguments: Namespace) -> int:
    """List them."""
    from sightline.pacs import Server, find_studies

    server = Server(arguments.url, timeout_s=arguments.timeout)
    found = find_studies(
        server,
        patient=arguments.patient,
        accession=arguments.accession,
        dates=arguments.date,
        modality=arguments.modality,
        limit=arguments.limit,
    )
    if arguments.json:
        say_json([asdict(study) for study in found])
    elif not found:
        say(f"{server.name} has no such study")
    else:
        rows = [
            [each.uid, each.date, " ".join(each.modalities), "" if each.instances is None else str(each.instances)]
            for each in found
        ]
        say(table(["study", "date", "modalities", "objects"], rows))
    return 0
