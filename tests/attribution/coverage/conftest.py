"""The option that writes the page, from what the tests of cells report, here or from the workers of a parallel run."""

import pytest

from sightline.runs import write_text

from .cells import Cell
from .page import PAGE, Key, read, write

_OPTION = "--write-coverage"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, action="store_true", help=f"write {PAGE.name} from the cells found; the others stay")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(_OPTION, False) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(config))


@pytest.fixture
def writing(request: pytest.FixtureRequest) -> bool:
    """Whether the page is to be written; without this folder on the command line there is no such option."""
    return bool(request.config.getoption(_OPTION, False))


class _Writer:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.cells: dict[Key, Cell] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "cell":
                method, architecture, check, reason = value
                self.cells[method, architecture] = Cell(check, reason)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        said = f"{PAGE.name} is left as it is: not all is well"
        if exitstatus == pytest.ExitCode.OK:
            known = read(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
            write_text(PAGE, write(known | self.cells))
            said = f"{PAGE.name}: wrote {len(self.cells)} cells"
        self.config.get_terminal_writer().line(f"\n{said}")
