"""Make the cohort of a published study from the downloads of its data sets.

  sightline prepare cohort --list
  sightline prepare cohort tuberculosis --root tb_portals=TB --root chexpert=CheXpert-v1.0 ... --out cohort

The folder gets cohort.csv, cohort.yaml, left_out.csv, and census.csv with every count of the paper beside what was
found. Every file is looked at: what cannot be read is left out and listed. A recipe may also be a YAML file.
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.preparing.adapted import told, watched
from sightline.cli.stopping import StoppedError, UsageError
from sightline.cli.talk import progress


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.usage = (
        "sightline prepare cohort RECIPE --root NAME=PATH ... --out DIR [options]\n       "
        "sightline prepare cohort --list"
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="name from --list, or a YAML file")
    parser.add_argument(
        "--root", nargs="+", action="extend", default=[], metavar="NAME=PATH", help="folder of each data set"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the cohort")
    parser.add_argument("--list", action="store_true", help="list the recipes and the folders that they need")
    parser.add_argument("--seed", type=int, help="of draws and splits; default: the recipe's")
    parser.add_argument("--partial", action="store_true", help="go on with what is there of downloads unpacked in part")
    parser.add_argument("--strict", action="store_true", help="end with exit code 2 when a file cannot be used")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Make the cohort, or list the recipes."""
    if arguments.list:
        return _list(as_json=arguments.json)
    if None in (arguments.recipe, arguments.out):
        raise UsageError("name a recipe, its folders as --root NAME=PATH, and --out DIR; --list shows the recipes")
    from dataclasses import replace

    from sightline.cli.preparing.looking import look_at_files, write_left_out
    from sightline.data import write_cohort
    from sightline.data.adapters import LeftOut
    from sightline.data.cohort_census import census_table, take_census
    from sightline.data.cohort_recipes import CENSUS_NAME, build_cohort, read_recipe
    from sightline.runs import write_text

    recipe, out = read_recipe(arguments.recipe), arguments.out
    roots = _roots(arguments.root)
    try:
        with progress() as stage:
            built = build_cohort(
                recipe,
                roots,
                out,
                seed=arguments.seed,
                partial=arguments.partial,
                progress=watched(stage("reading the tables")),
            )
            cohort, problems = look_at_files(
                built.cohort, out, strict=arguments.strict, advance=stage("looking at every file")
            )
    except KeyboardInterrupt:
        raise StoppedError("stopped; the same command continues", exit_code=130) from None
    parts = {
        key: replace(cohort, cases=tuple(case for case in cohort.cases if case.id.startswith(f"{key}/")))
        for key in recipe.sources
    }
    census = take_census(parts, recipe.expected)
    write_text(out / CENSUS_NAME, census_table(census))
    rules = [
        LeftOut(f"{key}/{each.id.removeprefix(f'{key}/')}", each.reason)
        for key, of in built.left_out.items()
        for each in of
    ]
    left_out = write_left_out(out, rules, problems)
    made = write_cohort(cohort, out)
    if arguments.json:
        say_json(
            {
                "cohort": out.as_posix(),
                "images": len(cohort.cases),
                "census": [{**vars(line), "difference": line.difference} for line in census],
                "left_out": len(rules),
                "unusable": [{"case": problem.case, "what": problem.what} for problem in problems],
            }
        )
    else:
        rows = [
            [" ".join(filter(None, (line.source, line.split, line.of))) or "all", line.unit, f"{line.found:,}"]
            + (["", ""] if line.paper is None else [f"{line.paper:,}", f"{line.difference:+,}"])
            for line in census
        ]
        say(table(["what", "unit", "found", "paper", "difference"], rows))
        say("\n" + "\n".join([*told(problems, left_out), f"{made}: {len(cohort.cases)} images"]))
    return 0


def _roots(words: list[str]) -> dict[str, Path]:
    """Read `name=path` words.

    Raises:
        UsageError: a word looks otherwise, or a name comes twice.
    """
    roots: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--root must look like chexpert=CheXpert-v1.0, got {word!r}")
        if name in roots:
            raise UsageError(f"--root {name} is given twice, {roots[name]} and {path}")
        roots[name] = Path(path)
    return roots


def _list(*, as_json: bool) -> int:
    from sightline.data.cohort_recipes import cohort_recipes, read_recipe

    known = {name: read_recipe(name) for name in cohort_recipes()}
    optional = {
        name: sorted({root for source in recipe.sources.values() for root in source.optional.values()})
        for name, recipe in known.items()
    }
    if as_json:
        say_json(
            [
                {
                    "name": name,
                    "title": recipe.title,
                    "task": recipe.task,
                    "classes": list(recipe.classes),
                    "roots": list(recipe.roots),
                    "optional": optional[name],
                }
                for name, recipe in known.items()
            ]
        )
        return 0
    for name, recipe in known.items():
        say(f"{name}: {recipe.title}")
        say(f"  classes  {', '.join(recipe.classes)}")
        say(f"  roots    {', '.join(recipe.roots)}")
        if optional[name]:
            say(f"  perhaps  {', '.join(optional[name])}")
    return 0
