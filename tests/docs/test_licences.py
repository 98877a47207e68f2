"""The page of licences names every dependency, and says what the installed package says of itself."""

import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from itertools import chain

import pytest

from .blocks import ROOT
from .programs import PROJECT

PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
OTHERS = {"lxt"}  # installed by name, beside the groups
# of classifiers and free words: what they begin with, in a shorter form
WORDS = {
    "GNU Lesser General Public License v3 or later": "LGPL-3.0-or-later",
    "GNU Affero General Public License": "AGPL-3.0",
    "Mozilla Public License 2.0": "MPL-2.0",
    "Python Software Foundation License": "PSF",
    "Apache": "Apache-2.0",
    "BSD 3-Clause": "BSD-3-Clause",
    "3-clause BSD": "BSD-3-Clause",
    "BSD": "BSD",
    "MIT": "MIT",
    "The MIT": "MIT",
}
KNOWN = re.compile(
    r"\b(?:Apache-2\.0|A?GPL-3\.0|BSD-[23]-Clause|BSL-1\.0|0BSD|CC0-1\.0|LGPL-3\.0-or-later|MIT-CMU|MIT|MPL-2\.0|PSF|Zlib)\b"
)


def plain(name: str) -> str:
    """The name of a package as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked() -> set[str]:
    """Every dependency that pyproject.toml names."""
    lists = chain(
        [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"]],
        PROJECT["project"]["optional-dependencies"].values(),
        PROJECT["dependency-groups"].values(),
    )
    words = (word for word in chain.from_iterable(lists) if isinstance(word, str))
    return {plain(re.split(r"[><=\[ ]", word)[0]) for word in words}


def rows() -> dict[str, str]:
    """Licence by package, of the tables of what is installed."""
    installed = PAGE[PAGE.index("## Installed with it") : PAGE.index("## Read or compared with")]
    cells = (line.strip("| ").split(" | ") for line in installed.splitlines() if line.startswith("| "))
    return {plain(first): last for first, *_, last in cells if first != "package"}


def told(about: PackageMetadata) -> set[str]:
    """Licences that a package's metadata name: of its expression, else of its classifiers, else of its first words."""
    if expression := about.get("License-Expression"):
        return {re.sub(r" WITH .*", "", word) for word in re.split(r" (?:AND|OR) ", expression)}
    classified = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    words = classified or (about.get("License") or "").strip().splitlines()[:1]
    return {short for word in words if (short := shortened(word))}


def shortened(words: str) -> str | None:
    """The shorter form of a licence's name; None if it is not known."""
    return next((short for begin, short in WORDS.items() if words.startswith(begin)), None)


def test_every_dependency_is_on_the_page_and_nothing_else() -> None:
    assert rows().keys() - OTHERS == asked()


@pytest.mark.parametrize("package", sorted(rows().keys() - OTHERS))
def test_the_page_says_what_the_package_says(package: str) -> None:
    try:
        found = told(metadata(package))
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    if not found:
        pytest.skip(f"{package} does not say")
    said = set(KNOWN.findall(rows()[package]))
    assert said, "no licence that is known"
    if package == "torch":  # what its builds bundle differs
        assert "BSD-3-Clause" in said & found
    elif "BSD" in found:  # which of them is not said
        assert {word for word in said if word.startswith("BSD-")}
        assert len(said) == len(found)
    else:
        assert said == found


def test_metadata_are_read_in_all_their_forms() -> None:
    from email.message import Message

    def about(**fields: str) -> set[str]:
        message = Message()
        for name, value in fields.items():
            message[name.replace("_", "-")] = value
        return told(message)  # type: ignore[arg-type]  # metadata are such a message

    assert about(License_Expression="BSD-3-Clause AND Apache-2.0 WITH LLVM-exception") == {"BSD-3-Clause", "Apache-2.0"}
    assert about(Classifier="License :: OSI Approved :: MIT License", License="all of it") == {"MIT"}
    assert about(License="3-clause BSD") == {"BSD-3-Clause"}
    assert about(License="LICENSE") == set()
