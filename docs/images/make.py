"""Draw the pictures of README and docs from a folder of compared runs: `make.py FOLDER PREFIX [--gallery] [RUN ...]`.

README's are of `sightline demo`: `python docs/images/make.py demo docs/images/demo --gallery`.
"""

import sys
from pathlib import Path

from sightline.cli.contents import read_comparison, report_content
from sightline.cli.settings import read_settings
from sightline.data import read_cohort
from sightline.reporting import bias_gap_figure, gallery_figure, save_figure
from sightline.runs import RunFolder
from sightline.training import TrainSettings


def main(folder: Path, prefix: str, names: list[str]) -> None:
    """Write PREFIX_bias_gap.png, and PREFIX_gallery.png with --gallery."""
    runs = {
        name: (read_settings(TrainSettings, [str(folder / name / "config.yaml")]), RunFolder(folder / name))
        for name in names or ["plain", "isnet"]
    }
    comparison = read_comparison(runs)
    content = report_content("", runs, comparison, read_cohort(next(iter(runs.values()))[0].data.cohort), cases=3)
    save_figure(bias_gap_figure(content.gaps, chance=content.chance), Path(f"{prefix}_bias_gap.png"))
    if "--gallery" in sys.argv:  # of phantoms only: no patient belongs in the repository
        save_figure(gallery_figure(content.gallery, tile=150), Path(f"{prefix}_gallery.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [name for name in sys.argv[3:] if not name.startswith("--")])
