r"""Formulas as MathML, which browsers draw by themselves: the site needs no script, no font and no network for them.

docutils, which Sphinx stands on, turns TeX into MathML. A few commands that our pages and docstrings use it does not
know; `PLAIN` says them otherwise. Brackets in MathML grow with what they hold, so that `\big` can go.
"""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

PLAIN = (
    (r"\\[bB]ig(?![a-zA-Z])", ""),
    (r"\\dots(?![a-zA-Z])", r"\\ldots "),
    (r"\\textstyle", ""),
    ("°", r"^\\circ "),
    (r"(\\overline\{[^{}]*\})_", r"\1{}_"),  # or the index would stand below
)


def mathml(formula: str, *, block: bool) -> str:
    """Turn a formula in TeX into MathML.

    Raises:
        docutils.utils.math.MathError: a command that is not known; the build ends with it.
    """
    for pattern, plain in PLAIN:
        formula = re.sub(pattern, plain, formula)
    return str(tex2mathml(formula.strip(), as_block=block))


def _inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _block(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Offer the renderer as `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
