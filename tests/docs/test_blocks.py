"""Every block of code in README.md and on the pages runs, or is read as far as it can be."""

import contextlib
import gc
import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from sightline.cli.main import VERBS, _module, main
from sightline.cli.parser import Parser
from sightline.cli.settings import read_settings, words_to_overrides

from .blocks import ROOT, Block, blocks_in, blocks_of, pages
from .listed import ELSEWHERE, PARSED, reason
from .programs import check_program
from .served import ask, healthy, serving
from .shell import Command, commands
from .world import COUNTS, NAMES, TINY, TINY_MODEL, make_world

PAGES = [page for page in pages() if blocks_of(page)]
TRAINS = ("train", "compare", "tune")
MODULE = "page"  # in which dataclasses of a snippet find their names
UNSAID = {"audit": ("cohort=any",), "demo": ("data.cohort=any",)}  # settings that the verb itself fills in
FINDS = ("prepare check",)  # end with 3 where there is something to say


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    with contextlib.chdir(folder):
        return make_world(folder)


@pytest.mark.xdist_group("pages")
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_blocks_of_a_page_run(
    page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(world, tmp_path / "here")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))
    with contextlib.ExitStack() as ending:
        reader = Reader(page.as_posix(), folder, ending)
        for block in blocks_of(page):
            try:
                reader.read(block)
            except AssertionError as error:
                raise AssertionError(f"{block.place}: {error}\n{capsys.readouterr().err}") from error
            except BaseException as error:
                error.add_note(f"in the block at {block.place}\n{block.text}")
                raise
    for name in [name for name, module in sys.modules.items() if _lies_in(folder, module)]:
        del sys.modules[name]
    reader.names.clear()
    gc.collect()  # classes of a snippet are no longer methods of ours


class Reader:
    """Reads the blocks of one page in order: one namespace, one folder, and one server while it is asked."""

    def __init__(self, page: str, folder: Path, ending: contextlib.ExitStack) -> None:
        self.page, self.folder, self.ending = page, folder, ending
        self.names: dict[str, Any] = {"__name__": MODULE, **(NAMES[page](folder) if page in NAMES else {})}
        self.server: str | None = None

    def read(self, block: Block) -> None:
        """Run a block, or read it."""
        readers = {"python": self._python, "sh": self._shell, "yaml": self._yaml, "text": self._text}
        assert block.language in readers, f"nobody reads {block.language}"
        readers[block.language](block)

    def _python(self, block: Block) -> None:
        if reason(ELSEWHERE, self.page, block.text):
            compile(block.text, block.place, "exec")
            return
        _keep(block)
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
        exec(code, self.names)

    def _yaml(self, block: Block) -> None:
        _keep(block)
        assert isinstance(yaml.safe_load(block.text), dict), "settings are a mapping"

    def _text(self, block: Block) -> None:
        """No code; but options of the command that it names must be there."""
        verb, *words = block.text.split()
        if verb == "sightline":
            command, *rest = words
            help_text = _help(command, rest)
            named = [word.strip("[]") for word in rest if word.startswith(("--", "[--"))]
            assert not [word for word in named if f"{word} " not in help_text and f"{word}\n" not in help_text]

    def _shell(self, block: Block) -> None:
        for command in commands(block.text):
            if command.program != "sightline":
                self._other(command)
            elif reason(PARSED, self.page, str(command).removeprefix(".venv/bin/")):
                parse(list(command.words))
            else:
                self._run(list(command.words))

    def _other(self, command: Command) -> None:
        curl = shutil.which("curl")
        if command.program == "curl":
            assert self.server, "curl asks a server that no block before has started"
            if curl:
                ask(curl, command.words, self.server, self.folder)
        else:
            check_program(command.program, command.words)

    def _run(self, words: list[str]) -> None:
        verb = words[0]
        if verb == "serve" or (verb == "view" and "--export-reviews" not in words):
            self.server = self.ending.enter_context(serving(verb, tuple(words[1:]), self.folder))
            assert healthy(verb, self.server)
            if verb == "view":  # nothing more is asked of it
                self.ending.pop_all().close()
            return
        if words[:2] == ["prepare", "phantoms"]:
            shutil.rmtree(words[2], ignore_errors=True)  # the pages call each folder OUT
        there = [path for word in words for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
        code = main(tiny(there))
        assert code == 0 or (code == 3 and " ".join(words).startswith(FINDS)), f"{' '.join(words)} ended with {code}"


def tiny(words: list[str]) -> list[str]:
    """The same command on less: fewer phantoms, smaller images, one epoch, one case."""
    verb, *rest = words
    own = any(word.startswith("model.name=") for word in rest)
    if verb == "prepare" and rest[0] == "phantoms":
        return [verb, *rest, *(() if "--counts" in rest else COUNTS)]
    if verb in TRAINS and "--print-config" not in rest:
        return [verb, *rest, *TINY, *(() if own else TINY_MODEL)]
    if verb == "report":
        return [verb, *rest, "--cases", "1"]
    if verb == "export" and "all" in rest:
        rest[rest.index("all")] = "safetensors"  # tests/exporting writes the others
    return [verb, *rest]


def parse(words: list[str]) -> None:
    """Parse a command as it would parse itself, settings too, and run nothing.

    Raises:
        SightlineError: an option, a verb, a recipe or a setting that does not exist.
    """
    verb, *rest = words
    assert verb in VERBS, f"no verb {verb}"
    if verb in TRAINS:
        with contextlib.chdir(ROOT):
            _print_config(verb, [word for word in rest if "*" not in word])
        return
    parsed = Parser.of(verb, _module(verb)).parse(rest)
    assert parsed is not None
    if hasattr(_module(verb), "SETTINGS"):
        module, name = _module(verb).SETTINGS
        bare, overrides = words_to_overrides(parsed.words)
        assert not bare, f"unknown argument {bare[0]}"
        read_settings(
            getattr(importlib.import_module(module), name), parsed.config, [*overrides, *UNSAID.get(verb, ())]
        )


def _print_config(verb: str, words: list[str]) -> None:
    arguments = Parser.of(verb, _module(verb)).parse([*words, "--print-config"])
    assert arguments is not None
    if verb == "compare" and not [word for word in arguments.words if "=" not in word] and not arguments.recipes:
        return  # of run folders, which are not there
    _module(verb).run(arguments)


def _help(verb: str, words: list[str]) -> str:
    parser = Parser.of(verb, _module(verb))
    for action in parser._actions:
        if isinstance(action.choices, dict) and words and words[0] in action.choices:
            return str(action.choices[words[0]].format_help())
    return parser.format_help()


def _keep(block: Block) -> None:
    """Write a block whose first line names a file, as `# mine.yaml`, into that file."""
    first = block.text.split("\n", 1)[0].removeprefix("# ")
    if first.endswith((".py", ".yaml")) and first == Path(first).name:
        Path(first).write_text(block.text, encoding="utf-8")


def _lies_in(folder: Path, module: Any) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}")


