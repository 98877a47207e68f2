"""Train classifiers and compare where they look with what is outlined.

  sightline study grad-cam data.cohort=my-xrays
  sightline study grad-cam data.cohort=my-xrays -c mine.yaml weights='{vgg16: vgg16.pth}'
  sightline study voc-cams data.cohort=my-voc model.weights=vgg16.pth

grad-cam: several architectures trained alike, and Grad-CAM inside and outside the outlined lesions of one class, after
Qiu et al. 2023. Its settings, listed below, start from the recipe grad-cam-study.
voc-cams: one classifier of several labels an image, and its HiResCAM and Grad-CAM against the outlines, by the number
of labels, after Draelos and Carin. Its settings start from the recipes voc-vgg16 and voc-cams-study; --print-config
lists them.
What is trained already is not trained again.
"""

import importlib
from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError

SETTINGS = ("sightline.comparing.study_settings", "StudySettings")

STUDIES = {  # study: module of `sightline.cli.studying`
    "grad-cam": "grad_cam",
    "voc-cams": "voc_cams",
}


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="holds the runs and the results; default: runs/NAME")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Run the study."""
    from sightline.cli.settings import read_settings, to_yaml, words_to_overrides

    names, overrides = words_to_overrides(arguments.words)
    if len(names) != 1 or names[0] not in STUDIES:
        asked = " ".join(names) or "nothing"
        raise UsageError(f"name the study, {', '.join(STUDIES)}; got {asked}; as in: sightline study grad-cam")
    module = importlib.import_module(f"sightline.cli.studying.{STUDIES[names[0]]}")
    settings = read_settings(module.settings_kind(), [*module.RECIPES, *arguments.config], overrides)
    if arguments.print_config:
        say(to_yaml(settings).rstrip())
        return 0
    folder = arguments.out or Path("runs") / settings.name
    study = module.run(settings, folder)
    if arguments.json:
        say_json(study.as_dict())
    else:
        say(module.words(study, folder))
    return 0
