"""Audit a trained model: how good, where it looks, what moves it, and how sure that is.

  sightline audit runs/isnet
  sightline audit runs/isnet other-xrays --split ood --parts performance,outside
  sightline audit timm:densenet121 my-xrays --weights densenet.safetensors --values imagenet
  sightline audit my_models:build my-xrays --weights mine.pt --channels 1 --outputs pneumonia=3 effusion=7
  sightline audit classifier.onnx my-xrays --size 320 preprocessing.equalise=false

MODEL is a run folder, a .pt2 or .onnx file, LIBRARY:NAME of torchvision, timm, monai or torchxrayvision, or
package.module:attribute, a module or a callable that makes one. Nothing is downloaded. A file of an exported model can
be asked but not looked into. Run the same command again to continue where it stopped. --jobs measures in several
processes, --cluster on a Dask cluster. Machines that share a disk may also divide the work by --shard 1/3, 2/3 and 3/3;
the command without it then concludes.

--gate ends with exit code 3 where a part finds something bad.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import StoppedError, UsageError
from sightline.cli.talk import progress
from sightline.cli.working import add_machines, machines_of
from sightline.shards import read_shard

if TYPE_CHECKING:
    from sightline.evaluation.audit import Audit

SETTINGS = ("sightline.data.settings", "DataSettings")
GATE = 3


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.usage = "sightline audit MODEL [COHORT] [options] [key=value]..."
    parser.add_argument("model", metavar="MODEL", help="see above")
    parser.add_argument("cohort", nargs="?", metavar="COHORT", help="cohort to audit on; default: that of the run")
    parser.add_argument(
        "--split", metavar="NAME", help="of the cohort; default: test, or all where there are no splits"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="audit N cases at most, whole patients drawn at random")
    parser.add_argument("--parts", default="", metavar="A,B", help="parts of the audit; default: all")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: RUN/audit, or audits/MODEL")
    add_machines(parser)
    parser.add_argument("--shard", metavar="I/N", help="measure only the I-th of N parts of the cases")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn; default: 0")
    parser.add_argument("--again", action="store_true", help="replace an audit with other settings")
    parser.add_argument("--gate", action="store_true", help="exit with 3 if a part finds something bad")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...; default: auto")
    model = parser.add_argument_group("models that are no run")
    model.add_argument("--weights", type=Path, metavar="FILE", help="safetensors, or a state dict of torch.save")
    model.add_argument("--random-weights", action="store_true", help="audit it untrained")
    model.add_argument("--size", type=int, metavar="N", help="side of its images; short for preprocessing.size=N")
    model.add_argument("--channels", type=int, metavar="N", help="short for preprocessing.channels=N")
    model.add_argument(
        "--values", metavar="[LOW,HIGH]", help="what it has for black and white, or imagenet; default: [0,1]"
    )
    model.add_argument("--outputs", nargs="+", default=[], metavar="CLASS=INDEX", help="default: all, in order")
    model.add_argument("--probabilities", action="store_true", help="it answers with probabilities, not logits")
    model.add_argument("--threshold", type=float, metavar="P", help="least probability for a yes; default: 0.5")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Audit."""
    from sightline.cli.audit_contents import audit_content
    from sightline.cli.auditing import prepare
    from sightline.cli.measuring import measure_over
    from sightline.cli.settings import to_yaml
    from sightline.evaluation.audit import Folder, audit, measure
    from sightline.evaluation.audit.parts import default_parts
    from sightline.reporting.audit_page import write_audit_page

    shard = read_shard(arguments.shard) if arguments.shard else None
    if shard is not None and (arguments.again or arguments.gate):
        raise UsageError("--shard measures only; give --again and --gate to the command without it")
    parts = default_parts([name.strip() for name in arguments.parts.split(",") if name.strip()])
    work = prepare(arguments)
    if arguments.print_config:
        say(to_yaml(work.data).rstrip())
        return 0
    machines = machines_of(arguments, arguments.device)
    subject, material = work.open()
    folder = Folder(work.folder)
    try:
        with progress() as stage:
            advance = stage(f"audit of {subject.name}")
            how: dict[str, Any] = {"progress": advance}
            if machines is not None:
                how = {"elsewhere": lambda chunks: measure_over(machines, work, parts, chunks, advance)}
            if shard is not None:
                measure(subject, material, parts, folder, shard, **how)
                return _measured(work.folder, arguments)
            found = audit(subject, material, parts, folder, again=arguments.again, **how)
            page = work.folder / "audit.html"
            write_audit_page(
                page,
                audit_content(found, subject, material, work.folder, facts=work.facts, command=command_of(arguments)),
            )
    except KeyboardInterrupt:
        what = f"stopped; {work.folder} holds what is done, the same command continues"
        raise StoppedError(what, exit_code=130) from None
    if arguments.json:
        told = {"folder": work.folder.as_posix(), "page": page.as_posix(), "cases": len(material.cases)}
        say_json({**told, **found.as_dict()})
    else:
        say(verdicts_table(found))
        say(f"\n{len(material.cases)} cases; the page: {page}, the numbers: {work.folder / 'audit.json'}")
    failed = any(section.verdict == "bad" for section in found.sections)
    return GATE if arguments.gate and failed else 0


def _measured(folder: Path, arguments: Namespace) -> int:
    if arguments.json:
        say_json({"folder": folder.as_posix(), "shard": arguments.shard})
    else:
        say(
            f"part {arguments.shard} of the cases is measured; {folder} holds it, the command without --shard concludes"
        )
    return 0


def command_of(arguments: Namespace) -> str:
    """Write the command again, without what does not change the audit."""
    import shlex

    words = ["sightline", "audit", arguments.model, *([arguments.cohort] if arguments.cohort else [])]
    for name in ("split", "limit", "parts", "seed", "weights", "size", "channels", "values", "outputs", "threshold"):
        value = getattr(arguments, name)
        if value not in (None, "", []) and (name, value) != ("seed", 0):
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    words += [f"--{name.replace('_', '-')}" for name in ("random_weights", "probabilities") if getattr(arguments, name)]
    words += [word for file in arguments.config for word in ("-c", file)]
    return shlex.join([*words, *arguments.words])


def verdicts_table(found: "Audit") -> str:
    """Lay out part, verdict and answer, long answers on several lines."""
    import textwrap

    names = max(len(section.name) for section in found.sections)
    verdicts = max(len(section.verdict) for section in found.sections)
    lines = []
    for section in found.sections:
        head = f"{section.name:<{names}}  {section.verdict:<{verdicts}}  "
        lines += textwrap.wrap(section.answer, 110, initial_indent=head, subsequent_indent=" " * len(head))
    return "\n".join(lines)
