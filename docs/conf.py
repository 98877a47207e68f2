"""The site: `make docs` builds it from the pages beside this file, the docstrings and the examples."""

import os
import sys
from pathlib import Path

import torch

import sightline

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_site"))
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # an example looks alike wherever the site is built
try:  # PyPI's torchvision is built for CUDA; beside a torch for the CPU two operators are missing (pytorch/vision#9085)
    import torchvision  # noqa: F401 - examples import what imports it
except ModuleNotFoundError:
    pass
except RuntimeError:
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

project = "Sightline"
author = "The Sightline authors"
copyright = author  # noqa: A001 - Sphinx calls it so
version = release = sightline.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "docstrings",  # before napoleon, which cuts them into sections
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "command_help",
    "formulas",
    "homes",
    "pages",
]
exclude_patterns = ["_build", "_site", "_templates"]
templates_path = ["_templates"]

# pages: they are read in the repository as well, so they are plain Markdown with relative links
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
highlight_language = "bash"  # of indented blocks; fences name theirs

# docstrings
default_role = "py:obj"
autosummary_generate = True
autodoc_default_options = {"members": True, "imported-members": True, "special-members": "__call__"}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
# frameworks are base classes and types only; what is installed must not change the site
autodoc_mock_imports = ["accelerate", "ignite", "lightning", "monai", "pytorch_lightning", "transformers"]
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Reference"]
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False
python_display_short_literal_types = True
add_module_names = False
toc_object_entries_show_parents = "hide"

# examples; `-D plot_gallery=0` builds the site without running them
sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["gallery"],
    "within_subsection_order": "FileNameSortKey",
    "default_thumb_file": str(HERE / "images/demo_bias_gap.png"),
    "ignore_repr_types": r".*Generator",  # what `torch.manual_seed` returns
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/(?!plot_)[^/]*\.py$",
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "download_all_examples": False,
    "show_signature": False,
    "abort_on_example_error": False,
}

html_theme = "furo"
html_title = f"Sightline {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"source_view_link": "", "navigation_with_keys": True}
