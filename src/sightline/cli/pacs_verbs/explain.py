"""Answer about the images of a study, and store map, overlay, region and report in it.

  sightline pacs explain runs/isnet https://pacs.example/dicom-web --study 1.2.826.0.1

Objects that were stored before by the same model, method and class are not stored twice, unless --again asks for new
ones. Afterwards the server is asked whether it has them all.
"""

import json
import logging
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import StoppedError, UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.pacs import Answered, Question, Stored

_log = logging.getLogger(__name__)


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("url", metavar="URL", help="root of the DICOMweb server")
    parser.add_argument("--study", required=True, metavar="UID", help="StudyInstanceUID")
    parser.add_argument("--method", default="lrp", metavar="NAME", help="see sightline explain --list; default: lrp")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="METHOD.OPTION=VALUE", help="options of the method"
    )
    parser.add_argument("--target", metavar="CLASS", help="by name or index; default: the likeliest")
    parser.add_argument(
        "--modality", nargs="+", metavar="NAME", help="of the images; default: CR DX, for a model of volumes CT"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what is read and made; default: nowhere")
    parser.add_argument("--again", action="store_true", help="store new objects though there are equal ones")


def run(arguments: Namespace) -> int:
    """Read, answer, store, and look whether it is there."""
    from sightline.answering import Answerer
    from sightline.pacs import Server, answer_source, read_study, sources_in, store_objects
    from sightline.reporting.dicom import write_objects
    from sightline.reporting.dicom.source import check_extra
    from sightline.training import open_run

    check_extra()
    server = Server(arguments.url, timeout_s=arguments.timeout)
    settings, _ = open_run(arguments.run)
    answerer, question = Answerer.open(arguments.run), _question(arguments)
    modalities = arguments.modality or (("CR", "DX") if answerer.data.volume is None else ("CT",))
    done: list[tuple[Answered, Stored]] = []
    try:
        with _folder(arguments.keep) as folder, progress() as stage:
            advance = stage("images fetched")
            series = read_study(server, arguments.study, folder, modalities=modalities, progress=advance)
            sources, advance = sources_in(answerer, series), stage("answered")
            for number, source in enumerate(sources, start=1):
                answered = answer_source(answerer, settings, source, question)
                for words in answered.warnings:
                    _log.warning("%s: %s", answered.name, words)
                if arguments.keep:
                    write_objects(dict(answered.objects), folder / "results", f"{source.stem}.{question.method}")
                done.append((answered, store_objects(server, answered.objects)))
                advance(number, len(sources))
    except KeyboardInterrupt:
        raise StoppedError(
            "stopped; the server has what is done, the same command stores the rest", exit_code=130
        ) from None
    _tell(done, as_json=arguments.json)
    return 0


def _question(arguments: Namespace) -> "Question":
    from sightline.attribution.methods import options_of
    from sightline.cli.method_words import chosen_methods
    from sightline.pacs import Question

    if arguments.method == "all":
        raise UsageError("--method: a result is about one method; name it")
    (explainer,) = chosen_methods([arguments.method], arguments.set, layers=(), batch_size=None).values()
    options = json.loads(json.dumps(options_of(explainer)))
    return Question(arguments.method, options, arguments.target, again=arguments.again)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield where images go: a folder that is removed in the end, or the one to be kept."""
    if keep is not None:
        yield keep
        return
    with TemporaryDirectory(prefix="sightline-") as folder:
        yield Path(folder)


def _tell(done: "list[tuple[Answered, Stored]]", *, as_json: bool) -> None:
    if as_json:
        say_json([_record(answered, stored) for answered, stored in done])
        return
    rows = [
        [answered.name, answered.target, f"{answered.probabilities[answered.target]:.3f}", _words(stored)]
        for answered, stored in done
    ]
    say(table(["image", "class", "probability", "objects"], rows))


def _words(stored: "Stored") -> str:
    parts = [f"{len(stored.new)} stored"] if stored.new else []
    return ", ".join([*parts, *([f"{len(stored.kept)} there already"] if stored.kept else [])])


def _record(answered: "Answered", stored: "Stored") -> dict[str, Any]:
    return {
        "image": answered.name,
        "class": answered.target,
        "probabilities": dict(answered.probabilities),
        "warnings": list(answered.warnings),
        "stored": dict(stored.new),
        "kept": dict(stored.kept),
    }
