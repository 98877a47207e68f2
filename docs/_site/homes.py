"""What several packages export stands on one page: that of the package which it comes from."""

import importlib

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

PAGES = "reference/generated/"


def home(module: str, name: str, packages: set[str]) -> str | None:
    """The innermost of the packages that holds a module and exports a name of it; None if none does."""
    holding = [package for package in packages if f"{module}.".startswith(f"{package}.")]
    exporting = [package for package in holding if name in getattr(importlib.import_module(package), "__all__", ())]
    return max(exporting, key=len, default=None)


def _skip(app: Sphinx, what: str, name: str, obj: object, skip: bool, _options: object) -> bool | None:
    page = app.env.current_document.docname
    if what != "module" or skip or not page.startswith(PAGES):
        return None
    packages = {doc.removeprefix(PAGES) for doc in app.env.found_docs if doc.startswith(PAGES)}
    own = page.removeprefix(PAGES)
    return home(getattr(obj, "__module__", None) or own, name, packages) not in (own, None) or None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Skip on other pages."""
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
