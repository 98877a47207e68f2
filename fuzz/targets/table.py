"""Tables of comma-separated values; the first byte says of what: cohorts, gaze, reports, labels, results."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import suppress

from sightline.data import read_cohort
from sightline.data.adapters.layout import number, read_rows
from sightline.data.egd_gaze import read_egd_fixations, read_egd_samples, read_egd_screens
from sightline.data.gaze_files import region_from_gaze
from sightline.data.volumes.labels import read_labels
from sightline.errors import SightlineError
from sightline.evaluation.predictions import read_predictions
from sightline.evaluation.saliency import read_saliency
from sightline.regions.gaze.screen import Screen
from sightline.regions.reports import read_labelled, read_reports
from targets.files import as_file, folder

WORDS = (
    *(b"image", b"label", b"patient", b"split", b"mask:", b"id", b"text", b"x,y,start,duration", b"time,x,y,valid"),
    *(
        b"organs:",
        b'"',
        b'""',
        b"\r",
        b"\r\n",
        b"\0",
        b"\xef\xbb\xbf",
        b"nan",
        b"inf",
        b"1e999",
        b"-1",
        b"#1+3",
        b";",
        b"\t",
    ),
)
_SCREENS = {"a": Screen(0, 0, 100, 100)}
_SIZES = {"a": (88, 192)}


def one(data: bytes) -> None:
    """Read one kind of table."""
    kind, body = data[:1] or b"\0", data[1:]
    with suppress(SightlineError):
        KINDS[kind[0] % len(KINDS)](body)


def _cohort(body: bytes) -> None:
    """A table, perhaps after the settings beside it and a line of three dashes."""
    head, dashes, rows = body.rpartition(b"\n---\n")
    with as_file(rows, "cohort.csv") as path:
        (folder() / "cohort.yaml").unlink(missing_ok=True)
        if dashes:
            (folder() / "cohort.yaml").write_bytes(head)
        cohort = read_cohort(path)
        ids = [case.id for case in cohort.cases]
        assert len(set(ids)) == len(ids)
        for case in cohort.cases[:3]:
            assert not case.image.is_symlink()  # asks the system about the name


def _gaze(body: bytes) -> None:
    with as_file(body, "gaze.csv") as path:
        region = region_from_gaze(path, (90, 120), (9, 12))
        assert region.shape == (1, 9, 12)


def _egd(body: bytes) -> None:
    with as_file(body, "egd.csv") as path:
        for read in (
            lambda: read_egd_screens(path),
            lambda: list(read_egd_fixations(path, _SCREENS, _SIZES)),
            lambda: list(read_egd_samples(path, _SCREENS, _SIZES)),
        ):
            with suppress(SightlineError):
                read()


def _reports(body: bytes) -> None:
    with as_file(body, "reports.csv") as path:
        read_reports(path)


def _labelled(body: bytes) -> None:
    with as_file(body, "labelled.csv") as path:
        read_labelled(path, ["nodule", "effusion"])


def _labels(body: bytes) -> None:
    with as_file(body, "labels.csv") as path:
        read_labels(path)


def _rows(body: bytes) -> None:
    for name, content in (
        ("list.csv", body),
        ("list.csv.gz", body),
        ("packed.csv.gz", gzip.compress(body, 1, mtime=0)),
    ):
        with as_file(content, name) as path, suppress(SightlineError):
            for row in read_rows(path, ["name", "age"], title="data set", delimiter="", fold=True):
                number(row["age"], "age", title="data set")


def _predictions(body: bytes) -> None:
    with as_file(body, "predictions.csv") as path:
        for task in ("multiclass", "multilabel"):
            with suppress(SightlineError):
                read_predictions(path, task=task, classes=("a", "b"))


def _saliency(body: bytes) -> None:
    with as_file(body, "saliency.csv") as path:
        read_saliency(path.parent)


KINDS: tuple[Callable[[bytes], None], ...] = (
    *(_cohort, _gaze, _egd, _reports, _labelled, _labels, _rows, _predictions, _saliency),
)


def seeds() -> Iterator[tuple[str, bytes]]:
    """A small one of each."""
    yield "cohort", b"\0image,label,patient,split,age\na.png,sick,p1,train,40\nb.png,well,p2,test,\n"
    head = b"task: multilabel\nclasses: [a, b]\nvalue_range: [0, 255]\nunits: HU\n---\n"
    yield "cohort-settings", b"\0" + head + b"image,a,b,mask:a,image:off\nx.png,1,,m.png,o.png\ny.png,0,0.5,,\n"
    yield "fixations", b"\1x,y,start,duration\n10,20,0,0.2\n50,60.5,0.3,0.4\n"
    yield (
        "samples",
        b"\1time,x,y,valid,pixels_per_degree_x,pixels_per_degree_y\n0,10,20,1,30,30\n0.1,,,0,30,30\n0.2,11,20,1,30,30\n",
    )
    yield "reflacx", b"\1timestamp_start_fixation,timestamp_end_fixation,x_position,y_position\n0,1,5,6\n"
    yield "sheet", b'\2dicom_id,image_left_pad,image_right_pad,image_top_pad,image_bottom_pad\n"a\nb",0,0,100,100\n'
    yield (
        "egd-fixations",
        b"\2SESSION_ID,DICOM_ID,Time (in secs),FPOGX,FPOGY,FPOGS,FPOGD,FPOGV,BKID\n"
        b"1,a,0.1,0.5,0.5,0,0.1,1,0\n1,a,0.2,0.6,0.5,0.1,0.1,1,0\n",
    )
    yield (
        "egd-samples",
        b"\2SESSION_ID,DICOM_ID,Time (in secs),BPOGX,BPOGY,BPOGV,BKID,BKDUR\n"
        b"1,a,0.1,0.5,0.5,1,0,0\n2,a,0.2,0.6,0.5,1,3,0.1\n",
    )
    yield "reports", b'\3id,text\n1,"No effusion, but a nodule."\n2,Normal.\n'
    yield "labelled", b"\4id,nodule,effusion\n1,1,0\n2,,1.0\n"
    yield "labels", b"\5id,patient,nodule,mask:nodule,organs:nodule\ns1,p1,1,m.nii.gz#2,1+3\ns2,p2,0,,\n"
    yield "rows", b"\6Name;Age;\na;40;\nb;;\n"
    yield (
        "predictions",
        b"\7case,patient,label,predicted,probability:a,probability:b,explained,relevance_inside,region_area\n"
        b"c1,p1,a,b,0.25,0.75,b,0.5,0.1\n",
    )
    yield "saliency", b"\x08case,patient,nss,auc_judd,cc,sim,kl\nc1,p1,1,0.5,0.1,0.2,0.3\n"
