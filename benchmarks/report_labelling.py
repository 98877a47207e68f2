"""Reports labelled a second on one core, of three corpora: all sentences new, as dictated, and read before.

    python benchmarks/report_labelling.py --output benchmarks/results/report_labelling_NAME.txt

Reports are made of the statements of normal organs that repeat from report to report and of statements of findings that
are put together anew from words; about 1,100 characters and 16 sentences each. "As dictated": half of the sentences are
of the former kind. "New": none, and every cache is cold. Processor time of one thread; `--reports` of each.
"""

import argparse
import itertools
import random
import time
from collections.abc import Sequence
from pathlib import Path

from sightline.regions.reports import ReportLabeller

PLACES = (
    *("right upper lobe", "left lower lobe", "right middle lobe", "lingula", "left upper lobe", "right lower lobe"),
    *("lung bases", "right apex", "left lung", "both lower lobes"),
)
FINDINGS = (
    *("nodule", "ground-glass opacity", "consolidation", "atelectasis", "scarring", "cyst", "calcified granuloma"),
    *("mass", "bronchiectasis", "reticulation", "emphysema", "airspace opacity", "tree-in-bud nodularity"),
)
KINDS = (
    "small",
    "new",
    "stable",
    "mild",
    "moderate",
    "patchy",
    "subtle",
    "ill-defined",
    "large",
    "chronic",
    "peripheral",
)
NORMAL = (
    "No pleural effusion or pneumothorax.",
    "The central airways are patent.",
    "Heart size is normal.",
    "No pericardial effusion.",
    "No enlarged mediastinal, hilar or axillary lymph nodes.",
    "The thoracic aorta is normal in caliber.",
    "No suspicious osseous lesion.",
    "The visualized upper abdomen is unremarkable.",
    "The thyroid is unremarkable.",
    "No acute fracture.",
)


def statement(draw: random.Random) -> str:
    """A statement of findings, one of some millions."""
    kind, other = draw.choice(KINDS), draw.choice(KINDS)
    finding, second, third = (draw.choice(FINDINGS) for _ in range(3))
    place, size = draw.choice(PLACES), f"{draw.randint(3, 29)} mm"
    return draw.choice(
        (
            f"There is a {kind} {size} {finding} in the {place}, {other} since {draw.randint(1, 12)}/20.",
            f"{kind.capitalize()} {finding} and {other} {second} within the {place}, without {third}.",
            f"{draw.choice(('Right', 'Left'))} {kind} effusion with {other} {finding} in the {place}, but no {third}.",
        )
    )


def corpus(count: int, seed: int, *, normal: float) -> list[str]:
    """Reports of which this share of sentences is of normal organs."""
    draw = random.Random(seed)
    reports = []
    for _ in range(count):
        lines = [draw.choice(NORMAL) if draw.random() < normal else statement(draw) for _ in range(14)]
        reports.append(
            "INDICATION: Cough, evaluate for nodule.\nTECHNIQUE: CT without contrast.\nFINDINGS: "
            + " ".join(lines)
            + f"\nIMPRESSION:\n1. {lines[0]}\n2. {lines[1]}"
        )
    return reports


def rate(labeller: ReportLabeller, reports: Sequence[str]) -> float:
    start = time.process_time()
    for report in reports:
        labeller(report)
    return len(reports) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=2000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines = []
    for rules in ("scoped", "sarle"):
        labeller = ReportLabeller(rules=rules)  # type: ignore[arg-type]
        labeller.label_many(corpus(50, 0, normal=0.5))  # the words, not the sentences
        dictated, new = (corpus(arguments.reports, seed, normal=share) for seed, share in ((1, 0.5), (2, 0.0)))
        for name, reports in (("as dictated", dictated), ("new", new), ("read before", dictated)):
            repeated = len(set(itertools.chain.from_iterable(report.split(". ") for report in reports)))
            length = sum(map(len, reports)) / len(reports)
            lines.append(
                f"{rules:7} {name:12} {rate(labeller, reports):8.0f} reports/s, {length:.0f} characters each, "
                f"{repeated} different sentences"
            )
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
