"""One parser a module, reached as users reach it: `one(data)` returns, or refuses with a `SightlineError`.

Each module has

- `one(data)`: bytes to the parser, through a file where it reads files;
- `seeds()`: names and bytes of inputs that are generated, from which fuzzing begins;
- `WORDS`: what the format is written in, for the mutations.
"""

NAMES = ("dicom", "picture", "volume", "rle", "annotations", "table", "settings", "reports", "uploads")
