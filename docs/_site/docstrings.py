"""Docstrings hold formulas between dollars and tables with bars, as the pages do; Sphinx reads reStructuredText."""

import re

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_DISPLAYED = re.compile(r"^( *)\$\$(.+?)\$\$(.*)$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<![\\\w$`])\$(?=\S)([^$`]+?)(?<=\S)\$(?![\w$])")
_TABLE = re.compile(r"^( *)(\|.*\|)\n *\|[-|: ]+\|\n((?: *\|.*\|(?:\n|$))+)", re.MULTILINE)


def to_rst(text: str) -> str:
    r"""Write `$x$` as a role, `$$x$$` at the beginning of a line and tables as directives."""

    def tabled(found: re.Match[str]) -> str:
        indent, head, rows = found.groups()
        lines = [f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
        for row in (head, *rows.strip().splitlines()):
            cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
            lines += [f"{indent}   {'* -' if n == 0 else '  -'} {cell}".rstrip() for n, cell in enumerate(cells)]
        return "\n" + "\n".join(lines) + "\n\n"

    def displayed(found: re.Match[str]) -> str:
        indent, formula, rest = found.groups()
        return f"\n{indent}.. math::\n\n{indent}   {' '.join(formula.split())}\n\n{indent}{rest.lstrip(' .,;')}"

    def inline(found: re.Match[str]) -> str:
        return rf":math:`{' '.join(found[1].split())}`"

    return _INLINE.sub(inline, _DISPLAYED.sub(displayed, _TABLE.sub(tabled, text)))


def _process(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    lines[:] = to_rst("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Rewrite each docstring before napoleon cuts it into sections."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
