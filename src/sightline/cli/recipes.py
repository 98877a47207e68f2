"""List the recipes, or print one.

A recipe is a file of settings that names a method: `sightline train -c isnet-stochastic data.cohort=FOLDER`.
"""

from argparse import Namespace
from dataclasses import asdict, dataclass

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError


@dataclass(frozen=True)
class About:
    """What a recipe says of itself in its first lines.

    Attributes:
        does: what it does.
        paper: where it comes from, with the section.
        cost: of a training step over the same network's plain one.
    """

    does: str
    paper: str
    cost: str

    @classmethod
    def of(cls, text: str) -> "About":
        """Read the comments at the head of a recipe."""
        does, paper, cost = (line.removeprefix("#").strip() for line in text.splitlines()[:3])
        return cls(does, paper.removeprefix("Paper:").strip(), cost.removeprefix("Cost:").strip())


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("name", nargs="?", help="recipe to print")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """List the recipes, or print one."""
    from sightline.cli.settings import RECIPES

    found = (RECIPES.glob("*.yaml"), RECIPES.glob("studies/*.yaml"))
    files = [file for group in found for file in sorted(group, key=lambda file: file.stem)]
    texts = {file.stem: file.read_text(encoding="utf-8") for file in files}
    if arguments.name and arguments.name not in texts:
        raise UsageError(f"no recipe {arguments.name!r}; the recipes are {', '.join(texts)}")
    abouts = {name: About.of(text) for name, text in texts.items()}
    if arguments.json:
        listed = {name: asdict(about) for name, about in abouts.items()}
        say_json({arguments.name: texts[arguments.name]} if arguments.name else listed)
    elif arguments.name:
        say(texts[arguments.name].rstrip())
    else:
        width = max(map(len, abouts)) + 2
        for name, about in abouts.items():
            say(f"{name:<{width}}{about.does}")
            say(f"{'':<{width}}{about.paper}")
            say(f"{'':<{width}}step: {about.cost}")
    return 0
