"""The parsers as `fuzz/` reaches them; atheris is not needed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
