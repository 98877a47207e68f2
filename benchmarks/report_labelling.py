"""Reports labelled a second on one core, of three corpora: read before, half new, and all new.

    python benchmarks/report_labelling.py --output benchmarks/results/report_labelling_NAME.txt

Reports are made of the statements of normal organs that repeat from report to report and of statements of findings that
are put together anew from words; 16 sentences each. "Half new": half of the sentences are of the former kind. "All
new": none. "Read before": those of "half new" once more. Each time with a labeller that has met the words but not the
sentences; processor time of one thread, median of `--times`.
"""

import argparse
import random
import statistics
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
    parser.add_argument("--reports", type=int, default=600)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines = []
    for rules in ("scoped", "sarle"):
        half, new = (corpus(arguments.reports, seed, normal=share) for seed, share in ((1, 0.5), (2, 0.0)))
        rates: dict[str, list[float]] = {"read before": [], "half new": [], "all new": []}
        for _ in range(arguments.times):
            labeller = ReportLabeller(rules=rules)
            for report in corpus(50, 0, normal=0.5):  # the words, not the sentences
                labeller(report)
            for name, reports in (("half new", half), ("read before", half), ("all new", new)):
                rates[name].append(rate(labeller, reports))
        for name, each in rates.items():
            length = statistics.mean(map(len, new if name == "all new" else half))
            lines.append(
                f"{rules:7} {name:12} {statistics.median(each):6.0f} reports/s ({min(each):.0f} to {max(each):.0f}), "
                f"{length:.0f} characters each"
            )
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
