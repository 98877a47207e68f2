"""How often nominal 95 % intervals hold the truth, by simulation at the sizes of the papers' test sets.

    python benchmarks/coverage.py --output benchmarks/results/coverage.json

Each setting is a known truth from which test sets are drawn again and again; each method gives every one of them an
interval, and the share of the intervals that hold the truth is its coverage. Areas under the ROC curve are of normal
scores, with one image a patient or several that resemble each other; scores of decisions are of confusion matrices
drawn from published ones. Wilson's interval is not simulated: its coverage is a finite sum. 93 to 97 % is asked for;
of 2000 test sets the standard error of a coverage of 95 % is 0.5 points, of 1000 it is 0.7.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from coverage_settings import Setting, limits, settings
from scipy import stats

from sightline.metrics import wilson_interval
from sightline.metrics.averages import Array
from sightline.runs import write_json

LOW, HIGH = 0.93, 0.97


def simulate(setting: Setting, times: int, seed: int) -> list[dict[str, Any]]:
    """Coverage of each method, with the share of intervals below and above the truth and their median width."""
    rng = np.random.default_rng(seed)
    found = [setting.intervals(setting.draw(rng)) for _ in range(times)]
    rows = []
    for method in found[0]:
        ends = np.array([each[method] for each in found])  # (times, truths, 2)
        for (name, truth), (low, high) in zip(setting.truths.items(), ends.transpose(1, 2, 0), strict=True):
            rows.append(
                {
                    "setting": ", ".join(filter(None, (name, setting.about))),
                    "method": method,
                    "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
                    "below": round(float((high < truth).mean()), 4),
                    "above": round(float((low > truth).mean()), 4),
                    "width": round(float(np.nanmedian(high - low)), 4),
                    "test sets": times,
                }
            )
    return rows


def of_wilson(n: int, shares: Array) -> dict[str, Any]:
    """Coverage of Wilson's interval over true shares, exactly: the chance of the counts whose interval holds them."""
    ends = np.array([limits(wilson_interval(count, n)) for count in range(n + 1)])
    held = (ends[:, :1] <= shares) & (shares <= ends[:, 1:])
    coverage = (stats.binom.pmf(np.arange(n + 1)[:, None], n, shares) * held).sum(0)
    mean, least, most = (round(float(value), 4) for value in (coverage.mean(), coverage.min(), coverage.max()))
    about = f"share {shares[0]:.2f} to {shares[-1]:.2f} of {n} images"
    return {"setting": about, "method": "Wilson", "coverage": mean, "least": least, "most": most}


def told(row: dict[str, Any]) -> str:
    """One line of the table."""
    rest = ("below", "above") if "below" in row else ("least", "most")
    parts = [f"{100 * row[name]:5.1f}" for name in ("coverage", *rest)]
    verdict = "" if LOW <= row["coverage"] <= HIGH else "  outside"
    return f"{row['setting']:78s} {row['method']:32s} {' '.join(parts)}{verdict}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a setting and a column a method; what lies outside of what is asked for is bold."""
    methods, settings_ = (list(dict.fromkeys(row[name] for row in rows)) for name in ("method", "setting"))
    found = {(row["setting"], row["method"]): row["coverage"] for row in rows}
    lines = ["| | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for about in settings_:
        shares = [found.get((about, method)) for method in methods]
        cells = ["" if share is None else f"{100 * share:.1f}" for share in shares]
        marked = [f"**{cell}**" if cell and not LOW <= float(cell) / 100 <= HIGH else cell for cell in cells]
        lines.append(f"| {about} | " + " | ".join(marked) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000, help="test sets of the quick settings; half for the others")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--only", default="", help="settings whose name has this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--show", type=Path, help="print the table of an earlier run instead")
    options = parser.parse_args()
    if options.show:
        print(markdown(json.loads(options.show.read_text(encoding="utf-8"))["rows"]))
        return
    start = time.process_time()
    rows = [of_wilson(n, np.linspace(0.4, 0.95, 56)) for n in (100, 333, 370, 383, 1360)]
    print(f"{'':78s} {'':32s} cover below above (of Wilson: least, most), %")
    for row in rows:
        print(told(row))
    for number, setting in enumerate(settings(options.resamples)):
        if options.only in setting.about:
            for row in simulate(setting, round(setting.share * options.times), options.seed + number):
                rows.append(row)
                print(told(row), flush=True)
    seconds = time.process_time() - start
    within = sum(LOW <= row["coverage"] <= HIGH for row in rows)
    print(f"{within} of {len(rows)} within 93 to 97 %; {seconds:.0f} s of the processor")
    if options.output:
        about = {
            "numpy": np.__version__,
            "resamples": options.resamples,
            "seed": options.seed,
            "seconds": round(seconds),
        }
        write_json(options.output, {**about, "rows": rows})


if __name__ == "__main__":
    main()
