"""The report: one HTML file that holds everything it shows."""

from pathlib import Path

from sightline.reporting import words
from sightline.reporting.bias_gap import bias_gap_figure
from sightline.reporting.confusion import confusion_figure
from sightline.reporting.content import ReportContent, Table, condition_words
from sightline.reporting.curves import curves_figure
from sightline.reporting.gallery_page import make_gallery
from sightline.reporting.page import Chart, make_chart, render_page
from sightline.reporting.pareto import pareto_figure
from sightline.runs import write_text


def write_report(path: Path, content: ReportContent) -> None:
    """Write `content` as one self-contained HTML file, atomically.

    Raises:
        DataError: parts of the content do not fit each other.
        ShapeError: an explanation or region has another size than its image.
    """
    write_text(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """Return the page as text; see `write_report`."""
    return render_page(
        "report.html.j2",
        content=content,
        answer=content.answer or words.answer(content.gaps, content.metric),
        gap=_gap_chart(content),
        changes=_changes(content),
        scores=_scores(content),
        costs=_costs_chart(content),
        confusion=_confusion_chart(content),
        gallery=make_gallery(content.gallery, region_name=content.region_name) if content.gallery else None,
        curves=_curves_chart(content),
    )


def _gap_chart(content: ReportContent) -> Chart | None:
    if not content.gaps:
        return None
    return make_chart(
        "gap",
        words.describe_gaps(content.gaps, content.metric),
        lambda theme, width: bias_gap_figure(
            content.gaps, metric=content.metric, chance=content.chance, theme=theme, width=width
        ),
    )


def _costs_chart(content: ReportContent) -> Chart | None:
    if not any(each.score.value == each.score.value for each in content.costs):
        return None
    return make_chart(
        "costs",
        words.describe_costs(content.costs, content.metric, content.costs_where),
        lambda theme, width: pareto_figure(
            content.costs,
            metric=content.metric,
            where=content.costs_where,
            chance=content.chance,
            theme=theme,
            width=min(width, 880),
        ),
    )


def _curves_chart(content: ReportContent) -> Chart | None:
    if not content.curves:
        return None
    alt = words.describe_curves(content.curves)
    return make_chart("curves", alt, lambda theme, width: curves_figure(content.curves, theme=theme, width=width))


def _confusion_chart(content: ReportContent) -> Chart | None:
    if not content.confusions:
        return None
    alt = words.describe_confusions(content.confusions)
    return make_chart(
        "confusion", alt, lambda theme, width: confusion_figure(content.confusions, theme=theme, width=width)
    )


def _changes(content: ReportContent) -> Table | None:
    """How far each recipe moves from the first condition."""
    if not any(row.change for row in content.gaps):
        return None
    others = list(dict.fromkeys(condition for row in content.gaps for condition in row.change))
    return Table(
        f"Change of {content.metric} in the same patients",
        ("Recipe", *(condition_words(condition)[0] for condition in others)),
        tuple((row.recipe, *map(row.change.get, others)) for row in content.gaps),
        signed=True,
    )


def _scores(content: ReportContent) -> Table | None:
    if not content.table:
        return None
    names = list(dict.fromkeys(name for row in content.table for name in row.scores))
    return Table(
        "All scores",
        ("Recipe", "Tested on", *names, "Images"),
        tuple(
            (row.recipe, condition_words(row.condition)[0], *map(row.scores.get, names), row.cases)
            for row in content.table
        ),
        lead=f"Small numbers are {content.interval}.",
    )
