"""What the site adds to pages that are read in the repository as well, so that they need no directives.

- A page called README lists the pages of its folder; on the site they are its chapters, in that order. Pages beside
  the index that it does not name are chapters of "How to". A page that nothing names is a warning of Sphinx, and so an
  error of the build.
- A link that shows the name of a page, as `[isnet.md](isnet.md)`, shows its title.
- A link to a page that lies outside of `docs/` leads to the page of the site that shows it.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

SHOWN = {"benchmarks/README.md": "/benchmarks.md", "SECURITY.md": "/security.md", "examples": "/gallery/index.rst"}
_LINK = re.compile(r"\]\(((?:\.\./)?[\w-]+)\.md\)")
_NAMED = re.compile(r"\[([\w-]+\.md)\](\((?:[\w./-]*/)?\1[)#])")


def listed(text: str) -> list[str]:
    """Names of the pages of the same folder, or of the one above, that a text links to; each once, without suffix."""
    return list(dict.fromkeys(_LINK.findall(text)))


def titled(text: str) -> str:
    """Let links that show the name of a page show its title."""
    return _NAMED.sub(r"[]\2", text)


def within(text: str) -> str:
    """Let links to pages outside lead to the pages that show them."""
    for outside, shown in SHOWN.items():
        text = re.sub(rf"\]\((?:\.\./)+{re.escape(outside)}(?=[)#])", f"]({shown}", text)
    return text


def beside(folder: Path) -> list[str]:
    """Names of the pages in a folder that its index does not name, as a page in a folder of it calls them."""
    index = (folder / "index.md").read_text(encoding="utf-8").splitlines()
    return [f"../{page.stem}" for page in sorted(folder.glob("*.md")) if page.stem not in ("index", *index)]


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    text = source[0]
    if page.endswith("/README"):
        chapters = listed(text) + (beside(Path(app.srcdir)) if page == "how_to/README" else [])
        text += "\n```{toctree}\n:hidden:\n\n" + "\n".join(dict.fromkeys(chapters)) + "\n```\n"
    source[0] = within(titled(text))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Change pages as they are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
