"""Make labels of free-text reports: which findings each tells, and where.

REPORTS is a CSV with the columns id and text (or report), or a folder of .txt files. The table has the column id and
one a class: 1 if the report has it, 0 if not, empty if that is not known, as for an empty report. With the 80 labels of
the study, organs:<class> tells where each may be: 1 right lung, 2 mediastinum, 3 left lung, 1+3 either lung.
`sightline prepare ct --labels` takes the table as it is.
"""

import csv
import io
import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.regions.reports import FindingScore, ReportFile, ReportLabeller, ReportLabels

_log = logging.getLogger("sightline.cli.preparing.reports")
_EVERY = 1000  # reports between two notes of how many are done


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("reports", type=Path, help="CSV with id and text, or folder of .txt files")
    parser.add_argument("out", type=Path, metavar="OUT.csv", help="table to write")
    parser.add_argument("--vocabulary", default="ct", help="ct, cxr, or a folder with tables of one's own; default: ct")
    parser.add_argument(
        "--uncertain",
        choices=("positive", "negative", "unknown"),
        default="positive",
        help="what a possible finding becomes; default: %(default)s",
    )
    parser.add_argument(
        "--labels",
        choices=("study80", "findings", "matrix"),
        help="the 80 of the study, every finding, or every finding at every place; default: study80, of cxr findings",
    )
    parser.add_argument(
        "--rules",
        choices=("scoped", "sarle"),
        default="scoped",
        help="ours, or the published ones; default: %(default)s",
    )
    parser.add_argument("--classifier", type=Path, metavar="FILE", help="sentence classifier in place of the rules")
    parser.add_argument("--explain", action="store_true", help="write the words behind each label beside the table")
    parser.add_argument("--against", type=Path, metavar="LABELLED.csv", help="labels of people, to compare with")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Label them, and write the table."""
    from sightline.regions.reports import read_reports
    from sightline.runs import write_text

    kind = arguments.labels or ("study80" if arguments.vocabulary == "ct" else "findings")
    if kind == "study80" and arguments.vocabulary == "cxr":
        raise UsageError("--labels study80 are of CT; with --vocabulary cxr ask for findings or matrix")
    labeller = _labeller(arguments)
    reports = read_reports(arguments.reports)
    labels: dict[str, ReportLabels] = {}
    with progress() as stage:
        advance = stage("labelling reports")
        for number, report in enumerate(reports, 1):
            labels[report.id] = labeller(report.text)
            if number % _EVERY == 0 or number == len(reports):
                advance(number, len(reports))
    unread = _tell(reports, labels)
    rows = {name: _row(each, kind) for name, each in labels.items()}
    scores = _scores(arguments.against, labels, rows) if arguments.against else ()
    write_text(
        arguments.out, _csv(["id", *next(iter(rows.values()))], [[name, *row.values()] for name, row in rows.items()])
    )
    if arguments.explain:
        write_text(arguments.out.with_suffix(".explained.csv"), _explained(labels))
    _show(arguments, rows, unread, scores)
    return 0


def _labeller(arguments: Namespace) -> "ReportLabeller":
    from sightline.regions.reports import HybridReader, ReportLabeller, SentenceClassifier

    reader = None
    if arguments.classifier:
        reader = HybridReader(SentenceClassifier.load(arguments.classifier), arguments.vocabulary)
    return ReportLabeller(arguments.vocabulary, arguments.uncertain, rules=arguments.rules, reader=reader)


def _tell(reports: "list[ReportFile]", labels: "Mapping[str, ReportLabels]") -> int:
    """Say of which reports nothing is known, and why."""
    unread = 0
    for report in reports:
        if report.problem:
            _log.warning("report %s: %s; its labels are left empty", report.id, report.problem)
        elif labels[report.id].empty:
            _log.warning("report %s is empty; its labels are left empty", report.id)
        unread += labels[report.id].empty
    if not any(each.present for each in labels.values()):
        _log.warning("no report has any finding; is this the right column, and the vocabulary of these examinations?")
    return unread


def _row(labels: "ReportLabels", kind: str) -> dict[str, str]:
    from sightline.regions.reports import study_values

    if kind == "study80":
        values = study_values(labels)
        row = {name: _cell(value) for name, (value, _) in values.items()}
        return row | {f"organs:{name}": organs for name, (_, organs) in values.items()}
    if kind == "findings":
        return {name: _cell(labels.value(name)) for name in labels.findings}
    return {
        f"{finding}*{place}": _cell(float(value))
        for finding, line in zip(labels.findings, labels.matrix, strict=True)
        for place, value in zip(labels.places, line, strict=True)
    }


def _cell(value: float) -> str:
    return "" if value != value else str(int(value))


def _csv(head: list[str], rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def _explained(labels: "Mapping[str, ReportLabels]") -> str:
    rows = [
        [
            name,
            each.finding,
            each.status,
            "+".join(each.places),
            word,
            str(start),
            str(end),
            " ".join(each.sentence.split()),
        ]
        for name, report in labels.items()
        for each in report.explanations
        for word, (start, end) in zip(each.words, each.spans, strict=True)
    ]
    return _csv(["id", "finding", "status", "places", "words", "start", "end", "sentence"], rows)


def _scores(
    path: Path, labels: "Mapping[str, ReportLabels]", rows: Mapping[str, Mapping[str, str]]
) -> "tuple[FindingScore, ...]":
    """Compare with a table whose columns are findings, or those of the table that is written."""
    from sightline.regions.reports import compared, read_labelled

    values = {
        name: {finding: each.value(finding) for finding in each.findings}
        | {
            column: float(cell) if cell else float("nan")
            for column, cell in rows[name].items()
            if "organs:" not in column
        }
        for name, each in labels.items()
    }
    return compared(read_labelled(path, list(next(iter(values.values())))), values)


def _show(
    arguments: Namespace, rows: Mapping[str, Mapping[str, str]], unread: int, scores: "tuple[FindingScore, ...]"
) -> None:
    from sightline.regions.reports import mean_f, score_rows

    found = sum("1" in [cell for name, cell in row.items() if "organs:" not in name] for row in rows.values())
    if arguments.json:
        result: dict[str, object] = {"table": arguments.out.as_posix(), "reports": len(rows), "with_findings": found}
        result["unknown"] = unread
        if scores:
            result["mean_f"] = mean_f(scores)
            result["findings"] = {
                each.finding: {"precision": each.precision, "recall": each.recall, "f": each.f} for each in scores
            }
        say_json(result)
        return
    healthy = len(rows) - found - unread
    say(f"{arguments.out}: {len(rows)} reports, {found} with findings, {healthy} without, {unread} unknown")
    if scores:
        say(table(*score_rows(scores)))
