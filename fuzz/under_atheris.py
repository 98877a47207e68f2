"""Fuzz one parser until the time is up or something is found: `under_atheris.py TARGET [options of libFuzzer]`.

Python code of ours and of the parsers below us is instrumented; atheris cannot see into C extensions (NumPy, Pillow's
and GDCM's decoders, PyYAML has none here), whose branches therefore guide nothing, though their crashes are found.
"""

import importlib
import logging
import sys
import warnings

import atheris

INSTRUMENTED = [
    "sightline",
    "pydicom",
    "nibabel",
    "yaml",
    "PIL",
    "starlette",
    "python_multipart",
    "numpy.lib",
    "gzip",
    "json",
]


def main(name: str, options: list[str]) -> None:
    """Read the seeds once, so that modules that are imported late are instrumented, and begin."""
    warnings.simplefilter("ignore")  # of decoders, about odd values
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"targets.{name}")
        for _, data in target.seeds():
            target.one(data)
    atheris.Setup([sys.argv[0], *options], target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
