"""Make phantoms with known lungs and findings: chest radiographs, or chest CT.

By default radiographs of three classes whose hospital marks give the class away, as the demo uses them. With
`--findings` radiographs with any of five findings, exact masks of each, simulated gaze and reports. With `--ct` CT
volumes with any of six findings, masks of each, labels of the organs and reports; with `--bias` besides, each finding
has an object on the skin that gives it away. Nothing is downloaded. What was broken off can be asked for again: it
makes the same files.
"""

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.preparing.pairs import pairs
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

_COUNTS: Mapping[str, str] = {
    "phantoms": "train=600,val=150,test=240,ood=240",
    "findings": "train=600,val=150,test=240,ood=240",
    "ct": "train=36,val=9,test=15,ood=12",
}
_SIZES: Mapping[str, int] = {"phantoms": 96, "findings": 256, "ct": 128}
_OF_CT = ("slice_mm", "least_severity", "regions")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--findings", action="store_true", help="radiographs with findings, masks, gaze and reports")
    parser.add_argument("--ct", action="store_true", help="CT volumes with findings, their masks and organ labels")
    sizes = f"{_SIZES['phantoms']}, with --findings {_SIZES['findings']}, with --ct {_SIZES['ct']}"
    parser.add_argument("--size", type=int, help=f"side in pixels; default: {sizes}")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--counts", help=f"default: {_COUNTS['phantoms']}, with --ct {_COUNTS['ct']}")
    slices = "CT: distance of slices, which cover 324 mm; default: the scanner's"
    regions = "CT: where a finding may be seen: itself (lesions, the default) or the lungs or mediastinum that hold it"
    bias = (
        "share of patients in the hospital of their class, 0 (any hospital) to 1 (the default); "
        "CT: share of objects on the skin that tell the truth, by default there are none"
    )
    parser.add_argument("--slice-mm", type=float, help=slices)
    parser.add_argument("--least-severity", type=float, help="CT: of findings, 0 to 1; default: 0")
    parser.add_argument("--regions", choices=("lesions", "organs"), help=regions)
    parser.add_argument("--bias", type=float, help=bias)
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Make them."""
    if arguments.findings and arguments.ct:
        raise UsageError("--findings makes radiographs and --ct makes CT; ask for one of them")
    kind = "ct" if arguments.ct else "findings" if arguments.findings else "phantoms"
    given = {name: getattr(arguments, name) for name in _OF_CT if getattr(arguments, name) is not None}
    if given and not arguments.ct:
        raise UsageError(f"--{next(iter(given)).replace('_', '-')} is of CT; add --ct")
    if arguments.bias is not None:
        if arguments.findings:
            raise UsageError("--bias is not for --findings, whose hospitals differ in who comes to them")
        given["bias"] = arguments.bias
    counts = pairs(arguments.counts or _COUNTS[kind], "--counts", int)
    size = _SIZES[kind] if arguments.size is None else arguments.size
    with progress() as stage:
        folder = _maker(kind)(
            arguments.out, seed=arguments.seed, size=size, counts=counts, progress=stage("phantoms"), **given
        )
    if arguments.json:
        say_json({"cohort": folder.as_posix(), "images": counts})
    else:
        say(f"{folder}: {sum(counts.values())} phantoms")
    return 0


def _maker(kind: str) -> Callable[..., Path]:
    """The function that makes a cohort of this kind."""
    if kind == "ct":
        from sightline.data.phantoms.ct import make_ct_cohort

        return make_ct_cohort
    if kind == "findings":
        from sightline.data.phantoms.radiographs import make_findings_cohort

        return make_findings_cohort
    from sightline.data.phantoms import make_phantom_cohort

    return make_phantom_cohort
