"""Free-text reports: labels, the words behind them, and the labels of the study, by both kinds of rules."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from sightline.errors import SightlineError
from sightline.regions.reports import ReportLabeller, read_reports, study_values
from targets.files import as_file

WORDS = (
    *(b"no ", b"without ", b"nodule", b"effusion", b"right upper lobe", b" mm", b" cm", b" x ", b"1.2", b"previously "),
    *(
        b"FINDINGS:",
        b"IMPRESSION:",
        b"History:",
        b"\n- ",
        b"1. ",
        b"; ",
        b", but ",
        b"(3; 188)",
        b"possible ",
        b"unchanged",
    ),
    *(b"\xc2\xb5", b"\xc4\xb0", b"\xe2\x80\x93", b"\xef\xac\x81", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"),
)


@cache
def _labellers() -> tuple[ReportLabeller, ...]:
    return (
        ReportLabeller("ct"),
        ReportLabeller("cxr", "unknown"),
        ReportLabeller("ct", "negative", rules="sarle"),
        ReportLabeller("cxr", rules="sarle"),
    )


def one(data: bytes) -> None:
    """Label a report as it lies in a file; each word that is named stands in the report where it is said to."""
    with as_file(data, "report.txt") as path, suppress(SightlineError):
        (report,) = [each for each in read_reports(path.parent) if each.id == "report"]
        for labeller in _labellers():
            labels = labeller(report.text)
            for told in labels.explanations:
                assert all(report.text[a:b] == word for word, (a, b) in zip(told.words, told.spans, strict=True))
            if labeller is _labellers()[0]:
                study_values(labels)


def seeds() -> Iterator[tuple[str, bytes]]:
    """What reports say, and how."""
    yield (
        "ct",
        b"FINDINGS: There is a 1.2 x 0.9 cm ground-glass nodule in the right upper lobe (series 3; image 188), "
        b"previously 8 mm.\nNo pleural effusion or pneumothorax. Heart is enlarged; a stent is seen.\n\nIMPRESSION:\n"
        b"1. Nodule, likely benign.\n2. The largest, left lower lobe, 5 mm.\n",
    )
    yield "cxr", b"Indication: cough vs. pneumonia.\nLungs: Clear. Cannot exclude small left efusion.\nDr. J. Smith"
    yield "list", b"Impression\n- cardiomegaly, unchanged\n- bibasilar atelectesis;\n- status post CABG\n"
    yield "utf-16", "No nodule \u2013 unchanged.".encode("utf-16")
    yield "empty", b"\n"
