"""The blocks of code in README.md and on the pages."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
MADE = ("_build", "gallery", "reference/generated")  # by the site


@dataclass(frozen=True)
class Block:
    """A fenced or indented block.

    Attributes:
        page: from the root of the repository.
        line: of its first line of code, from 1.
        language: that the fence names; `sh` of an indented block and of a fence that names none.
        text: the code.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README.md and the pages of the site, from the root of the repository."""
    there = sorted((ROOT / "docs").rglob("*.md"))
    own = [page for page in there if not page.relative_to(ROOT / "docs").as_posix().startswith(MADE)]
    return [Path("README.md"), *(page.relative_to(ROOT) for page in own)]


def blocks_of(page: Path) -> list[Block]:
    """Blocks of a page in order, but for directives of the site, whose fences name them as `{toctree}`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return blocks_in(text, page.as_posix())


def blocks_in(text: str, page: str) -> list[Block]:
    """Blocks of a text in Markdown."""
    found = []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in ("fence", "code_block") and not token.info.startswith("{"):
            assert token.map is not None
            first = token.map[0] + (2 if token.type == "fence" else 1)
            language = re.split(r"\W", token.info.strip(), maxsplit=1)[0]
            found.append(Block(page, first, language or "sh", token.content))
    return found
