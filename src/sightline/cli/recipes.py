"""List the recipes, or print one.

A recipe is a file of settings that names a method: `sightline train -c isnet data.cohort=FOLDER`.
"""

from argparse import Namespace

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("name", nargs="?", help="recipe to print")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """List the recipes, or print one."""
    from sightline.cli.settings import RECIPES, recipe_names

    texts = {name: (RECIPES / f"{name}.yaml").read_text(encoding="utf-8") for name in recipe_names()}
    if arguments.name and arguments.name not in texts:
        raise UsageError(f"no recipe {arguments.name!r}; the recipes are {', '.join(texts)}")
    abouts = {name: text.splitlines()[0].removeprefix("#").strip() for name, text in texts.items()}
    if arguments.json:
        say_json({arguments.name: texts[arguments.name]} if arguments.name else abouts)
    elif arguments.name:
        say(texts[arguments.name].rstrip())
    else:
        width = max(map(len, abouts)) + 2
        for name, about in abouts.items():
            say(f"{name:<{width}}{about}")
    return 0
