"""`sightline VERB`: find the verb, run it, and turn what goes wrong into one line and an exit code.

Exit codes: 0 done; 1 the run failed; 2 wrong usage or bad input; 3 done but a gate was not passed; 75 interrupted and
resumable; 130 stopped by Ctrl-C.
"""

import difflib
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from sightline import __version__
from sightline.cli.allocation import keep_freed_memory
from sightline.cli.parser import Parser
from sightline.cli.stopping import SaidElsewhereError, UsageError
from sightline.cli.talk import start_logging
from sightline.errors import SightlineError
from sightline.urls import url_of, without_secrets

VERBS = (
    "demo",
    "prepare",
    "train",
    "tune",
    "evaluate",
    "explain",
    "audit",
    "compare",
    "study",
    "report",
    "export",
    "view",
    "serve",
    "pacs",
    "recipes",
    "doctor",
)
_ALIASES = {
    "fit": "train",
    "test": "evaluate",
    "val": "evaluate",
    "validate": "evaluate",
    "eval": "evaluate",
    "heatmap": "explain",
    "data": "prepare",
    "checks": "doctor",
    "info": "doctor",
    "list": "recipes",
}

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: the words after `sightline`; those of the process by default.
    """
    if argv is None:  # the process is ours
        keep_freed_memory()
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in words or "--verbose" in words
    try:
        return _run(words)
    except SaidElsewhereError as error:
        return error.exit_code
    except SightlineError as error:
        return _fail(error, getattr(error, "exit_code", 2), verbose=verbose)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `sightline recipes | head -1`
        sys.stderr.close()
        return 0
    except Exception as error:
        return _fail(error, 1, verbose=verbose)


def _run(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        return _top(words)
    verb, *rest = words
    if verb not in VERBS:
        meant = _ALIASES.get(verb) or next(iter(difflib.get_close_matches(verb, VERBS, n=1)), None)
        hint = f" Did you mean {meant}?" if meant else f" The verbs are {', '.join(VERBS)}."
        raise UsageError(f"unknown verb {verb!r}.{hint}")
    module = _module(verb)
    parser = Parser.of(verb, module)
    arguments = parser.parse(rest)
    if arguments is None:
        return 0
    if not getattr(arguments, "out_may_be_store", False):
        _refuse_store(getattr(arguments, "out", None))
    start_logging(arguments.verbosity)
    code: int = module.run(arguments)
    return code


def _refuse_store(out: object) -> None:
    """Refuse to write into a store, which would make a folder called `s3:`."""
    if isinstance(out, Path) and (url := url_of(out)):
        raise UsageError(f"results are written to the disk, not to {without_secrets(url)}; name a folder, and copy it")


def _top(words: list[str]) -> int:
    if words[:1] in (["-V"], ["--version"]):
        sys.stdout.write(f"sightline {__version__}\n")
        return 0
    if words and words[0] not in ("-h", "--help"):
        raise UsageError(f"unknown option {words[0]}; the verb comes first, as in: sightline train {words[0]}")
    lines = ["Train image classifiers that look where they should, and prove that they do.", ""]
    lines += ["usage: sightline VERB [options]     sightline VERB --help", ""]
    lines += [f"  {verb:<10}{_summary(_module(verb))}" for verb in VERBS]
    lines += ["", "Start with `sightline demo`. For research; not a medical device."]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"sightline.cli.{verb}")


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0].removesuffix(".")


def _fail(error: BaseException, code: int, *, verbose: bool) -> int:
    known = isinstance(error, SightlineError)
    text = str(error) if known else f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not known and not verbose:
        text += " (run again with -v for the traceback)"
    if verbose:
        _log.error("traceback", exc_info=error)
    for line in text.splitlines() or [type(error).__name__]:
        sys.stderr.write(f"error: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