def _starts() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "sh":
                yield from ((block.page, str(command).removeprefix(".venv/bin/")) for command in commands(block.text))
            else:
                yield block.page, block.text


@pytest.mark.parametrize("key", [*PARSED, *ELSEWHERE])
def test_what_is_listed_is_on_its_page(key: str) -> None:
    table = {key: ""}
    assert any(reason(table, page, start) is not None for page, start in _starts()), "nothing fits: take the entry out"


def test_blocks_are_found_wherever_they_stand() -> None:
    text = "a\n\n    sightline demo\n\n- b\n\n  ```python\n  x = 1\n  ```\n\n```{toctree}\na\n```\n\n```\nls\n```\n"
    found = [(block.line, block.language, block.text) for block in blocks_in(text, "page.md")]
    assert found == [(3, "sh", "sightline demo\n"), (8, "python", "x = 1\n"), (16, "sh", "ls\n")]


def test_the_shell_reads_variables_loops_quotes_and_comments() -> None:
    text = "Y=a.yaml\nfor r in 1 2; do sightline train -c $Y 'x y' runs/$r; done # no\n.venv/bin/pip a \\\n  {} *\n"
    assert [(call.program, call.words) for call in commands(text)] == [
        ("sightline", ("train", "-c", "a.yaml", "x y", "runs/1")),
        ("sightline", ("train", "-c", "a.yaml", "x y", "runs/2")),
        ("pip", ("a", "{}", "*")),
    ]
    with pytest.raises(ValueError, match="unbound"):
        commands("sightline train $NOTHING")


@pytest.mark.parametrize(
    "words",
    [
        "train -c isnet-stochastic optim.learning=1",
        "train -c no-such-recipe",
        "compare plain isnat --out runs/a",
        "evaluate runs/a --splits test",
        "audit runs/a --wieghts a.pt",
        "prepare chekc a",
        "pacs find",
        "vew a",
    ],
)
def test_a_wrong_word_is_told(words: str) -> None:
    with pytest.raises((AssertionError, Exception), match=r"no verb|unknown|required|invalid|no such|isnat"):
        parse(words.split())


@pytest.mark.parametrize(
    "call", ["pip install sightline[serv]", "make dmo", "python docs/experiments/none.py", "pip install --group tst"]
)
def test_a_wrong_call_of_another_program_is_told(call: str) -> None:
    program, *words = call.split()
    with pytest.raises((AssertionError, FileNotFoundError)):
        check_program(program, tuple(words))


def test_an_option_that_a_script_does_not_have_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check_program("python", ("docs/experiments/audits.py", "--nothing", "a"))
    assert "unrecognized" in capsys.readouterr().err
