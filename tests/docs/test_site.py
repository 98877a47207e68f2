"""What the site adds to its pages; the site itself is built by `make docs`."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .blocks import ROOT, pages

pytest.importorskip("sphinx", reason="the site is built by the group docs")
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\\w$`])\$(?=\S)([^$`\n]+?)(?<=\S)\$(?![\w$])", re.DOTALL)


@pytest.fixture(scope="module", name="part")
def _part() -> Iterator[dict[str, ModuleType]]:
    """The extensions of the site."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs/_site")
        yield {name: importlib.import_module(name) for name in ("docstrings", "formulas", "homes", "pages")}
    for name in ("docstrings", "formulas", "homes", "pages"):
        del sys.modules[name]


def texts() -> Iterator[tuple[str, str]]:
    """Pages and docstrings."""
    for page in pages():
        yield page.as_posix(), re.sub(r"(?ms)^( {4}.*?|```.*?```)$", "", (ROOT / page).read_text(encoding="utf-8"))
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                yield file.relative_to(ROOT).as_posix(), text


def test_every_formula_becomes_mathml(part: dict[str, ModuleType]) -> None:
    seen = 0
    for where, text in texts():
        for displayed, inline in FORMULA.findall(text):
            made = part["formulas"].mathml(displayed or inline, block=bool(displayed))
            assert made.startswith("<math"), where
            seen += 1
    assert seen > 500


def test_an_index_of_an_overline_stands_beside_it(part: dict[str, ModuleType]) -> None:
    assert "<msub>" in part["formulas"].mathml(r"\overline{H}_M", block=False)


def test_chapters_are_the_pages_of_the_folder_in_order(part: dict[str, ModuleType]) -> None:
    text = "[b](b.md), [a](../a.md), [b](b.md), [c](../methods/c.md), [d](https://d.org/d.md), [e](e.md#f)"
    assert part["pages"].listed(text) == ["b", "../a"]


def test_pages_that_the_index_does_not_name_are_chapters_too(part: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Index\n\n```{toctree}\n\nb\n```\n")
    for name in "abc":
        (tmp_path / f"{name}.md").write_text("# A page\n")
    assert part["pages"].beside(tmp_path) == ["../a", "../c"]


def test_links_show_titles_and_stay_on_the_site(part: dict[str, ModuleType]) -> None:
    text = "[a.md](../b/a.md#c) [a](a.md) [a.md](b.md)"
    assert part["pages"].titled(text) == "[](../b/a.md#c) [a](a.md) [a.md](b.md)"
    assert part["pages"].within("[x](../../benchmarks/README.md#y)") == "[x](/benchmarks.md#y)"


def test_docstrings_become_restructured_text(part: dict[str, ModuleType]) -> None:
    text = "Take $a_i$.\n\n    $$b\n    = c$$\n\n| d | e |\n|---|---|\n| 1 | |\n\nAt `$HOME` it costs 5$."
    assert part["docstrings"].to_rst(text) == (
        "Take :math:`a_i`.\n\n\n    .. math::\n\n       b = c\n\n    \n\n"
        "\n.. list-table::\n   :header-rows: 1\n\n   * - d\n     - e\n   * - 1\n     -\n\n\nAt `$HOME` it costs 5$."
    )


def test_what_two_packages_export_has_one_home(part: dict[str, ModuleType]) -> None:
    packages = {"sightline.regions", "sightline.regions.gaze", "sightline.metrics", "sightline.segmenting"}
    home = part["homes"].home
    assert home("sightline.regions.gaze.scanpath", "Fixations", packages) == "sightline.regions.gaze"
    assert home("sightline.metrics.mask_overlap", "Overlap", packages) == "sightline.metrics"
    assert home("torch", "Tensor", packages) is None


def test_every_page_is_in_a_list_of_pages() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for folder in ("experiments", "how_to", "methods", "reference"):
        listed = (ROOT / f"docs/{folder}/README.md").read_text(encoding="utf-8")
        assert f"\n{folder}/README\n" in index
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert page.name == "README.md" or f"({page.name})" in listed, page


def test_pages_that_links_lead_to_are_on_the_site(part: dict[str, ModuleType]) -> None:
    site = ROOT / "docs"
    for page in sorted(site.rglob("*.md")):
        if "_build" in page.parts or "gallery" in page.parts:
            continue
        text = part["pages"].within(page.read_text(encoding="utf-8"))
        for link in re.findall(r"\]\(([\w./-]+\.md)[)#]", text):
            target = site / link[1:] if link.startswith("/") else (page.parent / link).resolve()
            assert target.is_file(), (page, link)
            assert target.is_relative_to(site), (
                f"{page}: {link} is no page of the site; see SHOWN in docs/_site/pages.py"
            )
